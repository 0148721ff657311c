package dev.tierwise.client;

import com.google.protobuf.Message;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * One of the things that happen while a task runs.
 *
 * <p>{@link Started} comes first; {@link Finished} comes last, if and only if there is an answer.
 * An attempt's text lies between its {@link AttemptStarted} and whichever comes first of its {@link
 * AttemptSuperseded} and {@link Finished}.
 */
public sealed interface Event {
    /** Returns what the event is read from. */
    Message message();

    /**
     * The task was routed and the first call is about to be made: from here on it may cost money.
     *
     * @param message what it is read from
     */
    record Started(dev.tierwise.v1.Started message) implements Event {
        /** The request's id. */
        public String requestId() {
            return message.getRequestId();
        }

        /** Which tier, and why. */
        public RouteDecision decision() {
            return new RouteDecision(message.getDecision());
        }

        /** When the server took up the request. */
        public Optional<Instant> startTime() {
            return message.hasStartTime()
                    ? Optional.of(Times.instant(message.getStartTime()))
                    : Optional.empty();
        }
    }

    /**
     * A model is asked for an answer.
     *
     * @param message what it is read from
     */
    record AttemptStarted(dev.tierwise.v1.AttemptStarted message) implements Event {
        /** Numbers the attempts of a request from 1. */
        public int attempt() {
            return message.getAttempt();
        }

        /** DIRECT or DRAFT. */
        public CallKind kind() {
            return Words.word(CallKind.class, message.getKind());
        }

        /** The tier asked. */
        public String tier() {
            return message.getTier();
        }

        /** The model asked. */
        public String model() {
            return message.getModel();
        }

        /** Options of the request that this model does not take and that were left out. */
        public List<String> ignoredOptions() {
            return List.copyOf(message.getIgnoredOptionsList());
        }
    }

    /**
     * A piece of text; append it to the attempt's text.
     *
     * @param message what it is read from
     */
    record TextDelta(dev.tierwise.v1.TextDelta message) implements Event {
        /** The attempt whose text it is. */
        public int attempt() {
            return message.getAttempt();
        }

        /** The text. */
        public String text() {
            return message.getText();
        }

        /** The attempt is a draft that is not accepted yet; only with LIVE. */
        public boolean provisional() {
            return message.getProvisional();
        }
    }

    /**
     * A model finished an answer, or failed.
     *
     * @param message what it is read from
     */
    record AttemptFinished(dev.tierwise.v1.AttemptFinished message) implements Event {
        /** The call, with its tokens and cost. */
        public CallRecord call() {
            return new CallRecord(message.getCall());
        }
    }

    /**
     * A draft was checked.
     *
     * @param message what it is read from
     */
    record ConfidenceChecked(dev.tierwise.v1.ConfidenceChecked message) implements Event {
        /** The draft that was checked. */
        public int attempt() {
            return message.getAttempt();
        }

        /** How, e.g. "self_report". */
        public String method() {
            return message.getMethod();
        }

        /** From 0 to 1; empty when the check failed or its answer was unreadable. */
        public OptionalDouble confidence() {
            return message.hasConfidence()
                    ? OptionalDouble.of(message.getConfidence())
                    : OptionalDouble.empty();
        }

        /** The model's own number from 1 to 10, when the method asks for one. */
        public OptionalInt score() {
            return message.hasScore() ? OptionalInt.of(message.getScore()) : OptionalInt.empty();
        }

        /** The confidence, from 0 to 1, that accepts a draft. */
        public double threshold() {
            return message.getThreshold();
        }

        /** What followed. */
        public CheckOutcome outcome() {
            return Words.word(CheckOutcome.class, message.getOutcome());
        }

        /** The check's own call, with its tokens and cost. */
        public CallRecord call() {
            return new CallRecord(message.getCall());
        }
    }

    /**
     * An attempt's text is void: drop what was received of it.
     *
     * @param message what it is read from
     */
    record AttemptSuperseded(dev.tierwise.v1.AttemptSuperseded message) implements Event {
        /** The attempt that is void. */
        public int attempt() {
            return message.getAttempt();
        }

        /** The attempt that replaces it. */
        public int replacementAttempt() {
            return message.getReplacementAttempt();
        }

        /** Why. */
        public EscalationReason reason() {
            return Words.word(EscalationReason.class, message.getReason());
        }
    }

    /**
     * Nothing happened for a while; the task is still running.
     *
     * @param message what it is read from
     */
    record Heartbeat(dev.tierwise.v1.Heartbeat message) implements Event {}

    /**
     * The task is done.
     *
     * @param message what it is read from
     */
    record Finished(dev.tierwise.v1.Finished message) implements Event {
        /** Everything the request did and cost. */
        public GenerationSummary summary() {
            return new GenerationSummary(message.getSummary());
        }
    }
}
