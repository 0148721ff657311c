package dev.tierwise.client;

import dev.tierwise.v1.DraftDelivery;
import dev.tierwise.v1.GenerateRequest;
import dev.tierwise.v1.RouteRequest;
import dev.tierwise.v1.RouterServiceGrpc;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * A connection to a tierwise server, for many calls at once and from many threads. It connects at
 * the first call and is closed once; closing cancels what runs.
 *
 * <p>Every failed call is a {@link TierwiseException}. Wrong arguments are an {@link
 * IllegalArgumentException}, thrown before anything is sent. An interrupt of the calling thread
 * cancels its call.
 */
public final class Client implements AutoCloseable {
    /** The client's version; one version covers the server, the contract and every client. */
    public static final String VERSION = "0.1.0";

    /** Where a client looks for the server without argument and variable. */
    public static final String DEFAULT_ENDPOINT = "127.0.0.1:50051";

    /** The time limit of a call when nothing else is said. */
    public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(600);

    /** As a time limit: none. */
    public static final Duration NO_TIMEOUT = ChronoUnit.FOREVER.getDuration();

    private final Endpoint server;
    private final ManagedChannel channel;
    // Holds the key: never printed.
    private final Metadata headers;
    private final Duration timeout;
    private final Tracing tracing;
    private final Set<Context.CancellableContext> running = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    Client(
            Endpoint server,
            ManagedChannel channel,
            Metadata headers,
            Duration timeout,
            Tracing tracing) {
        this.server = server;
        this.channel = channel;
        this.headers = headers;
        this.timeout = timeout;
        this.tracing = tracing;
    }

    /** Returns a builder; without more, of a client as {@link #fromEnvironment()} returns it. */
    public static ClientBuilder builder() {
        return new ClientBuilder(System.getenv());
    }

    /**
     * Returns a client of the server that {@code TIERWISE_ENDPOINT} names, else of {@link
     * #DEFAULT_ENDPOINT}, with the key of {@code TIERWISE_API_KEY}. Nothing is sent before the
     * first call.
     *
     * @throws IllegalArgumentException a variable makes no sense; a key's text is never in the
     *     message
     */
    public static Client fromEnvironment() {
        return builder().build();
    }

    /** As {@link #route(Prompt, RouteOptions)}, without a conversation. */
    public RouteResult route(RouteOptions options) {
        return route(Prompt.of(), options);
    }

    /** As {@link #route(Prompt, RouteOptions)}, of one message of the user's. */
    public RouteResult route(String prompt, RouteOptions options) {
        return route(Prompt.of(prompt), options);
    }

    /**
     * Returns which tier a task would get, why, and what it would cost at each tier. It calls no
     * model and costs nothing; it is safe to repeat, and repeated by gRPC while the server is
     * unavailable. The conversation serves to estimate tokens only, and may be empty.
     *
     * @throws TierwiseException the call failed
     */
    public RouteResult route(Prompt prompt, RouteOptions options) {
        GenerateRequest wishes = options.wishes;
        RouteRequest request =
                RouteRequest.newBuilder()
                        .setTaskType(wishes.getTaskType())
                        .setSystem(wishes.getSystem())
                        .addAllMessages(prompt.messages())
                        .setRouting(wishes.getRouting())
                        .setGeneration(wishes.getGeneration())
                        .build();
        return call(
                "Route",
                options,
                call -> {
                    RouteResult result =
                            new RouteResult(
                                    ClientCalls.blockingUnaryCall(
                                            call.channel,
                                            RouterServiceGrpc.getRouteMethod(),
                                            call.options,
                                            request));
                    call.span.succeed();
                    call.scope.cancel(null);
                    return result;
                });
    }

    /** As {@link #generate(Prompt, GenerateOptions)}, of one message of the user's. */
    public Answer generate(String prompt) {
        return generate(prompt, GenerateOptions.DEFAULT);
    }

    /** As {@link #generate(Prompt, GenerateOptions)}, of one message of the user's. */
    public Answer generate(String prompt, GenerateOptions options) {
        return generate(Prompt.of(prompt), options);
    }

