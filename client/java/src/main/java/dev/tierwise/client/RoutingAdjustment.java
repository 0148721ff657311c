package dev.tierwise.client;

/** What changed a table row for one request. */
public enum RoutingAdjustment {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** The request turned escalation on where the row names one tier. */
    ESCALATION_ON,
    /** The request turned escalation off. */
    ESCALATION_OFF,
    /** The max tier of the request, or the tiers of its key, left some out. */
    CAPPED,
    /** The request set its own threshold. */
    THRESHOLD,
    /** A tier was skipped because its model cannot hold the prompt. */
    CONTEXT_SKIP
}
