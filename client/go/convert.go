package tierwise

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// Messages of the contract into the client's values. Pure, and total: what is unknown becomes UNSPECIFIED.

// eventFrom returns the event of a message, or nil for a kind that is newer than this client.
func eventFrom(message *tierwisev1.GenerateResponse) Event {
	switch event := message.GetEvent().(type) {
	case *tierwisev1.GenerateResponse_Started:
		return startedFrom(event.Started)
	case *tierwisev1.GenerateResponse_AttemptStarted:
		return attemptStartedFrom(event.AttemptStarted)
	case *tierwisev1.GenerateResponse_TextDelta:
		delta := event.TextDelta
		return TextDelta{int(delta.GetAttempt()), delta.GetText(), delta.GetProvisional()}
	case *tierwisev1.GenerateResponse_AttemptFinished:
		return AttemptFinished{callFrom(event.AttemptFinished.GetCall())}
	case *tierwisev1.GenerateResponse_ConfidenceChecked:
		return confidenceCheckedFrom(event.ConfidenceChecked)
	case *tierwisev1.GenerateResponse_AttemptSuperseded:
		return attemptSupersededFrom(event.AttemptSuperseded)
	case *tierwisev1.GenerateResponse_Heartbeat:
		return Heartbeat{}
	case *tierwisev1.GenerateResponse_Finished:
		return Finished{summaryFrom(event.Finished.GetSummary())}
	default:
		return nil
	}
}

func startedFrom(started *tierwisev1.Started) Started {
	return Started{
		RequestID: started.GetRequestId(),
		Decision:  decisionFrom(started.GetDecision()),
		StartTime: timeFrom(started.GetStartTime()),
	}
}

func attemptStartedFrom(started *tierwisev1.AttemptStarted) AttemptStarted {
	return AttemptStarted{
		Attempt:        int(started.GetAttempt()),
		Kind:           word[CallKind](started.GetKind()),
		Tier:           started.GetTier(),
		Model:          started.GetModel(),
		IgnoredOptions: each(started.GetIgnoredOptions(), same),
	}
}

func confidenceCheckedFrom(checked *tierwisev1.ConfidenceChecked) ConfidenceChecked {
	event := ConfidenceChecked{
		Attempt:    int(checked.GetAttempt()),
		Method:     checked.GetMethod(),
		Confidence: checked.Confidence,
		Threshold:  checked.GetThreshold(),
		Outcome:    word[CheckOutcome](checked.GetOutcome()),
		Call:       callFrom(checked.GetCall()),
	}
	if checked.Score != nil {
		score := int(checked.GetScore())
		event.Score = &score
	}
	return event
}

func attemptSupersededFrom(superseded *tierwisev1.AttemptSuperseded) AttemptSuperseded {
	return AttemptSuperseded{
		Attempt:            int(superseded.GetAttempt()),
		ReplacementAttempt: int(superseded.GetReplacementAttempt()),
		Reason:             word[EscalationReason](superseded.GetReason()),
	}
}

func usageFrom(usage *tierwisev1.Usage) Usage {
	return Usage{
		InputTokens:        usage.GetInputTokens(),
		CacheReadTokens:    usage.GetCacheReadTokens(),
		CacheWriteTokens:   usage.GetCacheWriteTokens(),
		CacheWrite1hTokens: usage.GetCacheWrite_1HTokens(),
		OutputTokens:       usage.GetOutputTokens(),
		ReasoningTokens:    usage.GetReasoningTokens(),
	}
}

func costFrom(cost *tierwisev1.Cost) *Cost {
	if cost == nil {
		return nil
	}
	return &Cost{
		TotalNanoUSD:      cost.GetTotalNanoUsd(),
		InputNanoUSD:      cost.GetInputNanoUsd(),
		CacheReadNanoUSD:  cost.GetCacheReadNanoUsd(),
		CacheWriteNanoUSD: cost.GetCacheWriteNanoUsd(),
		OutputNanoUSD:     cost.GetOutputNanoUsd(),
		PriceBookVersion:  cost.GetPriceBookVersion(),
	}
}

func callFrom(call *tierwisev1.CallRecord) CallRecord {
	record := CallRecord{
		Attempt:        int(call.GetAttempt()),
		Kind:           word[CallKind](call.GetKind()),
		Status:         word[CallStatus](call.GetStatus()),
		Tier:           call.GetTier(),
		Model:          call.GetModel(),
		Cost:           costFrom(call.GetCost()),
		UsageEstimated: call.GetUsageEstimated(),
		Superseded:     call.GetSuperseded(),
		FinishReason:   word[FinishReason](call.GetFinishReason()),
		FailureReason:  word[ErrorReason](call.GetFailureReason()),
		Tries:          int(call.GetTries()),
		ResponseID:     call.GetResponseId(),
		Duration:       call.GetDuration().AsDuration(),
	}
	if call.GetUsage() != nil {
		usage := usageFrom(call.GetUsage())
		record.Usage = &usage
	}
	return record
}

