package dev.tierwise.client;

import java.math.BigDecimal;
import java.math.RoundingMode;

/** Whole nano-USD and exact decimals in USD: 1 USD is 1,000,000,000 nano-USD. */
final class Money {
    private static final int SCALE = 9;
    // A 64-bit number of nano-USD has at most ten digits before the point.
    private static final int MOST_DIGITS = 10;

    private Money() {}

    static BigDecimal usd(long nanoUsd) {
        return BigDecimal.valueOf(nanoUsd, SCALE);
    }

    /** Returns whole nano-USD, rounded down: a cap never grows by rounding. */
    static long nanoUsd(BigDecimal usd) {
        long digits = usd.precision() - (long) usd.scale();
        if (digits < -SCALE) {
            return Math.min(usd.signum(), 0);
        }
        try {
            if (digits <= MOST_DIGITS) {
                return usd.setScale(SCALE, RoundingMode.FLOOR).unscaledValue().longValueExact();
            }
        } catch (ArithmeticException tooMuch) {
            // As above: more than there is.
        }
        throw new IllegalArgumentException("a cost cap of " + usd + " USD is more than there is");
    }
}
