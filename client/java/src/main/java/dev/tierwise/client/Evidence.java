package dev.tierwise.client;

import java.time.Instant;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The measurement behind a row of the routing table.
 *
 * @param message what it is read from
 */
public record Evidence(dev.tierwise.v1.Evidence message) {
    /** How many tasks of this type were measured. */
    public int sampleSize() {
        return message.getSampleSize();
    }

    /** Mean quality of the row's policy, from 0 to 1. */
    public double quality() {
        return message.getQuality();
    }

    /** Lower end of the interval of the quality. */
    public double qualityLow() {
        return message.getQualityLow();
    }

    /** Upper end of the interval of the quality. */
    public double qualityHigh() {
        return message.getQualityHigh();
    }

    /** Mean cost of a task, checks and discarded drafts included. */
    public long meanCostNanoUsd() {
        return message.getMeanCostNanoUsd();
    }

    /** "check", "human", or a judge model with its prompt version. */
    public String judge() {
        return message.getJudge();
    }

    /** Identifies the measured data. */
    public String datasetHash() {
        return message.getDatasetHash();
    }

    /** The price book of the measurement. */
    public String priceBookVersion() {
        return message.getPriceBookVersion();
    }

    /** When it was measured. */
    public Optional<Instant> measureTime() {
        return message.hasMeasureTime()
                ? Optional.of(Times.instant(message.getMeasureTime()))
                : Optional.empty();
    }

    /** When it stops counting. */
    public Optional<Instant> expireTime() {
        return message.hasExpireTime()
                ? Optional.of(Times.instant(message.getExpireTime()))
                : Optional.empty();
    }

    /** The share of tasks that the row is expected to send up; empty when it was not measured. */
    public OptionalDouble escalationRate() {
        return message.hasEscalationRate()
                ? OptionalDouble.of(message.getEscalationRate())
                : OptionalDouble.empty();
    }

    /**
     * The most that the row was allowed to lose against the strongest tier; empty when nothing was
     * asked.
     */
    public OptionalDouble tolerance() {
        return message.hasTolerance()
                ? OptionalDouble.of(message.getTolerance())
                : OptionalDouble.empty();
    }

    /** How sure one was to be that it loses no more; empty when nothing was asked. */
    public OptionalDouble confidence() {
        return message.hasConfidence()
                ? OptionalDouble.of(message.getConfidence())
                : OptionalDouble.empty();
    }

    /**
     * What it loses at most at that confidence, negative for a gain; empty when nothing could be
     * certified.
     */
    public OptionalDouble lossBound() {
        return message.hasLossBound()
                ? OptionalDouble.of(message.getLossBound())
                : OptionalDouble.empty();
    }
}
