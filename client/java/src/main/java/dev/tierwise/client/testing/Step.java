package dev.tierwise.client.testing;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;

import dev.tierwise.v1.GenerateResponse;

import java.util.concurrent.CountDownLatch;

/** A part of a script of one call of Generate. */
public sealed interface Step permits Step.Event, Step.Raw, Step.Hold, FakeFailure {
    /**
     * Returns a step that sends an event of the contract, e.g. a {@code TextDelta}, numbered by the
     * server.
     */
    static Step event(Message event) {
        return new Event(event);
    }

    /** Returns a step that sends a message as it is, so that it may break the contract. */
    static Step raw(GenerateResponse message) {
        return new Raw(message);
    }

    /** Returns a step that sends nothing until the caller leaves or its deadline passes. */
    static Step hold() {
        return new Hold(new CountDownLatch(1));
    }

    /** Returns a step that sends nothing until the latch is open, or the caller leaves. */
    static Step hold(CountDownLatch until) {
        return new Hold(until);
    }

    /**
     * Returns a step that ends the call as a tierwise server reports a failure with this reason.
     */
    static FakeFailure failure(String reason) {
        return new FakeFailure(reason);
    }

    /**
     * Sends an event.
     *
     * @param event one of the contract's
     */
    record Event(Message event) implements Step {
        /** Returns the event with its number in the stream. */
        public GenerateResponse message(long sequence) {
            GenerateResponse.Builder message = GenerateResponse.newBuilder().setSequence(sequence);
            for (FieldDescriptor kind : GenerateResponse.getDescriptor().getFields()) {
                if (kind.getJavaType() == FieldDescriptor.JavaType.MESSAGE
                        && kind.getMessageType().equals(event.getDescriptorForType())) {
                    message.setField(kind, event);
                }
            }
            return message.build();
        }
    }

    /**
     * Sends a message as it is.
     *
     * @param message what is sent
     */
    record Raw(GenerateResponse message) implements Step {}

    /**
     * Waits.
     *
     * @param until what ends it
     */
    record Hold(CountDownLatch until) implements Step {}
}
