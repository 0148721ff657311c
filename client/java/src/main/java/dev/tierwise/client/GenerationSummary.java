package dev.tierwise.client;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Everything a request did and cost, with an answer or (on an exception) without.
 *
 * @param message what it is read from
 */
public record GenerationSummary(dev.tierwise.v1.GenerationSummary message) {
    /** The attempt whose text is the answer, from 1; 0 when there is no answer. */
    public int finalAttempt() {
        return message.getFinalAttempt();
    }

    /** Its tier. */
    public String tier() {
        return message.getTier();
    }

    /** Its model. */
    public String model() {
        return message.getModel();
    }

    /** Why its model stopped. */
    public FinishReason finishReason() {
        return Words.word(FinishReason.class, message.getFinishReason());
    }

    /** The provider's own word for it, when it is OTHER. */
    public String rawFinishReason() {
        return message.getRawFinishReason();
    }

    /** Whether more than one attempt was made. */
    public boolean escalated() {
        return message.getEscalated();
    }

    /** On what ground the answer was accepted. */
    public Acceptance acceptance() {
        return Words.word(Acceptance.class, message.getAcceptance());
    }

    /** Of the last check, from 0 to 1; empty when none was readable. */
    public OptionalDouble confidence() {
        return message.hasConfidence()
                ? OptionalDouble.of(message.getConfidence())
                : OptionalDouble.empty();
    }

    /** All calls' tokens added up. */
    public Usage usage() {
        return new Usage(message.getUsage());
    }

    /** All calls' costs added up; empty when the model of any billed call has no price. */
    public Optional<Cost> cost() {
        return message.hasCost() ? Optional.of(new Cost(message.getCost())) : Optional.empty();
    }

    /**
     * Every attempt and every check, each once, in the order started; empty in an error that they
     * would not fit into, whose totals still hold.
     */
    public List<CallRecord> calls() {
        return message.getCallsList().stream().map(CallRecord::new).toList();
    }

    /** What the answer would have cost at each tier alone. */
    public List<Counterfactual> counterfactuals() {
        return message.getCounterfactualsList().stream().map(Counterfactual::new).toList();
    }

    /** The routing table that decided. */
    public String tableVersion() {
        return message.getTableVersion();
    }

    /** From the start of the request to the first text sent; empty without text. */
    public Optional<Duration> timeToFirstText() {
        return message.hasTimeToFirstText()
                ? Optional.of(Times.duration(message.getTimeToFirstText()))
                : Optional.empty();
    }

    /** From the start of the request to its end. */
    public Duration duration() {
        return Times.duration(message.getDuration());
    }

    /** The request's id. */
    public String requestId() {
        return message.getRequestId();
    }
}
