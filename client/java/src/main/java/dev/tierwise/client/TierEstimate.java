package dev.tierwise.client;

import java.math.BigDecimal;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a request would cost at one tier, estimated from its length before any call.
 *
 * @param message what it is read from
 */
public record TierEstimate(dev.tierwise.v1.TierEstimate message) {
    /** The tier. */
    public String tier() {
        return message.getTier();
    }

    /** The model that fills it. */
    public String model() {
        return message.getModel();
    }

    /** Input tokens, from the length of the text. */
    public long estimatedInputTokens() {
        return message.getEstimatedInputTokens();
    }

    /** Measured for the task type where the table has it, else configured. */
    public long assumedOutputTokens() {
        return message.getAssumedOutputTokens();
    }

    /** In nano-USD; empty when the model has no price. */
    public OptionalLong estimatedCostNanoUsd() {
        return message.hasEstimatedCostNanoUsd()
                ? OptionalLong.of(message.getEstimatedCostNanoUsd())
                : OptionalLong.empty();
    }

    /** The same input with all allowed output; empty when the model has no price. */
    public OptionalLong maxCostNanoUsd() {
        return message.hasMaxCostNanoUsd()
                ? OptionalLong.of(message.getMaxCostNanoUsd())
                : OptionalLong.empty();
    }

    /** Whether the model can hold input and requested output. */
    public boolean fitsContext() {
        return message.getFitsContext();
    }

    /** The version of the price book used. */
    public String priceBookVersion() {
        return message.getPriceBookVersion();
    }

    /** The estimated cost in USD, exactly; empty when the model has no price. */
    public Optional<BigDecimal> usd() {
        return message.hasEstimatedCostNanoUsd()
                ? Optional.of(Money.usd(message.getEstimatedCostNanoUsd()))
                : Optional.empty();
    }
}
