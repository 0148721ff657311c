package tierwisetest

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

const (
	requestID     = "request-1"
	efficient     = "efficient"
	frontier      = "frontier"
	efficientName = "claude-haiku-4-5-20251001"
	frontierName  = "claude-sonnet-4-6"
	threshold     = 0.8
	confidence    = 0.4
)

type routed struct{ response *tierwisev1.RouteResponse }

// Routed is a reply to Route: one tier, no evidence.
func Routed(tier string) Reply {
	return routed{&tierwisev1.RouteResponse{
		Decision: decision(tier),
		Tiers: []*tierwisev1.TierEstimate{{
			Tier:                 tier,
			Model:                efficientName,
			EstimatedInputTokens: 10,
			AssumedOutputTokens:  20,
			EstimatedCostNanoUsd: proto.Int64(110_000),
			FitsContext:          true,
			PriceBookVersion:     "test",
		}},
	}}
}

func (r routed) reply(context.Context) (*tierwisev1.RouteResponse, error) { return r.response, nil }

// Answered is the story of a task that the efficient tier answers, unchecked, in pieces of a few letters, for 110,000
// nano-USD.
func Answered(text string) Script {
	call := record(1, tierwisev1.CallKind_CALL_KIND_DIRECT, efficient, 110_000)
	return slices.Concat(
		Script{Event(&tierwisev1.Started{RequestId: requestID, Decision: decision(efficient)}), attempt(call)},
		deltas(1, text, false),
		Script{
			Event(&tierwisev1.AttemptFinished{Call: call}),
			Event(&tierwisev1.Finished{Summary: summary(call)}),
		},
	)
}

// Escalated is the story of a draft that its check finds wanting and that frontier's answer supersedes. The draft's
// text is sent only if live.
func Escalated(draft, text string, live bool) Script {
	first := record(1, tierwisev1.CallKind_CALL_KIND_DRAFT, efficient, 60_000)
	check := record(1, tierwisev1.CallKind_CALL_KIND_CHECK, efficient, 20_000)
	second := record(2, tierwisev1.CallKind_CALL_KIND_DIRECT, frontier, 450_000)
	void := proto.CloneOf(first)
	void.Superseded = true
	account := summary(void, check, second)
	account.Confidence = proto.Float64(confidence)
	shown := Script{Event(&tierwisev1.Heartbeat{})}
	if live {
		shown = deltas(1, draft, true)
	}
	return slices.Concat(
		Script{Event(&tierwisev1.Started{RequestId: requestID, Decision: decision(efficient, frontier)}), attempt(first)},
		shown,
		Script{
			Event(&tierwisev1.AttemptFinished{Call: first}),
			Event(lowConfidence(check)),
			Event(&tierwisev1.AttemptSuperseded{
				Attempt: 1, ReplacementAttempt: 2,
				Reason: tierwisev1.EscalationReason_ESCALATION_REASON_LOW_CONFIDENCE,
			}),
			attempt(second),
		},
		deltas(2, text, false),
		Script{
			Event(&tierwisev1.AttemptFinished{Call: second}),
			Event(&tierwisev1.Finished{Summary: account}),
		},
	)
}

func attempt(call *tierwisev1.CallRecord) Step {
	return Event(&tierwisev1.AttemptStarted{
		Attempt: call.GetAttempt(), Kind: call.GetKind(), Tier: call.GetTier(), Model: call.GetModel(),
	})
}

func lowConfidence(check *tierwisev1.CallRecord) *tierwisev1.ConfidenceChecked {
	return &tierwisev1.ConfidenceChecked{
		Attempt:    check.GetAttempt(),
		Method:     "self_report",
		Confidence: proto.Float64(confidence),
		Score:      proto.Int32(4),
		Threshold:  threshold,
		Outcome:    tierwisev1.CheckOutcome_CHECK_OUTCOME_ESCALATED,
		Call:       check,
	}
}

// deltas cuts at characters, as the contract's text fields must be.
func deltas(attempt int32, text string, provisional bool) Script {
	var script Script
	for piece := range slices.Chunk([]rune(text), 4) {
		script = append(script, Event(&tierwisev1.TextDelta{
			Attempt: attempt, Text: string(piece), Provisional: provisional,
		}))
	}
	return script
}

func decision(cascade ...string) *tierwisev1.RouteDecision {
	decision := &tierwisev1.RouteDecision{
		Tier:         cascade[0],
		Model:        efficientName,
		Cascade:      cascade,
		Rule:         tierwisev1.RoutingRule_ROUTING_RULE_TASK_TYPE,
		Why:          "the test says so",
		TableVersion: "test",
	}
	if len(cascade) > 1 {
		decision.ConfidenceMethod = "self_report"
		decision.ConfidenceThreshold = proto.Float64(threshold)
	}
	return decision
}

// record returns a completed call that cost so much; a tenth of it is for input.
func record(attempt int32, kind tierwisev1.CallKind, tier string, costNanoUSD int64) *tierwisev1.CallRecord {
	model := efficientName
	if tier == frontier {
		model = frontierName
	}
	return &tierwisev1.CallRecord{
		Attempt: attempt,
		Kind:    kind,
		Status:  tierwisev1.CallStatus_CALL_STATUS_COMPLETED,
		Tier:    tier,
		Model:   model,
		Usage:   &tierwisev1.Usage{InputTokens: 10, OutputTokens: 20},
		Cost: &tierwisev1.Cost{
			TotalNanoUsd:     costNanoUSD,
			InputNanoUsd:     costNanoUSD / 10,
			OutputNanoUsd:    costNanoUSD - costNanoUSD/10,
			PriceBookVersion: "test",
		},
		FinishReason: tierwisev1.FinishReason_FINISH_REASON_STOP,
		Tries:        1,
		Duration:     durationpb.New(100 * time.Millisecond),
	}
}

// summary returns the account of these calls, of which the last gave the answer.
func summary(calls ...*tierwisev1.CallRecord) *tierwisev1.GenerationSummary {
	final := calls[len(calls)-1]
	account := &tierwisev1.GenerationSummary{
		FinalAttempt:    final.GetAttempt(),
		Tier:            final.GetTier(),
		Model:           final.GetModel(),
		FinishReason:    final.GetFinishReason(),
		Escalated:       final.GetAttempt() > 1,
		Acceptance:      tierwisev1.Acceptance_ACCEPTANCE_UNCHECKED,
		Usage:           &tierwisev1.Usage{},
		Cost:            &tierwisev1.Cost{PriceBookVersion: "test"},
		Calls:           calls,
		TableVersion:    "test",
		RequestId:       requestID,
		TimeToFirstText: durationpb.New(50 * time.Millisecond),
		Duration:        durationpb.New(time.Duration(len(calls)) * 100 * time.Millisecond),
		Counterfactuals: []*tierwisev1.Counterfactual{{
			Tier:        frontier,
			Model:       frontierName,
			CostNanoUsd: proto.Int64(450_000),
			Basis:       tierwisev1.CounterfactualBasis_COUNTERFACTUAL_BASIS_SAME_TOKENS,
		}},
	}
	for _, call := range calls {
		account.Usage.InputTokens += call.GetUsage().GetInputTokens()
		account.Usage.OutputTokens += call.GetUsage().GetOutputTokens()
		account.Cost.TotalNanoUsd += call.GetCost().GetTotalNanoUsd()
		account.Cost.InputNanoUsd += call.GetCost().GetInputNanoUsd()
		account.Cost.OutputNanoUsd += call.GetCost().GetOutputNanoUsd()
	}
	return account
}
