package dev.tierwise.client;

import dev.tierwise.v1.GenerateResponse;

import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What has been received of one stream. Pure: no I/O, no clock.
 *
 * <p>It enforces what the contract promises of a stream (proto/tierwise/v1/router.proto), so that
 * an answer is whole or is not an answer: started first, sequence without gaps, text only of open
 * attempts, finished last and always.
 */
final class Fold {
    /** The stream was asked for with HELD: text that is sent is never withdrawn. */
    private final boolean held;

    /** The text of every attempt that was started and is not void. */
    private final TreeMap<Integer, StringBuilder> texts = new TreeMap<>();

    private long nextSequence;
    private Event.Started started;
    private GenerationSummary summary;

    Fold(boolean held) {
        this.held = held;
    }

    /** Takes the next message and returns its event; empty for a kind newer than this client. */
    Optional<Event> push(GenerateResponse message) {
        long sequence = message.getSequence();
        if (summary != null) {
            throw Statuses.broken("the stream went on after its finished event");
        }
        if (sequence != nextSequence) {
            throw Statuses.broken(
                    "event " + nextSequence + " is missing: event " + sequence + " came instead");
        }
        nextSequence++;
        Optional<Event> event = EventReader.read(message);
        if (event.filter(Event.Started.class::isInstance).isPresent() != (sequence == 0)) {
            throw Statuses.broken("the started event must come first, and once");
        }
        event.ifPresent(this::take);
        return event;
    }

    private void take(Event event) {
        if (event instanceof Event.TextDelta delta) {
            open(delta.attempt()).append(delta.text());
        } else if (event instanceof Event.Started first) {
            started = first;
        } else if (event instanceof Event.AttemptStarted attempt) {
            start(attempt.attempt());
        } else if (event instanceof Event.AttemptSuperseded superseded) {
            close(superseded.attempt());
        } else if (event instanceof Event.Finished finished) {
            summary = finished.summary();
        }
    }

    private void start(int attempt) {
        if (texts.putIfAbsent(attempt, new StringBuilder()) != null) {
            throw Statuses.broken("attempt " + attempt + " was started twice");
        }
    }

    private StringBuilder open(int attempt) {
        StringBuilder text = texts.get(attempt);
        if (text == null) {
            throw Statuses.broken(
                    "an event names attempt " + attempt + ", which was not started or is void");
        }
        return text;
    }

    private void close(int attempt) {
        if (held && !open(attempt).isEmpty()) {
            throw Statuses.broken(
                    "the text of attempt " + attempt + " was withdrawn after it was sent");
        }
        open(attempt);
        texts.remove(attempt);
    }

    /** Returns the whole answer, at the end of the stream. */
    Answer answer() {
        if (started == null || summary == null) {
            throw Statuses.broken("the stream ended well but without its finished event");
        }
        int last = summary.finalAttempt();
        StringBuilder text = texts.get(last);
        if (text == null) {
            throw Statuses.broken("the final attempt, " + last + ", was never started or is void");
        }
        for (Map.Entry<Integer, StringBuilder> other : texts.entrySet()) {
            if (held && other.getKey() != last && !other.getValue().isEmpty()) {
                throw Statuses.broken("text came of an attempt that is not the answer");
            }
        }
        return new Answer(text.toString(), started.decision(), summary);
    }

    /** Writes on the failure how far the stream had come. */
    void noteProgress(Failure failure) {
        if (!texts.isEmpty()) {
            failure.partialText = texts.lastEntry().getValue().toString();
        }
        if (started != null) {
            failure.started = true;
            if (failure.requestId.isEmpty()) {
                failure.requestId = started.requestId();
            }
        }
    }
}
