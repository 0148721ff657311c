package dev.tierwise.client;

import com.google.protobuf.Timestamp;

import java.time.Duration;
import java.time.Instant;

/** Protobuf's times as Java's. */
final class Times {
    private Times() {}

    static Duration duration(com.google.protobuf.Duration duration) {
        return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
    }

    static Instant instant(Timestamp timestamp) {
        return Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos());
    }
}
