package tierwise

import (
	"fmt"
	"strings"
	"time"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// Money is a whole number of nano-USD: 1 USD is 1,000,000,000. In JSON every value has the contract's field names.

// Usage counts the tokens of one call, or of many added up.
type Usage struct {
	// All input tokens: uncached, read from and written to the provider's prompt cache.
	InputTokens        int64 `json:"input_tokens"`
	CacheReadTokens    int64 `json:"cache_read_tokens"`
	CacheWriteTokens   int64 `json:"cache_write_tokens"`
	CacheWrite1hTokens int64 `json:"cache_write_1h_tokens"`
	// All output tokens, thinking included.
	OutputTokens int64 `json:"output_tokens"`
	// Of the output tokens, those spent on thinking.
	ReasoningTokens int64 `json:"reasoning_tokens"`
}

// Cost is money in nano-USD. The four parts add up to the total exactly.
type Cost struct {
	TotalNanoUSD      int64 `json:"total_nano_usd"`
	InputNanoUSD      int64 `json:"input_nano_usd"`
	CacheReadNanoUSD  int64 `json:"cache_read_nano_usd"`
	CacheWriteNanoUSD int64 `json:"cache_write_nano_usd"`
	// Output, thinking included.
	OutputNanoUSD    int64  `json:"output_nano_usd"`
	PriceBookVersion string `json:"price_book_version"`
}

// USD returns the whole cost in USD, exactly, e.g. "0.00011".
func (c Cost) USD() string { return formatUSD(c.TotalNanoUSD) }

// CallRecord is one paid or attempted call to a model: an attempt or a check.
type CallRecord struct {
	// The attempt it belongs to, from 1; a check carries the number of the draft it checked.
	Attempt int        `json:"attempt"`
	Kind    CallKind   `json:"kind"`
	Status  CallStatus `json:"status"`
	Tier    string     `json:"tier"`
	Model   string     `json:"model"`
	// Nil when nothing was billed.
	Usage *Usage `json:"usage"`
	// Nil when nothing was billed, or when the model has no price.
	Cost *Cost `json:"cost"`
	// The provider reported no final usage, so tokens are counted from what was seen.
	UsageEstimated bool `json:"usage_estimated"`
	// This attempt's text is void.
	Superseded bool `json:"superseded"`
	// Why the model stopped, when Status is completed.
	FinishReason FinishReason `json:"finish_reason"`
	// Why it failed, when Status is failed.
	FailureReason ErrorReason `json:"failure_reason"`
	// How often the provider was asked: 1 means no retry, 0 that it was down or had no place.
	Tries int `json:"tries"`
	// The provider's own id of the response; may be empty.
	ResponseID string `json:"response_id"`
	// From the first try until the end of the call.
	Duration time.Duration `json:"duration_ns"`
}

// Counterfactual says what the request would have cost at one tier alone. An estimate.
type Counterfactual struct {
	Tier  string `json:"tier"`
	Model string `json:"model"`
	// Nil when the model has no price.
	CostNanoUSD *int64 `json:"cost_nano_usd"`
	// Where its token counts come from.
	Basis CounterfactualBasis `json:"basis"`
}

// USD returns the estimate in USD, exactly; "" when the model has no price.
func (c Counterfactual) USD() string { return formatOptionalUSD(c.CostNanoUSD) }

// RouteDecision says which tier a task gets, and why. The same table version and request always give the same one.
type RouteDecision struct {
	// The tier that is asked first.
	Tier string `json:"tier"`
	// The model that fills it.
	Model string `json:"model"`
	// The tiers the task may climb, in order, starting with Tier; one: nothing escalates.
	Cascade []string `json:"cascade"`
	// The rule that chose the row.
	Rule RoutingRule `json:"rule"`
	// What changed the row afterwards, in the order applied.
	Adjustments []RoutingAdjustment `json:"adjustments"`
	// One English sentence for people; its wording is not part of the contract.
	Why string `json:"why"`
	// How confidence is measured; empty when nothing is checked.
	ConfidenceMethod string `json:"confidence_method"`
	// The confidence, from 0 to 1, that accepts a draft; nil when nothing is checked.
	ConfidenceThreshold *float64 `json:"confidence_threshold"`
	// Identifies the content of the routing table.
	TableVersion string `json:"table_version"`
	// The task type that was looked up.
	TaskType string `json:"task_type"`
}

// TierEstimate says what a request would cost at one tier, estimated from its length before any call.
type TierEstimate struct {
	Tier                 string `json:"tier"`
	Model                string `json:"model"`
	EstimatedInputTokens int64  `json:"estimated_input_tokens"`
	// Measured for the task type where the table has it, else configured.
	AssumedOutputTokens int64 `json:"assumed_output_tokens"`
	// Nil when the model has no price.
	EstimatedCostNanoUSD *int64 `json:"estimated_cost_nano_usd"`
	// The same input with all allowed output; nil when the model has no price.
	MaxCostNanoUSD *int64 `json:"max_cost_nano_usd"`
	// Whether the model can hold input and requested output.
	FitsContext      bool   `json:"fits_context"`
	PriceBookVersion string `json:"price_book_version"`
}

// USD returns the estimated cost in USD, exactly; "" when the model has no price.
func (e TierEstimate) USD() string { return formatOptionalUSD(e.EstimatedCostNanoUSD) }

// Evidence is the measurement behind a row of the routing table.
type Evidence struct {
	// How many tasks of this type were measured.
	SampleSize int `json:"sample_size"`
	// Mean quality of the row's policy, from 0 to 1, and the ends of its interval.
	Quality     float64 `json:"quality"`
	QualityLow  float64 `json:"quality_low"`
	QualityHigh float64 `json:"quality_high"`
	// Mean cost of a task, checks and discarded drafts included.
	MeanCostNanoUSD int64 `json:"mean_cost_nano_usd"`
	// "check", "human", or a judge model with its prompt version.
	Judge            string `json:"judge"`
	DatasetHash      string `json:"dataset_hash"`
	PriceBookVersion string `json:"price_book_version"`
	// When it was measured; zero when the server did not say.
	MeasureTime time.Time `json:"measure_time"`
	// When it stops counting; zero when it does not.
	ExpireTime time.Time `json:"expire_time"`
	// The share of tasks that the row is expected to send up; nil when it was not measured.
	EscalationRate *float64 `json:"escalation_rate"`
	// The most that the row was allowed to lose in quality against the strongest tier, and how sure one was to be
	// that it loses no more; nil when nothing was asked.
	Tolerance  *float64 `json:"tolerance"`
	Confidence *float64 `json:"confidence"`
	// What it loses at most at that confidence, negative for a gain; nil when nothing could be certified.
	LossBound *float64 `json:"loss_bound"`
}

// RouteResult is the decision about a task, which cost nothing.
type RouteResult struct {
	// Which tier, and why.
	Decision RouteDecision `json:"decision"`
	// What the task would cost at every tier, in configured order.
	Tiers []TierEstimate `json:"tiers"`
	// The measurement behind the row; nil when it was not measured.
	Evidence *Evidence `json:"evidence"`

	proto *tierwisev1.RouteResponse
}

// Proto returns the message that the result was read from. It is not a copy.
func (r *RouteResult) Proto() *tierwisev1.RouteResponse { return r.proto }

// GenerationSummary is everything a request did and cost, with an answer or (on an error) without.
type GenerationSummary struct {
	// The attempt whose text is the answer, from 1; 0 when there is no answer.
	FinalAttempt int `json:"final_attempt"`
	// Its tier and model, and why the model stopped.
	Tier         string       `json:"tier"`
	Model        string       `json:"model"`
	FinishReason FinishReason `json:"finish_reason"`
	// The provider's own word for it, when FinishReason is other.
	RawFinishReason string `json:"raw_finish_reason"`
	// More than one attempt was made.
	Escalated bool `json:"escalated"`
	// On what ground the answer was accepted.
	Acceptance Acceptance `json:"acceptance"`
	// Of the last check, from 0 to 1; nil when none was readable.
	Confidence *float64 `json:"confidence"`
	// All calls' tokens added up.
	Usage Usage `json:"usage"`
	// All calls' costs added up; nil when the model of any billed call has no price.
	Cost *Cost `json:"cost"`
	// Every attempt and every check, each once, in the order started; none in an error that they would not fit into,
	// whose totals still hold.
	Calls []CallRecord `json:"calls"`
	// What the answer would have cost at each tier alone.
	Counterfactuals []Counterfactual `json:"counterfactuals"`
	// The routing table that decided.
	TableVersion string `json:"table_version"`
	// From the start of the request to the first text sent; nil without text.
	TimeToFirstText *time.Duration `json:"time_to_first_text_ns"`
	// From the start of the request to its end.
	Duration  time.Duration `json:"duration_ns"`
	RequestID string        `json:"request_id"`

	proto *tierwisev1.GenerationSummary
}

// Proto returns the message that the summary was read from. It is not a copy.
func (s *GenerationSummary) Proto() *tierwisev1.GenerationSummary { return s.proto }

// Answer is the whole answer: its text, the decision that led to it, and everything it did and cost.
type Answer struct {
	GenerationSummary
	// The final attempt's text, whole unless FinishReason says that it is cut; may be empty.
	Text string `json:"text"`
	// Which tier was to be asked first, and why.
	Decision RouteDecision `json:"decision"`
}

const nanosPerUSD = 1_000_000_000

// formatUSD returns nano-USD as USD, without a binary fraction in between.
func formatUSD(nanoUSD int64) string {
	sign, amount := "", uint64(nanoUSD)
	if nanoUSD < 0 {
		sign, amount = "-", -amount
	}
	fraction := strings.TrimRight(fmt.Sprintf("%09d", amount%nanosPerUSD), "0")
	text := fmt.Sprintf("%s%d.%s", sign, amount/nanosPerUSD, fraction)
	return strings.TrimSuffix(text, ".")
}

func formatOptionalUSD(nanoUSD *int64) string {
	if nanoUSD == nil {
		return ""
	}
	return formatUSD(*nanoUSD)
}
