package dev.tierwise.client;

import java.util.List;
import java.util.Optional;

/**
 * The decision about a task, which cost nothing.
 *
 * @param message what it is read from
 */
public record RouteResult(dev.tierwise.v1.RouteResponse message) {
    /** Which tier, and why. */
    public RouteDecision decision() {
        return new RouteDecision(message.getDecision());
    }

    /** What the task would cost at every tier, in configured order. */
    public List<TierEstimate> tiers() {
        return message.getTiersList().stream().map(TierEstimate::new).toList();
    }

    /** The measurement behind the row; empty when it was not measured. */
    public Optional<Evidence> evidence() {
        return message.hasEvidence()
                ? Optional.of(new Evidence(message.getEvidence()))
                : Optional.empty();
    }
}
