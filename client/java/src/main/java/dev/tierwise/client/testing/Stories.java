package dev.tierwise.client.testing;

import dev.tierwise.v1.Acceptance;
import dev.tierwise.v1.AttemptFinished;
import dev.tierwise.v1.AttemptStarted;
import dev.tierwise.v1.AttemptSuperseded;
import dev.tierwise.v1.CallKind;
import dev.tierwise.v1.CallRecord;
import dev.tierwise.v1.CallStatus;
import dev.tierwise.v1.CheckOutcome;
import dev.tierwise.v1.ConfidenceChecked;
import dev.tierwise.v1.Cost;
import dev.tierwise.v1.Counterfactual;
import dev.tierwise.v1.CounterfactualBasis;
import dev.tierwise.v1.EscalationReason;
import dev.tierwise.v1.FinishReason;
import dev.tierwise.v1.Finished;
import dev.tierwise.v1.GenerationSummary;
import dev.tierwise.v1.Heartbeat;
import dev.tierwise.v1.RouteDecision;
import dev.tierwise.v1.RouteResponse;
import dev.tierwise.v1.RoutingRule;
import dev.tierwise.v1.Started;
import dev.tierwise.v1.TextDelta;
import dev.tierwise.v1.TierEstimate;
import dev.tierwise.v1.Usage;

import java.util.ArrayList;
import java.util.List;

/** Scripts of whole tasks, as a tierwise server would play them. */
public final class Stories {
    private static final String REQUEST_ID = "request-1";
    private static final String EFFICIENT = "efficient";
    private static final String FRONTIER = "frontier";
    private static final String VERSION = "test";
    private static final double THRESHOLD = 0.8;
    private static final double CONFIDENCE = 0.4;
    private static final int PIECE = 4;

    private Stories() {}

    /** Returns what Route answers: one tier, no evidence. */
    public static RouteResponse routed(String tier) {
        TierEstimate estimate =
                TierEstimate.newBuilder()
                        .setTier(tier)
                        .setModel(model(tier))
                        .setEstimatedInputTokens(10)
                        .setAssumedOutputTokens(20)
                        .setEstimatedCostNanoUsd(110_000)
                        .setFitsContext(true)
                        .setPriceBookVersion(VERSION)
                        .build();
        return RouteResponse.newBuilder().setDecision(decision(tier)).addTiers(estimate).build();
    }

    /**
     * Returns the story of a task that the efficient tier answers, unchecked, in pieces of a few
     * letters, for 110,000 nano-USD.
     */
    public static List<Step> answered(String text) {
        CallRecord call = call(1, CallKind.CALL_KIND_DIRECT, EFFICIENT, 110_000);
        List<Step> story = new ArrayList<>();
        story.add(started(EFFICIENT));
        story.add(attempt(call));
        story.addAll(deltas(1, text, false));
        story.add(finished(call));
        story.add(Step.event(Finished.newBuilder().setSummary(summary(call)).build()));
        return story;
    }

    /**
     * Returns the story of a draft that its check finds wanting and that frontier's answer
     * supersedes. The draft's text is sent only if live.
     */
    public static List<Step> escalated(String draft, String text, boolean live) {
        CallRecord first = call(1, CallKind.CALL_KIND_DRAFT, EFFICIENT, 60_000);
        CallRecord check = call(1, CallKind.CALL_KIND_CHECK, EFFICIENT, 20_000);
        CallRecord second = call(2, CallKind.CALL_KIND_DIRECT, FRONTIER, 450_000);
        CallRecord isVoid = first.toBuilder().setSuperseded(true).build();
        GenerationSummary account =
                summary(isVoid, check, second).toBuilder().setConfidence(CONFIDENCE).build();
        List<Step> story = new ArrayList<>();
        story.add(started(EFFICIENT, FRONTIER));
        story.add(attempt(first));
        story.addAll(
                live
                        ? deltas(1, draft, true)
                        : List.of(Step.event(Heartbeat.getDefaultInstance())));
        story.add(finished(first));
        story.add(lowConfidence(check));
        story.add(superseded());
        story.add(attempt(second));
        story.addAll(deltas(2, text, false));
        story.add(finished(second));
        story.add(Step.event(Finished.newBuilder().setSummary(account).build()));
        return story;
    }

    private static Step started(String... cascade) {
        return Step.event(
                Started.newBuilder()
                        .setRequestId(REQUEST_ID)
                        .setDecision(decision(cascade))
                        .build());
    }

    private static Step attempt(CallRecord call) {
        return Step.event(
                AttemptStarted.newBuilder()
                        .setAttempt(call.getAttempt())
                        .setKind(call.getKind())
                        .setTier(call.getTier())
                        .setModel(call.getModel())
                        .build());
    }

    private static Step finished(CallRecord call) {
        return Step.event(AttemptFinished.newBuilder().setCall(call).build());
    }

