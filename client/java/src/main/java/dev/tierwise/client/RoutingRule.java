package dev.tierwise.client;

/** Which rule of the routing table chose the row. */
public enum RoutingRule {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** The request pinned the tier. */
    PINNED,
    /** The table has a row for the task type. */
    TASK_TYPE,
    /** The table has no row for the task type: its default applied. */
    DEFAULT
}
