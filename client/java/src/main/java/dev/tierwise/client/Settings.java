package dev.tierwise.client;

import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** How a channel is set up, and what is sent with every call. */
final class Settings {
    static final String SERVICE = "tierwise.v1.RouterService";
    static final int MAX_MESSAGE_BYTES = 16 << 20;
    private static final long KEEPALIVE_S = 30;
    private static final long KEEPALIVE_TIMEOUT_S = 10;
    // Requests of several calls at once.
    private static final long RETRY_BUFFER_BYTES = 4L * MAX_MESSAGE_BYTES;

    private static final Pattern METADATA_NAME = Pattern.compile("[0-9a-z_.-]+");
    private static final Pattern PRINTABLE = Pattern.compile("[ -~]*");
    static final String AUTHORIZATION = "authorization";

    private Settings() {}

    static void apply(ManagedChannelBuilder<?> channel, Endpoint server) {
        channel.userAgent("tierwise-java/" + Client.VERSION)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .keepAliveTime(KEEPALIVE_S, TimeUnit.SECONDS)
                .keepAliveTimeout(KEEPALIVE_TIMEOUT_S, TimeUnit.SECONDS)
                .keepAliveWithoutCalls(true)
                .defaultServiceConfig(serviceConfig(server))
                .enableRetry()
                // A request that does not fit here is not retried; gRPC's own 1 MiB is less than a
                // long prompt.
                .perRpcBufferLimit(MAX_MESSAGE_BYTES)
                .retryBufferSize(RETRY_BUFFER_BYTES);
    }

    /**
     * Returns gRPC's service config: retry before the first message only, and never storm. gRFC A6
     * stops retries once half of the tokens are spent, and a success gives a tenth back.
     */
    static Map<String, Object> serviceConfig(Endpoint server) {
        Map<String, Object> retries =
                Map.of(
                        "maxAttempts",
                        3.0,
                        "initialBackoff",
                        "0.2s",
                        "maxBackoff",
                        "2s",
                        "backoffMultiplier",
                        2.0,
                        "retryableStatusCodes",
                        List.of("UNAVAILABLE"));
        Map<String, Object> methods =
                Map.of("name", List.of(Map.of("service", SERVICE)), "retryPolicy", retries);
        Map<String, Object> config = new HashMap<>();
        config.put("methodConfig", List.of(methods));
        config.put("retryThrottling", Map.of("maxTokens", 10.0, "tokenRatio", 0.1));
        if (server.target().toLowerCase(Locale.ROOT).startsWith("dns:")) {
            config.put("loadBalancingConfig", List.of(Map.of("round_robin", Map.of())));
        }
        return config;
    }

    /** Returns what is sent with every call; it holds the key. */
    static Metadata headers(Map<String, String> entries, String apiKey) {
        Metadata headers = new Metadata();
        entries.forEach((name, value) -> headers.put(name(name), value));
        String key = apiKey.strip();
        if (key.isEmpty()) {
            return headers;
        }
        if (entries.containsKey(AUTHORIZATION)) {
            throw new IllegalArgumentException(
                    "give an API key or an authorization entry in the metadata, not both");
        }
        if (!PRINTABLE.matcher(key).matches()) {
            throw new IllegalArgumentException(
                    "the API key has characters that cannot be sent in a header");
        }
        headers.put(name(AUTHORIZATION), "Bearer " + key);
        return headers;
    }

    static void checkEntry(String name, String value) {
        if (!METADATA_NAME.matcher(name).matches() || name.startsWith("grpc-")) {
            throw new IllegalArgumentException(
                    "metadata name '" + name + "' must be lower-case and not begin with 'grpc-'");
        }
        if (name.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
            throw new IllegalArgumentException(
                    "binary metadata ('" + name + "') is sent by an interceptor of the channel");
        }
        if (!PRINTABLE.matcher(value).matches()) {
            throw new IllegalArgumentException(
                    "the value of metadata '" + name + "' cannot be sent in a header");
        }
    }

    static Metadata.Key<String> name(String name) {
        return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    }
}
