package dev.tierwise.client;

/** Where the token counts of a counterfactual come from. */
public enum CounterfactualBasis {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** The answer's own token counts at the other tier's prices. */
    SAME_TOKENS,
    /** Output tokens that the table measured for the task type at that tier. */
    MEASURED_TOKENS
}
