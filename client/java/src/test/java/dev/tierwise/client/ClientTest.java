package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tierwise.client.testing.Step;
import dev.tierwise.client.testing.Stories;
import dev.tierwise.v1.GenerateRequest;
import dev.tierwise.v1.RouteRequest;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

@Timeout(30)
class ClientTest extends Connected {
    private static final Step[] BEGUN = {
        Stories.answered("Hello").get(0),
        Stories.answered("Hello").get(1),
        Stories.answered("Hello").get(2),
        Step.hold()
    };

    @Test
    void routeSaysWhichTierAndWhatItWouldCost() {
        RouteResult result = client.route(RouteOptions.DEFAULT.withTaskType("x").withSystem("s"));
        assertEquals("efficient", result.decision().tier());
        assertEquals(RoutingRule.DEFAULT, result.decision().rule());
        assertTrue(result.decision().confidenceThreshold().isEmpty());
        assertEquals(110_000, result.tiers().get(0).estimatedCostNanoUsd().getAsLong());
        assertTrue(result.tiers().get(0).maxCostNanoUsd().isEmpty());
        assertTrue(result.evidence().isEmpty());
        RouteRequest sent = (RouteRequest) server.calls().get(0).request();
        assertEquals("x", sent.getTaskType());
        assertEquals("s", sent.getSystem());
        assertEquals(List.of(), sent.getMessagesList());
    }

    @Test
    void generateGivesTheWholeAnswer() {
        server.play(Stories.escalated("No.", "Yes, it is.", false));
        Answer answer = client.generate("Is it?");
        assertEquals("Yes, it is.", answer.text());
        assertEquals("frontier", answer.tier());
        assertTrue(answer.escalated());
        assertEquals(0.4, answer.confidence().getAsDouble());
        assertEquals(FinishReason.STOP, answer.finishReason());
        assertEquals(3, answer.calls().size());
        assertEquals("request-1", answer.summary().message().getRequestId());
    }

    @Test
    void requestIsSentAsItWasAsked() {
        client.generate(
                Prompt.of(Prompt.user("2 + 2?"), Prompt.assistant("4"), Prompt.user("Times 3?")),
                GenerateOptions.DEFAULT
                        .withRequestId("r1")
                        .withLabels(Map.of("team", "search"))
                        .withMaxTier("frontier")
                        .withEscalation(false)
                        .withMaxCostUsd("0.05")
                        .withTemperature(0)
                        .withStopSequences("a", "b"));
        GenerateRequest sent = (GenerateRequest) server.calls().get(0).request();
        assertEquals(3, sent.getMessagesCount());
        assertEquals("r1", sent.getRequestId());
        assertEquals(Map.of("team", "search"), sent.getLabelsMap());
        assertTrue(sent.getRouting().hasEscalation());
        assertEquals(50_000_000, sent.getRouting().getMaxCostNanoUsd());
        assertTrue(sent.getGeneration().hasTemperature());
        assertFalse(sent.getGeneration().hasTopP());
        assertEquals(List.of("a", "b"), sent.getGeneration().getStopSequencesList());
        assertEquals(dev.tierwise.v1.DraftDelivery.DRAFT_DELIVERY_HELD, sent.getDraftDelivery());
    }

    @Test
    void everyCallCarriesKeyMetadataAndUserAgent() {
        try (Client keyed = builder().apiKey("tw-1").metadata("x-team", "search").build()) {
            keyed.route(RouteOptions.DEFAULT);
            keyed.generate("Hi");
        }
        server.calls()
                .forEach(
                        call -> {
                            assertEquals("Bearer tw-1", call.header("authorization").orElseThrow());
                            assertEquals("search", call.header("x-team").orElseThrow());
                            String agent = call.header("user-agent").orElseThrow();
                            assertTrue(agent.startsWith("tierwise-java/" + Client.VERSION), agent);
                        });
        assertEquals(2, server.calls().size());
    }

