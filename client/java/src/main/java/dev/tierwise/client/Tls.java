package dev.tierwise.client;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/**
 * What was said of TLS, in PEM; each part may be null.
 *
 * @param on whether to use it
 * @param roots the authorities to trust
 * @param certificate this side's certificate
 * @param key its key
 */
record Tls(Boolean on, byte[] roots, byte[] certificate, byte[] key) {
    static final Tls UNSAID = new Tls(null, null, null, null);

    /** Returns TLS credentials, or those for a call in the clear. */
    ChannelCredentials credentials(Endpoint server) {
        boolean certificates = roots != null || certificate != null;
        if (on == null ? !certificates && server.loopback() : !on) {
            if (certificates) {
                throw new IllegalArgumentException("certificates were given although TLS is off");
            }
            return InsecureChannelCredentials.create();
        }
        TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
        try {
            if (roots != null) {
                builder.trustManager(stream(roots));
            }
            if (certificate != null) {
                builder.keyManager(stream(certificate), stream(key));
            }
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return builder.build();
    }

    private static InputStream stream(byte[] pem) {
        return new ByteArrayInputStream(pem);
    }

    /** Prints no key. */
    @Override
    public String toString() {
        return "Tls[on=" + on + "]";
    }
}
