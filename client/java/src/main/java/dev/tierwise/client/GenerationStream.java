package dev.tierwise.client;

import dev.tierwise.v1.GenerateResponse;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * One running task: its pieces while it runs, its whole answer at the end. Made by {@link
 * Client#stream}; closed by try-with-resources.
 *
 * <p>{@link #text} and {@link #events} read the same stream: what one has taken the other does not
 * see. One thread reads; {@link #cancel} and {@link #close} may be called beside it. After a break
 * the stream can be read on until it is closed.
 */
public final class GenerationStream implements AutoCloseable {
    private final Iterator<GenerateResponse> messages;
    private final Context.CancellableContext scope;
    private final Tracing.Span span;
    private final boolean live;
    private final Fold fold;
    private Answer answer;
    private TierwiseException failure;

    GenerationStream(
            Iterator<GenerateResponse> messages,
            Context.CancellableContext scope,
            Tracing.Span span,
            boolean live) {
        this.messages = messages;
        this.scope = scope;
        this.span = span;
        this.live = live;
        this.fold = new Fold(!live);
    }

    /**
     * Returns the answer's text in pieces, as they come; joined they are exactly the answer's text.
     * A draft's text comes when the draft is accepted, so the first piece may take two calls.
     *
     * <p>Reading throws a {@link TierwiseException} when there will be no answer.
     *
     * @throws IllegalStateException the stream is LIVE, where text may be withdrawn: read the
     *     events
     */
    public Iterable<String> text() {
        if (live) {
            throw new IllegalStateException(
                    "with LIVE, text may be withdrawn: read events instead of text");
        }
        return () -> new Pieces<>(this::nextText);
    }

    /**
     * Returns everything that happens, as it happens; kinds newer than this client are left out.
     *
     * <p>Reading throws a {@link TierwiseException} when there will be no answer.
     */
    public Iterable<Event> events() {
        return () -> new Pieces<>(this::nextEvent);
    }

    /**
     * Returns the whole answer, once the stream has been read to its end: the same that {@link
     * Client#generate} returns.
     *
     * @throws IllegalStateException the stream has not been read to its end
     * @throws TierwiseException it failed
     */
    public Answer answer() {
        if (failure != null) {
            throw failure;
        }
        if (answer == null) {
            throw new IllegalStateException(
                    "there is no answer before the stream has been read to its end");
        }
        return answer;
    }

    /**
     * Stops the server's work now; who reads gets a {@link RequestCancelledException}. After the
     * end: nothing.
     */
    public void cancel() {
        scope.cancel(null);
    }

    /**
     * Ends the stream: before its end it stops the server's work, after it nothing is left to do.
     */
    @Override
    public void close() {
        cancel();
        span.fail(new Failure(Status.CANCELLED, null));
    }

    private Optional<String> nextText() {
        Optional<Event> event = nextEvent();
        while (event.isPresent()) {
            if (event.get() instanceof Event.TextDelta delta && !delta.text().isEmpty()) {
                return Optional.of(delta.text());
            }
            event = nextEvent();
        }
        return Optional.empty();
    }

    /** Returns the next event; empty at the good end. */
    private Optional<Event> nextEvent() {
        if (failure != null) {
            throw failure;
        }
        if (answer != null) {
            return Optional.empty();
        }
        try {
            return read();
        } catch (ProtocolException broken) {
            throw failed(broken.failure, broken);
        } catch (StatusRuntimeException cause) {
            Failure said = Statuses.failureOf(cause);
            throw failed(said, said.exception());
        }
    }

    private Optional<Event> read() {
        while (messages.hasNext()) {
            Optional<Event> event = fold.push(messages.next());
            if (event.isPresent()) {
                if (event.get() instanceof Event.Finished) {
                    // Handed out only once the status has been read and is OK.
                    read();
                }
                return event;
            }
        }
        answer = fold.answer();
        span.succeed(answer.summary());
        scope.cancel(null);
        return Optional.empty();
    }

    private TierwiseException failed(Failure said, TierwiseException exception) {
        fold.noteProgress(said);
        failure = exception;
        span.fail(said);
        // A stream that broke the contract may still run.
        scope.cancel(null);
        return exception;
    }

    /** Reads one step, empty at the end. */
    private interface Reader<T> {
        Optional<T> read();
    }

    private static final class Pieces<T> implements Iterator<T> {
        private final Reader<T> reader;
        private Optional<T> ready = Optional.empty();

        Pieces(Reader<T> reader) {
            this.reader = reader;
        }

        @Override
        public boolean hasNext() {
            if (ready.isEmpty()) {
                ready = reader.read();
            }
            return ready.isPresent();
        }

        @Override
        public T next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            T piece = ready.get();
            ready = Optional.empty();
            return piece;
        }
    }
}
