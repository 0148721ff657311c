package dev.tierwise.client.testing;

import io.grpc.Status;

/** The status that goes with each reason (proto/tierwise/v1/reason.proto). */
final class FakeStatuses {
    private FakeStatuses() {}

    static Status.Code of(String reason) {
        return switch (reason) {
            case "INVALID_REQUEST",
                    "UNKNOWN_TIER",
                    "UNKNOWN_TASK_TYPE",
                    "CONTEXT_TOO_LONG",
                    "REQUEST_ID_REUSED" ->
                    Status.Code.INVALID_ARGUMENT;
            case "MISSING_CREDENTIALS", "INVALID_CREDENTIALS" -> Status.Code.UNAUTHENTICATED;
            case "TIER_NOT_ALLOWED", "TASK_TYPE_NOT_ALLOWED" -> Status.Code.PERMISSION_DENIED;
            case "RATE_LIMITED", "BUDGET_EXCEEDED", "CLIENT_TOO_SLOW" ->
                    Status.Code.RESOURCE_EXHAUSTED;
            case "UNPRICED_MODEL", "UPSTREAM_SPEND_LIMIT" -> Status.Code.FAILED_PRECONDITION;
            case "REQUEST_IN_FLIGHT" -> Status.Code.ABORTED;
            case "OVERLOADED",
                    "SHUTTING_DOWN",
                    "LEDGER_UNAVAILABLE",
                    "UPSTREAM_RATE_LIMITED",
                    "UPSTREAM_OVERLOADED",
                    "UPSTREAM_UNAVAILABLE",
                    "UPSTREAM_TIMEOUT",
                    "UPSTREAM_INTERRUPTED",
                    "UPSTREAM_PROTOCOL" ->
                    Status.Code.UNAVAILABLE;
            case "DEADLINE_EXCEEDED" -> Status.Code.DEADLINE_EXCEEDED;
            case "CANCELLED" -> Status.Code.CANCELLED;
            case "UPSTREAM_AUTH", "UPSTREAM_MODEL_MISSING", "UPSTREAM_REJECTED", "INTERNAL" ->
                    Status.Code.INTERNAL;
            case "UNIMPLEMENTED" -> Status.Code.UNIMPLEMENTED;
            default -> Status.Code.UNKNOWN;
        };
    }
}
