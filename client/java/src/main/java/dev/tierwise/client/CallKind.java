package dev.tierwise.client;

/** What a call to a model was for. */
public enum CallKind {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** An attempt that no check follows: its text is the answer. */
    DIRECT,
    /** An attempt that a check follows. */
    DRAFT,
    /** A confidence check of a draft. */
    CHECK
}
