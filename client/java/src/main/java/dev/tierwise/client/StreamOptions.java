package dev.tierwise.client;

import dev.tierwise.v1.GenerateRequest;

import java.time.Duration;

/** Wishes about one streamed call. Immutable. */
public final class StreamOptions extends RunOptions<StreamOptions> {
    /** No wishes. */
    public static final StreamOptions DEFAULT =
            new StreamOptions(GenerateRequest.getDefaultInstance(), null);

    private StreamOptions(GenerateRequest wishes, Duration timeout) {
        super(wishes, timeout);
    }

    @Override
    StreamOptions with(GenerateRequest wishes, Duration timeout) {
        return new StreamOptions(wishes, timeout);
    }

    /** Says whether a draft's text is sent before it is accepted. */
    public StreamOptions withDraftDelivery(DraftDelivery delivery) {
        return changed(request -> request.setDraftDelivery(delivery.onTheWire));
    }
}
