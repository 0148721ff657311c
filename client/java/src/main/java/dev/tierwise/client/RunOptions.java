package dev.tierwise.client;

import dev.tierwise.v1.GenerateRequest;

import java.time.Duration;
import java.util.Map;

/**
 * Wishes about one call that runs a task. Immutable.
 *
 * @param <O> the options of one kind of call
 */
public abstract sealed class RunOptions<O extends RunOptions<O>> extends TaskOptions<O>
        permits GenerateOptions, StreamOptions {
    RunOptions(GenerateRequest wishes, Duration timeout) {
        super(wishes, timeout);
    }

    /** Gives the caller's own id of the request, printable ASCII, at most 128 characters. */
    public O withRequestId(String id) {
        return changed(request -> request.setRequestId(Unicode.checked(id, "the request's id")));
    }

    /** Gives up to 16 labels for accounting; they are never sent to a model. */
    public O withLabels(Map<String, String> labels) {
        labels.forEach(
                (key, value) -> {
                    Unicode.checked(key, "a label's key");
                    Unicode.checked(value, "a label");
                });
        return changed(request -> request.clearLabels().putAllLabels(labels));
    }
}
