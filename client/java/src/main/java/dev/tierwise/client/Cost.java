package dev.tierwise.client;

import java.math.BigDecimal;

/**
 * Money in nano-USD: 1 USD is 1,000,000,000. The four parts add up to the total exactly.
 *
 * @param message what it is read from
 */
public record Cost(dev.tierwise.v1.Cost message) {
    /** The whole cost. */
    public long totalNanoUsd() {
        return message.getTotalNanoUsd();
    }

    /** Uncached input. */
    public long inputNanoUsd() {
        return message.getInputNanoUsd();
    }

    /** Input read from the prompt cache. */
    public long cacheReadNanoUsd() {
        return message.getCacheReadNanoUsd();
    }

    /** Input written to the prompt cache. */
    public long cacheWriteNanoUsd() {
        return message.getCacheWriteNanoUsd();
    }

    /** Output, thinking included. */
    public long outputNanoUsd() {
        return message.getOutputNanoUsd();
    }

    /** The version of the price book that priced it. */
    public String priceBookVersion() {
        return message.getPriceBookVersion();
    }

    /** The whole cost in USD, exactly. */
    public BigDecimal usd() {
        return Money.usd(totalNanoUsd());
    }
}
