package dev.tierwise.client;

/**
 * Who runs the server must act: provider credentials, model names, prices or spend limit. Retrying
 * cannot help.
 */
public final class ServerSetupException extends ServerException {
    private static final long serialVersionUID = 1L;

    ServerSetupException(Failure failure) {
        super(failure);
    }
}
