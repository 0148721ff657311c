package dev.tierwise.client.testing;

import com.google.protobuf.Message;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Metadata;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** One call that the server received. gRPC's own retries are calls of their own. */
public final class ReceivedCall {
    static final Context.Key<Metadata> METADATA = Context.key("metadata");

    private final Message request;
    private final Metadata metadata;
    private final Optional<Duration> timeout;
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile boolean left;

    ReceivedCall(Message request) {
        Deadline deadline = Context.current().getDeadline();
        this.request = request;
        this.metadata = METADATA.get();
        this.timeout =
                Optional.ofNullable(deadline)
                        .map(end -> Duration.ofNanos(end.timeRemaining(TimeUnit.NANOSECONDS)));
    }

    void end(boolean left) {
        this.left = left;
        ended.countDown();
    }

    /** Returns what was asked: a {@code RouteRequest} or a {@code GenerateRequest}. */
    public Message request() {
        return request;
    }

    /** Returns a header of the call; empty when it was not sent. */
    public Optional<String> header(String name) {
        return Optional.ofNullable(
                metadata.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER)));
    }

    /** Returns the time that the caller gave it; empty without a deadline. */
    public Optional<Duration> timeout() {
        return timeout;
    }

    /**
     * Waits until the call is over and returns whether the caller left, or its deadline passed,
     * before the script was played.
     */
    public boolean left() throws InterruptedException {
        ended.await();
        return left;
    }
}
