package dev.tierwise.client;

/** What followed from a check. */
public enum CheckOutcome {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** The draft is the answer. */
    ACCEPTED,
    /** A stronger tier is asked. */
    ESCALATED,
    /** The draft is the answer, although its confidence is low or unknown. */
    ACCEPTED_LOW
}
