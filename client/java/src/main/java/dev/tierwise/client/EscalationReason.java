package dev.tierwise.client;

/** Why a stronger tier was asked. */
public enum EscalationReason {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** The confidence was below the threshold. */
    LOW_CONFIDENCE,
    /** The check's answer was not a plain number in range. */
    CHECK_UNREADABLE,
    /** The check call failed. */
    CHECK_FAILED,
    /** The draft was cut, refused or empty. */
    INCOMPLETE,
    /** The draft call failed. */
    ATTEMPT_FAILED,
    /** The provider said that the model cannot hold the prompt. */
    CONTEXT_TOO_LONG
}
