package tierwise

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The contract's closed lists of words, by the names they have on the wire without their prefix. UNSPECIFIED stands for
// what is not set and for what a newer server says and this client does not know yet; the message that holds the raw
// number is one Proto() away.

// FinishReason says why a model stopped.
type FinishReason string

// Why a model stopped.
const (
	FinishReasonUnspecified  FinishReason = "UNSPECIFIED"
	FinishReasonStop         FinishReason = "STOP"
	FinishReasonStopSequence FinishReason = "STOP_SEQUENCE"
	// The output reached the most output tokens: the text is cut.
	FinishReasonLength  FinishReason = "LENGTH"
	FinishReasonRefusal FinishReason = "REFUSAL"
	// The model's context window is full: the text is cut.
	FinishReasonContextWindow FinishReason = "CONTEXT_WINDOW"
	FinishReasonToolUse       FinishReason = "TOOL_USE"
	// The provider paused a long turn: the text is not whole.
	FinishReasonPause FinishReason = "PAUSE"
	// RawFinishReason has the provider's own word.
	FinishReasonOther FinishReason = "OTHER"
)

// Acceptance says on what ground an answer was accepted.
type Acceptance string

// On what ground an answer was accepted.
const (
	AcceptanceUnspecified Acceptance = "UNSPECIFIED"
	// No check applied: one tier only, or the strongest of the cascade.
	AcceptanceUnchecked Acceptance = "UNCHECKED"
	// A check found the confidence at or above the threshold.
	AcceptanceAccepted Acceptance = "ACCEPTED"
	// Low or unknown confidence, but the deadline or the cost cap could not pay for more.
	AcceptanceAcceptedLow Acceptance = "ACCEPTED_LOW"
)

// CallKind says what a call to a model was for.
type CallKind string

// What a call to a model was for.
const (
	CallKindUnspecified CallKind = "UNSPECIFIED"
	// An attempt that no check follows: its text is the answer.
	CallKindDirect CallKind = "DIRECT"
	// An attempt that a check follows.
	CallKindDraft CallKind = "DRAFT"
	// A confidence check of a draft.
	CallKindCheck CallKind = "CHECK"
)

// CallStatus says how a call to a model ended.
type CallStatus string

// How a call to a model ended.
const (
	CallStatusUnspecified CallStatus = "UNSPECIFIED"
	CallStatusCompleted   CallStatus = "COMPLETED"
	CallStatusFailed      CallStatus = "FAILED"
	// Given up because the caller left or the deadline passed.
	CallStatusCancelled CallStatus = "CANCELLED"
)

// CounterfactualBasis says where the token counts of a counterfactual come from.
type CounterfactualBasis string

// Where the token counts of a counterfactual come from.
const (
	CounterfactualBasisUnspecified CounterfactualBasis = "UNSPECIFIED"
	// The answer's own token counts at the other tier's prices.
	CounterfactualBasisSameTokens CounterfactualBasis = "SAME_TOKENS"
	// Output tokens that the table measured for the task type at that tier.
	CounterfactualBasisMeasuredTokens CounterfactualBasis = "MEASURED_TOKENS"
)

// CheckOutcome says what followed from a check.
type CheckOutcome string

// What followed from a check.
const (
	CheckOutcomeUnspecified CheckOutcome = "UNSPECIFIED"
	// The draft is the answer.
	CheckOutcomeAccepted CheckOutcome = "ACCEPTED"
	// A stronger tier is asked.
	CheckOutcomeEscalated CheckOutcome = "ESCALATED"
	// The draft is the answer, although its confidence is low or unknown.
	CheckOutcomeAcceptedLow CheckOutcome = "ACCEPTED_LOW"
)

// EscalationReason says why a stronger tier was asked.
type EscalationReason string

// Why a stronger tier was asked.
const (
	EscalationReasonUnspecified   EscalationReason = "UNSPECIFIED"
	EscalationReasonLowConfidence EscalationReason = "LOW_CONFIDENCE"
	// The check's answer was not a plain number in range.
	EscalationReasonCheckUnreadable EscalationReason = "CHECK_UNREADABLE"
	EscalationReasonCheckFailed     EscalationReason = "CHECK_FAILED"
	// The draft was cut, refused or empty.
	EscalationReasonIncomplete    EscalationReason = "INCOMPLETE"
	EscalationReasonAttemptFailed EscalationReason = "ATTEMPT_FAILED"
	// The provider said that the model cannot hold the prompt.
	EscalationReasonContextTooLong EscalationReason = "CONTEXT_TOO_LONG"
)

// RoutingRule says which rule of the routing table chose the row.
type RoutingRule string

// Which rule of the routing table chose the row.
const (
	RoutingRuleUnspecified RoutingRule = "UNSPECIFIED"
	// The request pinned the tier.
	RoutingRulePinned RoutingRule = "PINNED"
	// The table has a row for the task type.
	RoutingRuleTaskType RoutingRule = "TASK_TYPE"
	// The table has no row for the task type: its default applied.
	RoutingRuleDefault RoutingRule = "DEFAULT"
)