func summaryFrom(summary *tierwisev1.GenerationSummary) GenerationSummary {
	return GenerationSummary{
		FinalAttempt:    int(summary.GetFinalAttempt()),
		Tier:            summary.GetTier(),
		Model:           summary.GetModel(),
		FinishReason:    word[FinishReason](summary.GetFinishReason()),
		RawFinishReason: summary.GetRawFinishReason(),
		Escalated:       summary.GetEscalated(),
		Acceptance:      word[Acceptance](summary.GetAcceptance()),
		Confidence:      confidenceOf(summary),
		Usage:           usageFrom(summary.GetUsage()),
		Cost:            costFrom(summary.GetCost()),
		Calls:           each(summary.GetCalls(), callFrom),
		Counterfactuals: each(summary.GetCounterfactuals(), counterfactualFrom),
		TableVersion:    summary.GetTableVersion(),
		TimeToFirstText: durationFrom(summary.GetTimeToFirstText()),
		Duration:        summary.GetDuration().AsDuration(),
		RequestID:       summary.GetRequestId(),
		proto:           summary,
	}
}

func confidenceOf(summary *tierwisev1.GenerationSummary) *float64 {
	if summary == nil {
		return nil
	}
	return summary.Confidence
}

func counterfactualFrom(other *tierwisev1.Counterfactual) Counterfactual {
	return Counterfactual{
		Tier:        other.GetTier(),
		Model:       other.GetModel(),
		CostNanoUSD: other.CostNanoUsd,
		Basis:       word[CounterfactualBasis](other.GetBasis()),
	}
}

func routeResultFrom(response *tierwisev1.RouteResponse) *RouteResult {
	return &RouteResult{
		Decision: decisionFrom(response.GetDecision()),
		Tiers:    each(response.GetTiers(), estimateFrom),
		Evidence: evidenceFrom(response.GetEvidence()),
		proto:    response,
	}
}

func decisionFrom(decision *tierwisev1.RouteDecision) RouteDecision {
	result := RouteDecision{
		Tier:             decision.GetTier(),
		Model:            decision.GetModel(),
		Cascade:          each(decision.GetCascade(), same),
		Rule:             word[RoutingRule](decision.GetRule()),
		Adjustments:      each(decision.GetAdjustments(), adjustmentFrom),
		Why:              decision.GetWhy(),
		ConfidenceMethod: decision.GetConfidenceMethod(),
		TableVersion:     decision.GetTableVersion(),
		TaskType:         decision.GetTaskType(),
	}
	if decision != nil {
		result.ConfidenceThreshold = decision.ConfidenceThreshold
	}
	return result
}

func adjustmentFrom(adjustment tierwisev1.RoutingAdjustment) RoutingAdjustment {
	return word[RoutingAdjustment](adjustment)
}

func estimateFrom(estimate *tierwisev1.TierEstimate) TierEstimate {
	return TierEstimate{
		Tier:                 estimate.GetTier(),
		Model:                estimate.GetModel(),
		EstimatedInputTokens: estimate.GetEstimatedInputTokens(),
		AssumedOutputTokens:  estimate.GetAssumedOutputTokens(),
		EstimatedCostNanoUSD: estimate.EstimatedCostNanoUsd,
		MaxCostNanoUSD:       estimate.MaxCostNanoUsd,
		FitsContext:          estimate.GetFitsContext(),
		PriceBookVersion:     estimate.GetPriceBookVersion(),
	}
}

func evidenceFrom(evidence *tierwisev1.Evidence) *Evidence {
	if evidence == nil {
		return nil
	}
	return &Evidence{
		SampleSize:       int(evidence.GetSampleSize()),
		Quality:          evidence.GetQuality(),
		QualityLow:       evidence.GetQualityLow(),
		QualityHigh:      evidence.GetQualityHigh(),
		MeanCostNanoUSD:  evidence.GetMeanCostNanoUsd(),
		Judge:            evidence.GetJudge(),
		DatasetHash:      evidence.GetDatasetHash(),
		PriceBookVersion: evidence.GetPriceBookVersion(),
		MeasureTime:      timeFrom(evidence.GetMeasureTime()),
		ExpireTime:       timeFrom(evidence.GetExpireTime()),
		EscalationRate:   evidence.EscalationRate,
		Tolerance:        evidence.Tolerance,
		Confidence:       evidence.Confidence,
		LossBound:        evidence.LossBound,
	}
}

// each converts every item; the result is never nil, so that JSON has an empty list.
func each[From, To any](items []From, convert func(From) To) []To {
	converted := make([]To, 0, len(items))
	for _, item := range items {
		converted = append(converted, convert(item))
	}
	return converted
}

func same(text string) string { return text }

// timeFrom returns the zero time for what is absent: AsTime would say 1970.
func timeFrom(timestamp *timestamppb.Timestamp) time.Time {
	if timestamp == nil {
		return time.Time{}
	}
	return timestamp.AsTime()
}

func durationFrom(duration *durationpb.Duration) *time.Duration {
	if duration == nil {
		return nil
	}
	value := duration.AsDuration()
	return &value
}
