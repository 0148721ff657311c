package dev.tierwise.interop;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;

import dev.tierwise.client.Client;
import dev.tierwise.client.ClientBuilder;
import dev.tierwise.client.Event;
import dev.tierwise.client.GenerateOptions;
import dev.tierwise.client.GenerationStream;
import dev.tierwise.client.Prompt;
import dev.tierwise.client.RouteOptions;
import dev.tierwise.client.StreamOptions;
import dev.tierwise.client.TierwiseException;
import dev.tierwise.v1.GenerateRequest;
import dev.tierwise.v1.RouteRequest;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The Java driver: makes one call with the Java client for each line it reads
 * (tests/interop/README.md).
 */
public final class Driver {
    private static final Set<String> KEYS =
            Set.of(
                    "call",
                    "read",
                    "endpoint",
                    "request",
                    "api_key",
                    "timeout_s",
                    "traceparent",
                    "cancel_after");
    private static final Gson JSON =
            new GsonBuilder().serializeNulls().disableHtmlEscaping().create();
    private static final PrintStream OUTPUT =
            new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private final JsonObject call;

    private Driver(JsonObject call) {
        this.call = call;
    }

    /** Reads calls until the end of the input. */
    public static void main(String[] arguments) throws Exception {
        BufferedReader input =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonObject call = JsonParser.parseString(line).getAsJsonObject();
            if (!KEYS.containsAll(call.keySet())) {
                throw new IllegalArgumentException("unknown keys: " + call.keySet());
            }
            Driver driver = new Driver(call);
            Context.current().with(driver.caller()).wrap(driver::play).call();
        }
    }

    private Void play() throws IOException {
        ClientBuilder builder = Client.builder().endpoint(word("endpoint"));
        if (call.has("api_key")) {
            builder.apiKey(word("api_key"));
        }
        try (Client client = builder.build()) {
            write("end", word("call").equals("Route") ? route(client) : generate(client));
        }
        return null;
    }

    private Map<String, Object> route(Client client) throws IOException {
        RouteRequest request = parsed(RouteRequest.newBuilder()).build();
        return ended(
                "response",
                () -> {
                    RouteOptions options =
                            limited(
                                    Options.routed(
                                            RouteOptions.DEFAULT,
                                            request.getTaskType(),
                                            request.getSystem(),
                                            request.getRouting(),
                                            request.getGeneration()));
                    return Plain.of(client.route(new Prompt(request.getMessagesList()), options));
                });
    }

    private Map<String, Object> generate(Client client) throws IOException {
        GenerateRequest request = parsed(GenerateRequest.newBuilder()).build();
        String read = word("read");
        if (!Set.of("answer", "events", "text").contains(read)) {
            throw new IllegalArgumentException("there is no way to read '" + read + "'");
        }
        return ended(
                "answer",
                () -> {
                    Prompt prompt = new Prompt(request.getMessagesList());
                    if (read.equals("answer")) {
                        GenerateOptions options =
                                limited(Options.generated(GenerateOptions.DEFAULT, request));
                        return Plain.of(client.generate(prompt, options));
                    }
                    StreamOptions options = limited(Options.streamed(request));
                    try (GenerationStream stream = client.stream(prompt, options)) {
                        if (read.equals("text")) {
                            stream.text().forEach(text -> write("text", text));
                        } else {
                            writeEvents(stream);
                        }
                        return Plain.of(stream.answer());
                    }
                });
    }

    private void writeEvents(GenerationStream stream) {
        String cancelAfter = word("cancel_after");
        for (Event event : stream.events()) {
            String kind = Plain.snakeCase(event.getClass().getSimpleName());
            write("event", Map.of(kind, Plain.of(event)));
            if (kind.equals(cancelAfter)) {
                stream.cancel();
                cancelAfter = "";
            }
        }
    }

    private static Map<String, Object> ended(String key, Supplier<Object> result) {
        try {
            return Map.of(key, result.get());
        } catch (TierwiseException error) {
            return Map.of("error", Plain.ofError(error));
        } catch (IllegalArgumentException refused) {
            return Map.of("refused", String.valueOf(refused.getMessage()));
        }
    }

    private <O extends dev.tierwise.client.TaskOptions<O>> O limited(O options) {
        return call.has("timeout_s")
                ? options.withTimeout(Plain.seconds(call.get("timeout_s").getAsDouble()))
                : options;
    }

    /** Returns the span that the call is made in. */
    private Span caller() {
        String[] parts = word("traceparent").split("-");
        if (parts.length < 4) {
            return Span.getInvalid();
        }
        TraceFlags flags = TraceFlags.fromHex(parts[3], 0);
        return Span.wrap(
                SpanContext.createFromRemoteParent(
                        parts[1], parts[2], flags, TraceState.getDefault()));
    }

    private <B extends Message.Builder> B parsed(B builder) throws IOException {
        JsonFormat.parser().merge(call.get("request").toString(), builder);
        return builder;
    }

    private String word(String key) {
        return call.has(key) ? call.get(key).getAsString() : "";
    }

    private static void write(String key, Object value) {
        OUTPUT.println(JSON.toJson(Map.of(key, value)));
        OUTPUT.flush();
    }
}