// RoutingAdjustment says what changed a table row for one request.
type RoutingAdjustment string

// What changed a table row for one request.
const (
	RoutingAdjustmentUnspecified   RoutingAdjustment = "UNSPECIFIED"
	RoutingAdjustmentEscalationOn  RoutingAdjustment = "ESCALATION_ON"
	RoutingAdjustmentEscalationOff RoutingAdjustment = "ESCALATION_OFF"
	// The max tier of the request, or the tiers of its key, left some out.
	RoutingAdjustmentCapped    RoutingAdjustment = "CAPPED"
	RoutingAdjustmentThreshold RoutingAdjustment = "THRESHOLD"
	// A tier was skipped because its model cannot hold the prompt.
	RoutingAdjustmentContextSkip RoutingAdjustment = "CONTEXT_SKIP"
)

// DraftDelivery says whether a draft's text is sent before it is accepted.
type DraftDelivery string

// Whether a draft's text is sent before it is accepted.
const (
	// A draft's text comes once the draft is accepted, never if it is superseded. The default.
	DraftDeliveryHeld DraftDelivery = "HELD"
	// A draft's text comes at once, marked provisional; it is void if the draft is superseded.
	DraftDeliveryLive DraftDelivery = "LIVE"
)

// ErrorReason is the machine-readable reason of a failure, as ErrorInfo carries it. It may be one that is newer than
// this client.
type ErrorReason string

// Why a request failed. The type of the error groups them by what to do.
const (
	ErrorReasonUnspecified          ErrorReason = "UNSPECIFIED"
	ErrorReasonInvalidRequest       ErrorReason = "INVALID_REQUEST"
	ErrorReasonUnknownTier          ErrorReason = "UNKNOWN_TIER"
	ErrorReasonUnknownTaskType      ErrorReason = "UNKNOWN_TASK_TYPE"
	ErrorReasonContextTooLong       ErrorReason = "CONTEXT_TOO_LONG"
	ErrorReasonMissingCredentials   ErrorReason = "MISSING_CREDENTIALS"
	ErrorReasonInvalidCredentials   ErrorReason = "INVALID_CREDENTIALS"
	ErrorReasonTierNotAllowed       ErrorReason = "TIER_NOT_ALLOWED"
	ErrorReasonTaskTypeNotAllowed   ErrorReason = "TASK_TYPE_NOT_ALLOWED"
	ErrorReasonRateLimited          ErrorReason = "RATE_LIMITED"
	ErrorReasonBudgetExceeded       ErrorReason = "BUDGET_EXCEEDED"
	ErrorReasonUnpricedModel        ErrorReason = "UNPRICED_MODEL"
	ErrorReasonRequestInFlight      ErrorReason = "REQUEST_IN_FLIGHT"
	ErrorReasonRequestIDReused      ErrorReason = "REQUEST_ID_REUSED"
	ErrorReasonOverloaded           ErrorReason = "OVERLOADED"
	ErrorReasonShuttingDown         ErrorReason = "SHUTTING_DOWN"
	ErrorReasonLedgerUnavailable    ErrorReason = "LEDGER_UNAVAILABLE"
	ErrorReasonDeadlineExceeded     ErrorReason = "DEADLINE_EXCEEDED"
	ErrorReasonCancelled            ErrorReason = "CANCELLED"
	ErrorReasonClientTooSlow        ErrorReason = "CLIENT_TOO_SLOW"
	ErrorReasonUpstreamRateLimited  ErrorReason = "UPSTREAM_RATE_LIMITED"
	ErrorReasonUpstreamOverloaded   ErrorReason = "UPSTREAM_OVERLOADED"
	ErrorReasonUpstreamUnavailable  ErrorReason = "UPSTREAM_UNAVAILABLE"
	ErrorReasonUpstreamTimeout      ErrorReason = "UPSTREAM_TIMEOUT"
	ErrorReasonUpstreamInterrupted  ErrorReason = "UPSTREAM_INTERRUPTED"
	ErrorReasonUpstreamProtocol     ErrorReason = "UPSTREAM_PROTOCOL"
	ErrorReasonUpstreamAuth         ErrorReason = "UPSTREAM_AUTH"
	ErrorReasonUpstreamModelMissing ErrorReason = "UPSTREAM_MODEL_MISSING"
	ErrorReasonUpstreamRejected     ErrorReason = "UPSTREAM_REJECTED"
	ErrorReasonUpstreamSpendLimit   ErrorReason = "UPSTREAM_SPEND_LIMIT"
	ErrorReasonInternal             ErrorReason = "INTERNAL"
	ErrorReasonUnimplemented        ErrorReason = "UNIMPLEMENTED"
)

const unspecified = "UNSPECIFIED"

// word returns the word that a number on the wire stands for.
func word[Word ~string](value protoreflect.Enum) Word {
	words := value.Descriptor().Values()
	known := words.ByNumber(value.Number())
	if known == nil {
		return unspecified
	}
	prefix := strings.TrimSuffix(string(words.ByNumber(0).Name()), unspecified)
	return Word(strings.TrimPrefix(string(known.Name()), prefix))
}
