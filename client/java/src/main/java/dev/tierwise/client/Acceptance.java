package dev.tierwise.client;

/** On what ground an answer was accepted. */
public enum Acceptance {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** No check applied: one tier only, or the strongest of the cascade. */
    UNCHECKED,
    /** A check found the confidence at or above the threshold. */
    ACCEPTED,
    /** Low or unknown confidence, but the deadline or the cost cap could not pay for more. */
    ACCEPTED_LOW
}
