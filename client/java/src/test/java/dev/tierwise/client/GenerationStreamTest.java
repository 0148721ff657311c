package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;

import dev.tierwise.client.testing.FakeFailure;
import dev.tierwise.client.testing.Step;
import dev.tierwise.client.testing.Stories;
import dev.tierwise.v1.GenerateResponse;
import dev.tierwise.v1.TextDelta;

import io.grpc.Status;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.ArrayList;
import java.util.List;

@Timeout(30)
class GenerationStreamTest extends Connected {
    private static final StreamOptions LIVE =
            StreamOptions.DEFAULT.withDraftDelivery(DraftDelivery.LIVE);

    private static List<String> kinds(GenerationStream stream) {
        List<String> kinds = new ArrayList<>();
        stream.events().forEach(event -> kinds.add(event.getClass().getSimpleName()));
        return kinds;
    }

    /** The beginning of an answer, up to its first piece of text, and then nothing. */
    private void playBegun() {
        List<Step> story = new ArrayList<>(Stories.answered("Hello").subList(0, 3));
        story.add(Step.hold());
        server.play(story);
    }

    @Test
    void textJoinedIsTheAnswersText() {
        server.play(Stories.escalated("Vielleicht.", "Größe 日本語 🙂", false));
        try (GenerationStream stream = client.stream("Hi")) {
            List<String> pieces = new ArrayList<>();
            stream.text().forEach(pieces::add);
            assertEquals("Größe 日本語 🙂", stream.answer().text());
            assertEquals(stream.answer().text(), String.join("", pieces));
            assertTrue(pieces.size() > 1);
        }
    }

    @Test
    void eventsAreEverythingThatHappens() {
        server.play(Stories.escalated("No.", "Yes.", true));
        try (GenerationStream stream = client.stream("Hi", LIVE)) {
            assertEquals(
                    List.of(
                            "Started",
                            "AttemptStarted",
                            "TextDelta",
                            "AttemptFinished",
                            "ConfidenceChecked",
                            "AttemptSuperseded",
                            "AttemptStarted",
                            "TextDelta",
                            "AttemptFinished",
                            "Finished"),
                    kinds(stream));
            assertEquals("Yes.", stream.answer().text());
        }
    }

    @Test
    void textOverLiveIsRefused() {
        try (GenerationStream stream = client.stream("Hi", LIVE)) {
            assertThrows(IllegalStateException.class, stream::text);
            assertTrue(kinds(stream).contains("Finished"));
        }
    }

    @Test
    void eventsOfUnknownKindsAreSkipped() {
        UnknownFieldSet.Field soon =
                UnknownFieldSet.Field.newBuilder()
                        .addLengthDelimited(ByteString.copyFromUtf8("soon"))
                        .build();
        GenerateResponse future =
                GenerateResponse.newBuilder()
                        .setSequence(1)
                        .setUnknownFields(UnknownFieldSet.newBuilder().addField(1000, soon).build())
                        .build();
        List<Step> story = new ArrayList<>(Stories.answered("Yes."));
        story.add(1, Step.raw(future));
        server.play(story);
        try (GenerationStream stream = client.stream("Hi")) {
            assertEquals(
                    List.of(
                            "Started",
                            "AttemptStarted",
                            "TextDelta",
                            "AttemptFinished",
                            "Finished"),
                    kinds(stream));
            assertEquals("Yes.", stream.answer().text());
        }
    }

    @Test
    void streamCanBeReadOnAfterABreak() {
        server.play(Stories.answered("Hello there"));
        try (GenerationStream stream = client.stream("Hi")) {
            String first = stream.text().iterator().next();
            StringBuilder rest = new StringBuilder();
            stream.text().forEach(rest::append);
            assertEquals("Hell", first);
            assertEquals(stream.answer().text(), first + rest);
            assertFalse(stream.events().iterator().hasNext());
        }
    }

    @Test
    void answerBeforeTheEndIsAnError() {
        try (GenerationStream stream = client.stream("Hi")) {
            assertThrows(IllegalStateException.class, stream::answer);
        }
    }

    @Test
    void cancelledStreamStopsTheServersWork() throws InterruptedException {
        playBegun();
        try (GenerationStream stream = client.stream("Hi")) {
            RequestCancelledException error =
                    assertThrows(
                            RequestCancelledException.class,
                            () -> stream.text().forEach(text -> stream.cancel()));
            assertEquals("Hell", error.partialText());
            assertTrue(error.started());
            assertSame(error, assertThrows(TierwiseException.class, stream::answer));
            assertSame(error, assertThrows(TierwiseException.class, () -> kinds(stream)));
            assertTrue(server.calls().get(0).left());
        }
    }

    @Test
    void closedStreamStopsTheServersWork() throws InterruptedException {
        playBegun();
        GenerationStream stream = client.stream("Hi");
        assertEquals("Hell", stream.text().iterator().next());
        stream.close();
        stream.close();
        assertTrue(server.calls().get(0).left());
    }

    @Test
    void cancelAfterTheEndDoesNothing() {
        GenerationStream stream = client.stream("Hi");
        kinds(stream);
        stream.cancel();
        stream.close();
        assertEquals("Hello from the fake server.", stream.answer().text());
    }

    @Test
    void finishedComesOnlyWithAGoodStatus() {
        List<Step> story = new ArrayList<>(Stories.answered("Hello"));
        story.add(Step.failure("INTERNAL"));
        server.play(story);
        try (GenerationStream stream = client.stream("Hi")) {
            List<Event> events = new ArrayList<>();
            ServerException error =
                    assertThrows(ServerException.class, () -> stream.events().forEach(events::add));
            assertEquals("Hello", error.partialText());
            assertTrue(events.stream().noneMatch(Event.Finished.class::isInstance));
        }
    }

    @Test
    void streamThatBreaksTheContractIsEndedAtOnce() throws InterruptedException {
        List<Step> story = new ArrayList<>(Stories.answered("Hello").subList(0, 4));
        story.add(Step.raw(GenerateResponse.newBuilder().setSequence(99).build()));
        story.add(Step.hold());
        server.play(story);
        ProtocolException error =
                assertThrows(ProtocolException.class, () -> client.generate("Hi"));
        assertTrue(error.started());
        assertEquals("Hello", error.partialText());
        assertEquals("request-1", error.requestId());
        assertTrue(server.calls().get(0).left());
    }

    @Test
    void failureThatNoServerNamedGoesByItsStatus() {
        List<Step> story = new ArrayList<>(Stories.answered("Hello").subList(0, 3));
        story.add(FakeFailure.bare(Status.Code.UNAVAILABLE));
        server.play(story);
        UnavailableException error =
                assertThrows(UnavailableException.class, () -> client.generate("Hi"));
        assertEquals("", error.reason());
        assertTrue(error.started());
        assertEquals("Hell", error.partialText());
    }

    @Test
    void pieceOfManyMebibytesComesWhole() {
        String text = "🎉é日a".repeat(1 << 19);
        List<Step> story = new ArrayList<>(Stories.answered(""));
        story.add(2, Step.event(TextDelta.newBuilder().setAttempt(1).setText(text).build()));
        server.play(story);
        assertEquals(text, client.generate("Hi").text());
    }
}