    private static Step lowConfidence(CallRecord check) {
        return Step.event(
                ConfidenceChecked.newBuilder()
                        .setAttempt(check.getAttempt())
                        .setMethod("self_report")
                        .setConfidence(CONFIDENCE)
                        .setScore(4)
                        .setThreshold(THRESHOLD)
                        .setOutcome(CheckOutcome.CHECK_OUTCOME_ESCALATED)
                        .setCall(check)
                        .build());
    }

    private static Step superseded() {
        return Step.event(
                AttemptSuperseded.newBuilder()
                        .setAttempt(1)
                        .setReplacementAttempt(2)
                        .setReason(EscalationReason.ESCALATION_REASON_LOW_CONFIDENCE)
                        .build());
    }

    /** Cuts at characters, as the contract's text fields must be. */
    private static List<Step> deltas(int attempt, String text, boolean provisional) {
        int[] characters = text.codePoints().toArray();
        List<Step> deltas = new ArrayList<>();
        for (int from = 0; from < characters.length; from += PIECE) {
            String piece = new String(characters, from, Math.min(PIECE, characters.length - from));
            deltas.add(
                    Step.event(
                            TextDelta.newBuilder()
                                    .setAttempt(attempt)
                                    .setText(piece)
                                    .setProvisional(provisional)
                                    .build()));
        }
        return deltas;
    }

    private static RouteDecision decision(String... cascade) {
        RouteDecision.Builder decision =
                RouteDecision.newBuilder()
                        .setTier(cascade[0])
                        .setModel(model(cascade[0]))
                        .addAllCascade(List.of(cascade))
                        .setRule(RoutingRule.ROUTING_RULE_DEFAULT)
                        .setWhy("The fake server decides so.")
                        .setTableVersion(VERSION);
        if (cascade.length > 1) {
            decision.setConfidenceMethod("self_report").setConfidenceThreshold(THRESHOLD);
        }
        return decision.build();
    }

    private static String model(String tier) {
        return tier.equals(EFFICIENT) ? "claude-haiku-4-5-20251001" : "claude-sonnet-4-6";
    }

    /** A call with ten input and twenty output tokens. */
    private static CallRecord call(int attempt, CallKind kind, String tier, long nanoUsd) {
        long input = nanoUsd / 11;
        return CallRecord.newBuilder()
                .setAttempt(attempt)
                .setKind(kind)
                .setStatus(CallStatus.CALL_STATUS_COMPLETED)
                .setTier(tier)
                .setModel(model(tier))
                .setUsage(Usage.newBuilder().setInputTokens(10).setOutputTokens(20))
                .setCost(
                        Cost.newBuilder()
                                .setTotalNanoUsd(nanoUsd)
                                .setInputNanoUsd(input)
                                .setOutputNanoUsd(nanoUsd - input)
                                .setPriceBookVersion(VERSION))
                .setFinishReason(FinishReason.FINISH_REASON_STOP)
                .setTries(1)
                .setResponseId("msg_" + attempt)
                .setDuration(milliseconds(100))
                .build();
    }

    private static GenerationSummary summary(CallRecord... calls) {
        CallRecord last = calls[calls.length - 1];
        Counterfactual other =
                Counterfactual.newBuilder()
                        .setTier(FRONTIER)
                        .setModel(model(FRONTIER))
                        .setCostNanoUsd(450_000)
                        .setBasis(CounterfactualBasis.COUNTERFACTUAL_BASIS_SAME_TOKENS)
                        .build();
        return GenerationSummary.newBuilder()
                .setFinalAttempt(last.getAttempt())
                .setTier(last.getTier())
                .setModel(last.getModel())
                .setFinishReason(last.getFinishReason())
                .setEscalated(last.getAttempt() > 1)
                .setAcceptance(Acceptance.ACCEPTANCE_UNCHECKED)
                .setUsage(
                        Usage.newBuilder()
                                .setInputTokens(10L * calls.length)
                                .setOutputTokens(20L * calls.length))
                .setCost(total(calls))
                .addAllCalls(List.of(calls))
                .addCounterfactuals(other)
                .setTableVersion(VERSION)
                .setTimeToFirstText(milliseconds(50))
                .setDuration(milliseconds(100L * calls.length))
                .setRequestId(REQUEST_ID)
                .build();
    }

    private static Cost total(CallRecord... calls) {
        Cost.Builder total = Cost.newBuilder().setPriceBookVersion(VERSION);
        for (CallRecord call : calls) {
            Cost cost = call.getCost();
            total.setTotalNanoUsd(total.getTotalNanoUsd() + cost.getTotalNanoUsd())
                    .setInputNanoUsd(total.getInputNanoUsd() + cost.getInputNanoUsd())
                    .setOutputNanoUsd(total.getOutputNanoUsd() + cost.getOutputNanoUsd());
        }
        return total.build();
    }

    private static com.google.protobuf.Duration milliseconds(long milliseconds) {
        return com.google.protobuf.Duration.newBuilder()
                .setNanos(Math.toIntExact(milliseconds * 1_000_000))
                .build();
    }
}
