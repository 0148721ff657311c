package dev.tierwise.client;

/** How a call to a model ended. */
public enum CallStatus {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** The provider finished it. */
    COMPLETED,
    /** It failed; {@link CallRecord#failureReason()} says why. */
    FAILED,
    /** Given up because the caller left or the deadline passed. */
    CANCELLED
}
