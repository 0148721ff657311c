package dev.tierwise.client;

import java.util.List;
import java.util.OptionalDouble;

/**
 * Which tier a task gets, and why. The same table version and request always give the same one.
 *
 * @param message what it is read from
 */
public record RouteDecision(dev.tierwise.v1.RouteDecision message) {
    /** The tier that is asked first. */
    public String tier() {
        return message.getTier();
    }

    /** The model that fills it. */
    public String model() {
        return message.getModel();
    }

    /** The tiers the task may climb, in order, the first included; one: nothing escalates. */
    public List<String> cascade() {
        return List.copyOf(message.getCascadeList());
    }

    /** The rule that chose the row. */
    public RoutingRule rule() {
        return Words.word(RoutingRule.class, message.getRule());
    }

    /** What changed the row afterwards, in the order applied. */
    public List<RoutingAdjustment> adjustments() {
        return message.getAdjustmentsList().stream()
                .map(value -> Words.word(RoutingAdjustment.class, value))
                .toList();
    }

    /** One English sentence for people; its wording is not part of the contract. */
    public String why() {
        return message.getWhy();
    }

    /** How confidence is measured; empty when nothing is checked. */
    public String confidenceMethod() {
        return message.getConfidenceMethod();
    }

    /** The confidence, from 0 to 1, that accepts a draft; empty when nothing is checked. */
    public OptionalDouble confidenceThreshold() {
        return message.hasConfidenceThreshold()
                ? OptionalDouble.of(message.getConfidenceThreshold())
                : OptionalDouble.empty();
    }

    /** Identifies the content of the routing table. */
    public String tableVersion() {
        return message.getTableVersion();
    }

    /** The task type that was looked up. */
    public String taskType() {
        return message.getTaskType();
    }
}
