package dev.tierwise.client;

import dev.tierwise.v1.GenerateResponse;

import java.util.Optional;

/** Reads events from messages. */
final class EventReader {
    private EventReader() {}

    /** Returns the event of a message; empty for a kind that is newer than this client. */
    static Optional<Event> read(GenerateResponse message) {
        return Optional.ofNullable(
                switch (message.getEventCase()) {
                    case STARTED -> new Event.Started(message.getStarted());
                    case ATTEMPT_STARTED -> new Event.AttemptStarted(message.getAttemptStarted());
                    case TEXT_DELTA -> new Event.TextDelta(message.getTextDelta());
                    case ATTEMPT_FINISHED ->
                            new Event.AttemptFinished(message.getAttemptFinished());
                    case CONFIDENCE_CHECKED ->
                            new Event.ConfidenceChecked(message.getConfidenceChecked());
                    case ATTEMPT_SUPERSEDED ->
                            new Event.AttemptSuperseded(message.getAttemptSuperseded());
                    case HEARTBEAT -> new Event.Heartbeat(message.getHeartbeat());
                    case FINISHED -> new Event.Finished(message.getFinished());
                    case EVENT_NOT_SET -> null;
                });
    }
}
