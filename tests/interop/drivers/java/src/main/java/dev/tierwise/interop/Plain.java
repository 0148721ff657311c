package dev.tierwise.interop;

import com.google.protobuf.Message;

import dev.tierwise.client.FieldViolation;
import dev.tierwise.client.TierwiseException;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The client's values as plain ones: what each public method without arguments returns, by its
 * name.
 */
final class Plain {
    private static final long NANOS = 1_000_000_000;
    private static final Set<String> OF_EVERY_OBJECT = Set.of("hashCode", "toString");

    private Plain() {}

    static Object of(Object value) {
        if (value instanceof Optional<?> optional) {
            return optional.map(Plain::of).orElse(null);
        }
        if (value instanceof OptionalLong optional) {
            return optional.isPresent() ? optional.getAsLong() : null;
        }
        if (value instanceof OptionalInt optional) {
            return optional.isPresent() ? optional.getAsInt() : null;
        }
        if (value instanceof OptionalDouble optional) {
            return optional.isPresent() ? optional.getAsDouble() : null;
        }
        if (value instanceof List<?> list) {
            return list.stream().map(Plain::of).toList();
        }
        if (value instanceof Duration || value instanceof Instant) {
            return value.toString();
        }
        if (value instanceof Enum<?> word) {
            return word.name();
        }
        return value instanceof Record object ? ofObject(object) : value;
    }

    private static Map<String, Object> ofObject(Record object) {
        Map<String, Object> fields = new HashMap<>();
        for (Method method : object.getClass().getDeclaredMethods()) {
            if (Modifier.isPublic(method.getModifiers())
                    && method.getParameterCount() == 0
                    && !Message.class.isAssignableFrom(method.getReturnType())
                    && !OF_EVERY_OBJECT.contains(method.getName())) {
                fields.put(snakeCase(method.getName()), of(called(method, object)));
            }
        }
        return fields;
    }

    private static Object called(Method method, Object object) {
        try {
            return method.invoke(object);
        } catch (IllegalAccessException | InvocationTargetException fault) {
            throw new IllegalStateException(fault);
        }
    }

    static Map<String, Object> ofError(TierwiseException error) {
        Map<String, Object> fields = new HashMap<>();
        // In Java an error's name ends in Exception.
        fields.put("class", error.getClass().getSimpleName().replaceFirst("Exception$", "Error"));
        fields.put("status", error.status().name());
        fields.put("reason", error.reason());
        fields.put("message", error.description());
        fields.put("retry_after_s", error.retryAfter().map(Plain::ofSeconds).orElse(null));
        fields.put(
                "violations", error.fieldViolations().stream().map(FieldViolation::field).toList());
        fields.put("request_id", error.requestId());
        fields.put("started", error.started());
        fields.put("partial_text", error.partialText());
        fields.put("summary", of(error.summary()));
        return fields;
    }

    private static BigDecimal ofSeconds(Duration duration) {
        return BigDecimal.valueOf(duration.toNanos(), 9);
    }

    static Duration seconds(double seconds) {
        return Duration.ofNanos(Math.round(seconds * NANOS));
    }

    static String snakeCase(String name) {
        return name.replaceAll("(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=[0-9])", "_")
                .toLowerCase(Locale.ROOT);
    }
}
