package tierwise

import "time"

// Event is one of the things that happen while a task runs: [Started], [AttemptStarted], [TextDelta],
// [AttemptFinished], [ConfidenceChecked], [AttemptSuperseded], [Heartbeat] or [Finished].
//
// Started comes first; Finished comes last, if and only if there is an answer. An attempt's text lies between its
// AttemptStarted and whichever comes first of its AttemptSuperseded and Finished.
type Event interface{ event() }

// Started says that the task was routed and the first call is about to be made: from here on it may cost money.
type Started struct {
	RequestID string        `json:"request_id"`
	Decision  RouteDecision `json:"decision"`
	// When the server took up the request.
	StartTime time.Time `json:"start_time"`
}

// AttemptStarted says that a model is asked for an answer.
type AttemptStarted struct {
	// Numbers the attempts of a request from 1.
	Attempt int `json:"attempt"`
	// Direct or draft.
	Kind  CallKind `json:"kind"`
	Tier  string   `json:"tier"`
	Model string   `json:"model"`
	// Options of the request that this model does not take and that were left out.
	IgnoredOptions []string `json:"ignored_options"`
}

// TextDelta is a piece of text; append it to the attempt's text.
type TextDelta struct {
	Attempt int    `json:"attempt"`
	Text    string `json:"text"`
	// The attempt is a draft that is not accepted yet; only with [DraftDeliveryLive].
	Provisional bool `json:"provisional"`
}

// AttemptFinished says that a model finished an answer, or failed.
type AttemptFinished struct {
	Call CallRecord `json:"call"`
}

// ConfidenceChecked says that a draft was checked.
type ConfidenceChecked struct {
	// The draft that was checked.
	Attempt int `json:"attempt"`
	// How, e.g. "self_report".
	Method string `json:"method"`
	// From 0 to 1; nil when the check failed or its answer was unreadable.
	Confidence *float64 `json:"confidence"`
	// The model's own number from 1 to 10, when the method asks for one and it was readable.
	Score *int `json:"score"`
	// The confidence, from 0 to 1, that accepts a draft.
	Threshold float64      `json:"threshold"`
	Outcome   CheckOutcome `json:"outcome"`
	// The check's own call, with its tokens and cost.
	Call CallRecord `json:"call"`
}

// AttemptSuperseded says that an attempt's text is void: drop what was received of it.
type AttemptSuperseded struct {
	// The attempt that is void.
	Attempt int `json:"attempt"`
	// The attempt that replaces it.
	ReplacementAttempt int              `json:"replacement_attempt"`
	Reason             EscalationReason `json:"reason"`
}

// Heartbeat says that nothing happened for a while; the task is still running.
type Heartbeat struct{}

// Finished says that the task is done.
type Finished struct {
	Summary GenerationSummary `json:"summary"`
}

func (Started) event()           {}
func (AttemptStarted) event()    {}
func (TextDelta) event()         {}
func (AttemptFinished) event()   {}
func (ConfidenceChecked) event() {}
func (AttemptSuperseded) event() {}
func (Heartbeat) event()         {}
func (Finished) event()          {}