    @Test
    void limitOfACallWinsOverTheClients() {
        client.generate("Hi");
        client.generate("Hi", GenerateOptions.DEFAULT.withTimeout(Duration.ofHours(1)));
        client.generate("Hi", GenerateOptions.DEFAULT.withTimeout(Client.NO_TIMEOUT));
        assertTrue(server.calls().get(0).timeout().orElseThrow().toSeconds() > 500);
        assertTrue(server.calls().get(0).timeout().orElseThrow().toSeconds() <= 600);
        assertTrue(server.calls().get(1).timeout().orElseThrow().toSeconds() > 600);
        assertTrue(server.calls().get(2).timeout().isEmpty());
    }

    @Test
    void deadlineThatPassesEndsTheCallAndTheServersWork() throws InterruptedException {
        server.play(BEGUN);
        GenerateOptions options = GenerateOptions.DEFAULT.withTimeout(Duration.ofSeconds(1));
        DeadlineExceededException error =
                assertThrows(DeadlineExceededException.class, () -> client.generate("Hi", options));
        assertTrue(error.started());
        assertEquals("Hell", error.partialText());
        assertTrue(server.calls().get(0).left());
    }

    @Test
    void failureBeforeStartedIsAskedAgain() {
        server.play(Step.failure("OVERLOADED").pushbackMs(1));
        server.play(Step.failure("OVERLOADED").pushbackMs(1));
        assertEquals("Hello from the fake server.", client.generate("Hi").text());
        assertEquals(3, server.calls().size());
    }

    @Test
    void longPromptIsAskedAgainToo() {
        server.play(Step.failure("OVERLOADED").pushbackMs(1));
        client.generate("All work and no play. ".repeat(100_000));
        assertEquals(2, server.calls().size());
    }

    @Test
    void failureAfterStartedIsNotAskedAgain() {
        server.play(BEGUN[0], BEGUN[1], BEGUN[2], Step.failure("OVERLOADED").pushbackMs(1));
        UnavailableException error =
                assertThrows(UnavailableException.class, () -> client.generate("Hi"));
        assertTrue(error.started());
        assertEquals(1, server.calls().size());
    }

    @Test
    void failureOfRouteIsTyped() {
        server.reply(Step.failure("INVALID_REQUEST").field("routing.tier", "is not configured"));
        InvalidRequestException error =
                assertThrows(
                        InvalidRequestException.class, () -> client.route(RouteOptions.DEFAULT));
        assertEquals("routing.tier", error.fieldViolations().get(0).field());
        assertFalse(error.started());
    }

    @Test
    void nobodyListensIsUnavailable() {
        server.close();
        UnavailableException error =
                assertThrows(UnavailableException.class, () -> client.generate("Hi"));
        assertFalse(error.started());
        assertEquals("", error.reason());
    }

    @Test
    void closingTheClientCancelsWhatRuns() throws InterruptedException {
        server.play(BEGUN);
        CompletableFuture<Answer> running =
                CompletableFuture.supplyAsync(() -> client.generate("Hi"));
        server.waitForCall(1);
        client.close();
        client.close();
        CompletionException error = assertThrows(CompletionException.class, running::join);
        assertInstanceOf(RequestCancelledException.class, error.getCause());
        assertTrue(server.calls().get(0).left());
    }

    @Test
    void closedClientIsNotUsed() {
        client.close();
        assertThrows(IllegalStateException.class, () -> client.generate("Hi"));
        assertThrows(IllegalStateException.class, () -> client.route(RouteOptions.DEFAULT));
    }

    @Test
    void interruptOfTheCallingThreadCancelsItsCall() throws InterruptedException {
        server.play(BEGUN);
        CompletableFuture<Object> said = new CompletableFuture<>();
        Thread caller =
                new Thread(
                        () -> {
                            try {
                                said.complete(client.generate("Hi"));
                            } catch (TierwiseException error) {
                                said.complete(
                                        Thread.currentThread().isInterrupted() ? error : "lost");
                            }
                        });
        caller.start();
        server.waitForCall(1);
        caller.interrupt();
        assertInstanceOf(RequestCancelledException.class, said.join());
        assertTrue(server.calls().get(0).left());
    }

    @Test
    void settingsOfTheChannelAreTheCallersToReplace() {
        try (Client named = builder().channel(channel -> channel.userAgent("mine")).build()) {
            named.route(RouteOptions.DEFAULT);
        }
        assertTrue(server.calls().get(0).header("user-agent").orElseThrow().startsWith("mine"));
    }
}