    /**
     * Runs a task and returns the whole answer. It calls models and costs money.
     *
     * <p>gRPC repeats it while the server is unavailable, and never once the task has started:
     * nothing is paid twice unnoticed.
     *
     * @throws TierwiseException the call failed: its summary says what it cost, as far as known,
     *     and {@code started()} whether asking again may cost again
     */
    public Answer generate(Prompt prompt, GenerateOptions options) {
        try (GenerationStream stream = run(prompt, options)) {
            stream.events().forEach(event -> {});
            return stream.answer();
        }
    }

    /** As {@link #stream(Prompt, StreamOptions)}, of one message of the user's. */
    public GenerationStream stream(String prompt) {
        return stream(prompt, StreamOptions.DEFAULT);
    }

    /** As {@link #stream(Prompt, StreamOptions)}, of one message of the user's. */
    public GenerationStream stream(String prompt, StreamOptions options) {
        return stream(Prompt.of(prompt), options);
    }

    /**
     * Runs a task piece by piece. It costs money as {@link #generate} does, and begins at once;
     * closing the stream stops the server's work. Failures are thrown where the stream is read.
     */
    public GenerationStream stream(Prompt prompt, StreamOptions options) {
        return run(prompt, options);
    }

    private GenerationStream run(Prompt prompt, TaskOptions<?> options) {
        GenerateRequest.Builder request =
                options.wishes.toBuilder().addAllMessages(prompt.messages());
        boolean live = request.getDraftDelivery() == DraftDelivery.DRAFT_DELIVERY_LIVE;
        if (!live) {
            request.setDraftDelivery(DraftDelivery.DRAFT_DELIVERY_HELD);
        }
        return call(
                "Generate",
                options,
                call ->
                        new GenerationStream(
                                ClientCalls.blockingServerStreamingCall(
                                        call.channel,
                                        RouterServiceGrpc.getGenerateMethod(),
                                        call.options,
                                        request.build()),
                                call.scope,
                                call.span,
                                live));
    }

    /** What one call has of its own. */
    private record Call(
            Channel channel,
            CallOptions options,
            Context.CancellableContext scope,
            Tracing.Span span) {}

    private <R> R call(String method, TaskOptions<?> options, Function<Call, R> make) {
        Context.CancellableContext scope = opened();
        Tracing.Span span = tracing.start(server, method, options.wishes.getTaskType());
        Call call = new Call(carrying(span), limited(options), scope, span);
        Context outside = scope.attach();
        try {
            return make.apply(call);
        } catch (RuntimeException cause) {
            Failure failure = Statuses.failureOf(cause);
            span.fail(failure);
            scope.cancel(null);
            throw cause instanceof StatusRuntimeException ? failure.exception() : cause;
        } finally {
            scope.detach(outside);
        }
    }

    /** Returns the scope of a call, which ends with the client at the latest. */
    private Context.CancellableContext opened() {
        Context.CancellableContext scope = Context.current().withCancellation();
        running.add(scope);
        scope.addListener(ended -> running.remove(scope), Runnable::run);
        if (closed) {
            scope.cancel(null);
            throw new IllegalStateException("the client is closed");
        }
        return scope;
    }

    private Channel carrying(Tracing.Span span) {
        Metadata all = new Metadata();
        all.merge(headers);
        span.headers().forEach((name, value) -> all.put(Settings.name(name), value));
        return ClientInterceptors.intercept(
                channel, MetadataUtils.newAttachHeadersInterceptor(all));
    }

    private CallOptions limited(TaskOptions<?> options) {
        CallOptions limited =
                CallOptions.DEFAULT.withMaxOutboundMessageSize(Settings.MAX_MESSAGE_BYTES);
        Duration limit = options.timeout == null ? timeout : options.timeout;
        return limit.equals(NO_TIMEOUT)
                ? limited
                : limited.withDeadlineAfter(
                        TimeUnit.NANOSECONDS.convert(limit), TimeUnit.NANOSECONDS);
    }

    static Duration checkedTimeout(Duration timeout) {
        if (timeout.isZero() || timeout.isNegative()) {
            throw new IllegalArgumentException(
                    "a timeout is above 0, or NO_TIMEOUT, not " + timeout);
        }
        return timeout;
    }

    /** Cancels what runs and closes the connection; a second time does nothing. */
    @Override
    public void close() {
        closed = true;
        running.forEach(scope -> scope.cancel(null));
        channel.shutdownNow();
    }

    /** Names the endpoint and nothing else. */
    @Override
    public String toString() {
        return "Client[" + server.target() + "]";
    }
}
