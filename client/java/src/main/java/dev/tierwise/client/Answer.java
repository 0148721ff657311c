package dev.tierwise.client;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The whole answer: its text, the decision that led to it, and everything it did and cost.
 *
 * @param text the final attempt's text, whole unless the finish reason says that it is cut; may be
 *     empty
 * @param decision which tier was to be asked first, and why
 * @param summary everything it did and cost; its parts are methods of the answer too
 */
public record Answer(String text, RouteDecision decision, GenerationSummary summary) {
    /** The attempt whose text is the answer, from 1; 0 when there is no answer. */
    public int finalAttempt() {
        return summary.finalAttempt();
    }

    /** Its tier. */
    public String tier() {
        return summary.tier();
    }

    /** Its model. */
    public String model() {
        return summary.model();
    }

    /** Why its model stopped. */
    public FinishReason finishReason() {
        return summary.finishReason();
    }

    /** The provider's own word for it, when it is OTHER. */
    public String rawFinishReason() {
        return summary.rawFinishReason();
    }

    /** Whether more than one attempt was made. */
    public boolean escalated() {
        return summary.escalated();
    }

    /** On what ground the answer was accepted. */
    public Acceptance acceptance() {
        return summary.acceptance();
    }

    /** Of the last check, from 0 to 1; empty when none was readable. */
    public OptionalDouble confidence() {
        return summary.confidence();
    }

    /** All calls' tokens added up. */
    public Usage usage() {
        return summary.usage();
    }

    /** All calls' costs added up; empty when any call's model has no price. */
    public Optional<Cost> cost() {
        return summary.cost();
    }

    /** Every attempt and every check, each once, in the order started. */
    public List<CallRecord> calls() {
        return summary.calls();
    }

    /** What the answer would have cost at each tier alone. */
    public List<Counterfactual> counterfactuals() {
        return summary.counterfactuals();
    }

    /** The routing table that decided. */
    public String tableVersion() {
        return summary.tableVersion();
    }

    /** From the start of the request to the first text sent; empty without text. */
    public Optional<Duration> timeToFirstText() {
        return summary.timeToFirstText();
    }

    /** From the start of the request to its end. */
    public Duration duration() {
        return summary.duration();
    }

    /** The request's id. */
    public String requestId() {
        return summary.requestId();
    }
}
