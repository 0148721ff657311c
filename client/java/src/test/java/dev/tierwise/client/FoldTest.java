package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tierwise.client.testing.Step;
import dev.tierwise.client.testing.Stories;
import dev.tierwise.v1.AttemptStarted;
import dev.tierwise.v1.AttemptSuperseded;
import dev.tierwise.v1.Finished;
import dev.tierwise.v1.GenerateResponse;
import dev.tierwise.v1.GenerationSummary;
import dev.tierwise.v1.Heartbeat;
import dev.tierwise.v1.Started;
import dev.tierwise.v1.TextDelta;

import io.grpc.Status;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.List;
import java.util.stream.Stream;

class FoldTest {
    private static final GenerateResponse STARTED =
            GenerateResponse.newBuilder().setStarted(Started.getDefaultInstance()).build();

    private static GenerateResponse attempt(int number) {
        AttemptStarted attempt = AttemptStarted.newBuilder().setAttempt(number).build();
        return GenerateResponse.newBuilder().setAttemptStarted(attempt).build();
    }

    private static GenerateResponse text(int attempt, String text) {
        TextDelta delta = TextDelta.newBuilder().setAttempt(attempt).setText(text).build();
        return GenerateResponse.newBuilder().setTextDelta(delta).build();
    }

    private static GenerateResponse superseded(int attempt) {
        AttemptSuperseded superseded = AttemptSuperseded.newBuilder().setAttempt(attempt).build();
        return GenerateResponse.newBuilder().setAttemptSuperseded(superseded).build();
    }

    private static GenerateResponse finished(int attempt) {
        GenerationSummary summary = GenerationSummary.newBuilder().setFinalAttempt(attempt).build();
        Finished finished = Finished.newBuilder().setSummary(summary).build();
        return GenerateResponse.newBuilder().setFinished(finished).build();
    }

    private static GenerateResponse future() {
        return GenerateResponse.getDefaultInstance();
    }

    private static Fold folded(boolean held, GenerateResponse... messages) {
        Fold fold = new Fold(held);
        long sequence = 0;
        for (GenerateResponse message : messages) {
            fold.push(message.toBuilder().setSequence(sequence++).build());
        }
        return fold;
    }

    private static Fold played(boolean held, List<Step> story) {
        return folded(
                held,
                story.stream()
                        .map(step -> ((Step.Event) step).message(0))
                        .toArray(GenerateResponse[]::new));
    }

    @Test
    void answerIsTheTextOfTheFinalAttempt() {
        Answer answer = played(false, Stories.escalated("No.", "Yes, it is.", true)).answer();
        assertEquals("Yes, it is.", answer.text());
        assertEquals("frontier", answer.tier());
        assertEquals("efficient", answer.decision().tier());
        assertEquals(530_000, answer.cost().orElseThrow().totalNanoUsd());
        assertEquals(3, answer.calls().size());
    }

    @Test
    void eventsOfUnknownKindsCountAndAreSkipped() {
        Fold fold =
                folded(true, STARTED, future(), attempt(1), text(1, "a"), future(), finished(1));
        assertEquals("a", fold.answer().text());
        assertTrue(new Fold(true).push(STARTED).isPresent());
    }

    static Stream<Arguments> broken() {
        GenerateResponse[] none = {};
        return Stream.of(
                Arguments.of("no started", true, new GenerateResponse[] {attempt(1)}),
                Arguments.of("an unknown kind first", true, new GenerateResponse[] {future()}),
                Arguments.of("started twice", true, new GenerateResponse[] {STARTED, STARTED}),
                Arguments.of("nothing", true, none),
                Arguments.of("no finished", true, new GenerateResponse[] {STARTED, attempt(1)}),
                Arguments.of(
                        "text of no attempt", true, new GenerateResponse[] {STARTED, text(1, "a")}),
                Arguments.of(
                        "an attempt started twice",
                        true,
                        new GenerateResponse[] {STARTED, attempt(1), attempt(1)}),
                Arguments.of(
                        "text of a void attempt",
                        false,
                        new GenerateResponse[] {STARTED, attempt(1), superseded(1), text(1, "a")}),
                Arguments.of(
                        "held text withdrawn",
                        true,
                        new GenerateResponse[] {STARTED, attempt(1), text(1, "a"), superseded(1)}),
                Arguments.of(
                        "nothing superseded",
                        false,
                        new GenerateResponse[] {STARTED, superseded(1)}),
                Arguments.of(
                        "more after finished",
                        true,
                        new GenerateResponse[] {STARTED, attempt(1), finished(1), future()}),
                Arguments.of(
                        "an unknown final attempt",
                        true,
                        new GenerateResponse[] {STARTED, attempt(1), finished(2)}),
                Arguments.of(
                        "held text beside the answer",
                        true,
                        new GenerateResponse[] {
                            STARTED, attempt(1), text(1, "a"), attempt(2), finished(2)
                        }));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("broken")
    void streamThatBreaksTheContractIsNoAnswer(
            String what, boolean held, GenerateResponse[] messages) {
        assertThrows(ProtocolException.class, () -> folded(held, messages).answer(), what);
    }

    @Test
    void gapInTheSequenceIsNoticed() {
        Fold fold = folded(true, STARTED);
        GenerateResponse second =
                GenerateResponse.newBuilder()
                        .setSequence(2)
                        .setHeartbeat(Heartbeat.getDefaultInstance())
                        .build();
        ProtocolException gap = assertThrows(ProtocolException.class, () -> fold.push(second));
        assertEquals("event 1 is missing: event 2 came instead", gap.description());
    }

    @Test
    void failureSaysHowFarTheStreamHadCome() {
        GenerateResponse started =
                GenerateResponse.newBuilder()
                        .setStarted(Started.newBuilder().setRequestId("r1"))
                        .build();
        Failure failure = new Failure(Status.UNAVAILABLE, null);
        folded(false, started, attempt(1), text(1, "No"), attempt(2), text(2, "Ye"))
                .noteProgress(failure);
        assertTrue(failure.started);
        assertEquals("Ye", failure.partialText);
        assertEquals("r1", failure.requestId);
    }
}
