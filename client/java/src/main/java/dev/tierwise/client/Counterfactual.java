package dev.tierwise.client;

import java.math.BigDecimal;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What the request would have cost at one tier alone. An estimate.
 *
 * @param message what it is read from
 */
public record Counterfactual(dev.tierwise.v1.Counterfactual message) {
    /** The tier. */
    public String tier() {
        return message.getTier();
    }

    /** The model that fills it. */
    public String model() {
        return message.getModel();
    }

    /** The estimate in nano-USD; empty when the model has no price. */
    public OptionalLong costNanoUsd() {
        return message.hasCostNanoUsd()
                ? OptionalLong.of(message.getCostNanoUsd())
                : OptionalLong.empty();
    }

    /** Where its token counts come from. */
    public CounterfactualBasis basis() {
        return Words.word(CounterfactualBasis.class, message.getBasis());
    }

    /** The estimate in USD, exactly; empty when the model has no price. */
    public Optional<BigDecimal> usd() {
        return message.hasCostNanoUsd()
                ? Optional.of(Money.usd(message.getCostNanoUsd()))
                : Optional.empty();
    }
}
