package dev.tierwise.client.testing;

import dev.tierwise.v1.GenerateRequest;
import dev.tierwise.v1.GenerateResponse;
import dev.tierwise.v1.RouteRequest;
import dev.tierwise.v1.RouteResponse;
import dev.tierwise.v1.RouterServiceGrpc;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A tierwise server that plays scripts, in the order given; with none left, a short answer. */
public final class FakeServer implements AutoCloseable {
    private static final int MAX_MESSAGE_BYTES = 16 << 20;
    private static final int LONGEST_END_S = 10;

    private final Server server;
    private final String endpoint;
    private final List<ReceivedCall> calls = new ArrayList<>();
    private final Queue<List<Step>> scripts = new ArrayDeque<>();
    private final Queue<Object> replies = new ArrayDeque<>();

    private FakeServer(ServerCredentials credentials) throws IOException {
        server =
                NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0), credentials)
                        .addService(new Handler())
                        .intercept(new Headers())
                        .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                        .build()
                        .start();
        endpoint = "127.0.0.1:" + server.getPort();
    }

    /** Starts a server on a loopback port that the system picks. */
    public static FakeServer start() {
        return start(InsecureServerCredentials.create());
    }

    /** Starts a server with these credentials on a loopback port that the system picks. */
    public static FakeServer start(ServerCredentials credentials) {
        try {
            return new FakeServer(credentials);
        } catch (IOException cause) {
            throw new UncheckedIOException(cause);
        }
    }

    /** Returns where it listens: "127.0.0.1:port". */
    public String endpoint() {
        return endpoint;
    }

    /** Plays these steps at the next call of Generate for which nothing is planned yet. */
    public synchronized void play(List<Step> steps) {
        scripts.add(List.copyOf(steps));
    }

    /** Plays these steps at the next call of Generate for which nothing is planned yet. */
    public void play(Step... steps) {
        play(List.of(steps));
    }

    /** Replies so to the next call of Route for which nothing is planned yet. */
    public synchronized void reply(RouteResponse response) {
        replies.add(response);
    }

    /** Fails the next call of Route for which nothing is planned yet. */
    public synchronized void reply(FakeFailure failure) {
        replies.add(failure);
    }

    /** Returns every call received so far, in order. */
    public synchronized List<ReceivedCall> calls() {
        return List.copyOf(calls);
    }

    /** Waits until so many calls have been received and returns the last of them. */
    public synchronized ReceivedCall waitForCall(int count) throws InterruptedException {
        while (calls.size() < count) {
            wait();
        }
        return calls.get(count - 1);
    }

    /** Ends everything at once, calls that run included; returns when that is done. */
    @Override
    public void close() {
        server.shutdownNow();
        try {
            server.awaitTermination(LONGEST_END_S, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized ReceivedCall receive(ReceivedCall call) {
        calls.add(call);
        notifyAll();
        return call;
    }

    private synchronized List<Step> nextScript() {
        List<Step> script = scripts.poll();
        return script == null ? Stories.answered("Hello from the fake server.") : script;
    }

    private synchronized Object nextReply() {
        Object reply = replies.poll();
        return reply == null ? Stories.routed("efficient") : reply;
    }

    private final class Handler extends RouterServiceGrpc.RouterServiceImplBase {
        @Override
        public void route(RouteRequest request, StreamObserver<RouteResponse> observer) {
            ReceivedCall call = receive(new ReceivedCall(request));
            Object reply = nextReply();
            if (reply instanceof FakeFailure failure) {
                observer.onError(failure.exception());
            } else {
                observer.onNext((RouteResponse) reply);
                observer.onCompleted();
            }
            call.end(false);
        }

        @Override
        public void generate(GenerateRequest request, StreamObserver<GenerateResponse> observer) {
            ReceivedCall call = receive(new ReceivedCall(request));
            CountDownLatch left = new CountDownLatch(1);
            Context.current().addListener(context -> left.countDown(), Runnable::run);
            boolean gone = true;
            try {
                gone = !play(nextScript(), observer, left);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            } finally {
                call.end(gone);
            }
        }

        /** Plays a script; returns whether the caller stayed until its end. */
        private boolean play(
                List<Step> script, StreamObserver<GenerateResponse> observer, CountDownLatch left)
                throws InterruptedException {
            long sequence = 0;
            for (Step step : script) {
                if (step instanceof Step.Hold hold) {
                    await(hold.until(), left);
                } else if (step instanceof FakeFailure failure) {
                    observer.onError(failure.exception());
                    return true;
                } else if (left.getCount() > 0) {
                    observer.onNext(message(step, sequence++));
                }
                if (left.getCount() == 0) {
                    observer.onError(Status.CANCELLED.asRuntimeException());
                    return false;
                }
            }
            observer.onCompleted();
            return true;
        }

        private static GenerateResponse message(Step step, long sequence) {
            return step instanceof Step.Raw raw
                    ? raw.message()
                    : ((Step.Event) step).message(sequence);
        }

        private static void await(CountDownLatch until, CountDownLatch left)
                throws InterruptedException {
            // Two latches, and Java waits for one: the pause is how late the other may be noticed.
            while (!until.await(5, TimeUnit.MILLISECONDS) && left.getCount() > 0) {
                continue;
            }
        }
    }

    /** Keeps the headers of a call for its handler. */
    private static final class Headers implements ServerInterceptor {
        @Override
        public <Q, R> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
            return Contexts.interceptCall(
                    Context.current().withValue(ReceivedCall.METADATA, headers),
                    call,
                    headers,
                    next);
        }
    }
}
