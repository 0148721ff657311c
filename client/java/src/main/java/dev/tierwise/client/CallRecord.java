package dev.tierwise.client;

import java.time.Duration;
import java.util.Optional;

/**
 * One paid or attempted call to a model: an attempt or a check.
 *
 * @param message what it is read from
 */
public record CallRecord(dev.tierwise.v1.CallRecord message) {
    /** The attempt it belongs to, from 1; a check carries the number of the draft it checked. */
    public int attempt() {
        return message.getAttempt();
    }

    /** What it was for. */
    public CallKind kind() {
        return Words.word(CallKind.class, message.getKind());
    }

    /** How it ended. */
    public CallStatus status() {
        return Words.word(CallStatus.class, message.getStatus());
    }

    /** The tier asked. */
    public String tier() {
        return message.getTier();
    }

    /** The model asked. */
    public String model() {
        return message.getModel();
    }

    /** Tokens; empty when nothing was billed. */
    public Optional<Usage> usage() {
        return message.hasUsage() ? Optional.of(new Usage(message.getUsage())) : Optional.empty();
    }

    /** Cost; empty when nothing was billed, or when the model has no price. */
    public Optional<Cost> cost() {
        return message.hasCost() ? Optional.of(new Cost(message.getCost())) : Optional.empty();
    }

    /** The provider reported no final usage: tokens are counted from what was seen. */
    public boolean usageEstimated() {
        return message.getUsageEstimated();
    }

    /** This attempt's text is void. */
    public boolean superseded() {
        return message.getSuperseded();
    }

    /** Why the model stopped, when it completed. */
    public FinishReason finishReason() {
        return Words.word(FinishReason.class, message.getFinishReason());
    }

    /** Why it failed, when it failed. */
    public ErrorReason failureReason() {
        return Words.word(ErrorReason.class, message.getFailureReason());
    }

    /** How often the provider was asked: 1 means no retry, 0 that it was down or had no place. */
    public int tries() {
        return message.getTries();
    }

    /** The provider's own id of the response; may be empty. */
    public String responseId() {
        return message.getResponseId();
    }

    /** From the first try until the end of the call. */
    public Duration duration() {
        return Times.duration(message.getDuration());
    }
}
