package tierwise

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"unicode/utf8"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// The ranges of values are the server's to judge: this side refuses only what cannot be put into a message.

// A StreamOption is a wish about one streamed call. What is not given is the server's to decide.
type StreamOption interface{ apply(*wishes) }

// A GenerateOption is a wish about one call that runs a task; it is a StreamOption too.
type GenerateOption interface {
	StreamOption
	forGenerate()
}

// A RouteOption is a wish about one call of any kind; it is a GenerateOption and a StreamOption too.
type RouteOption interface {
	GenerateOption
	forRoute()
}

// wishes are what the options of one call amount to.
type wishes struct {
	taskType   string
	system     string
	requestID  string
	labels     map[string]string
	delivery   DraftDelivery
	routing    *tierwisev1.RoutingOptions
	generation *tierwisev1.GenerationOptions
	fault      error
}

type (
	routeOption    func(*wishes)
	generateOption func(*wishes)
	streamOption   func(*wishes)
)

func (o routeOption) apply(w *wishes)    { o(w) }
func (o routeOption) forGenerate()       {}
func (o routeOption) forRoute()          {}
func (o generateOption) apply(w *wishes) { o(w) }
func (o generateOption) forGenerate()    {}
func (o streamOption) apply(w *wishes)   { o(w) }

// WithTaskType says what kind of task it is, e.g. "classify_intent"; the routing table gives it meaning.
func WithTaskType(taskType string) RouteOption {
	return routeOption(func(w *wishes) { w.taskType = taskType })
}

// WithSystem gives the system prompt.
func WithSystem(system string) RouteOption {
	return routeOption(func(w *wishes) { w.system = system })
}

// WithTier pins the tier; nothing escalates unless WithEscalation(true) is given as well.
func WithTier(tier string) RouteOption {
	return routeOption(func(w *wishes) { w.routing.Tier = tier })
}

// WithMaxTier names the strongest tier that may be used, now or by escalation.
func WithMaxTier(tier string) RouteOption {
	return routeOption(func(w *wishes) { w.routing.MaxTier = tier })
}

// WithEscalation says whether a cheaper tier may draft first; false never checks and never escalates.
func WithEscalation(escalation bool) RouteOption {
	return routeOption(func(w *wishes) { w.routing.Escalation = &escalation })
}

// WithConfidenceThreshold sets the confidence, from 0 to 1, below which a draft is not accepted: "8 out of 10" is 0.8.
func WithConfidenceThreshold(threshold float64) RouteOption {
	return routeOption(func(w *wishes) { w.routing.ConfidenceThreshold = &threshold })
}

// WithMaxCostNanoUSD caps what the request may cost, every check and discarded draft included.
func WithMaxCostNanoUSD(nanoUSD int64) RouteOption {
	return routeOption(func(w *wishes) { w.capCost(nanoUSD, nil) })
}

// WithMaxCostUSD caps what the request may cost, in USD as a decimal such as "0.05", rounded down to nano-USD.
func WithMaxCostUSD(usd string) RouteOption {
	return routeOption(func(w *wishes) { w.capCost(parseUSD(usd)) })
}

// WithMaxOutputTokens limits the output tokens of each answer call, thinking included.
func WithMaxOutputTokens(tokens int32) RouteOption {
	return routeOption(func(w *wishes) { w.generation.MaxOutputTokens = &tokens })
}

// WithTemperature sets the sampling temperature, from 0 to 1; left out for models that reject it.
func WithTemperature(temperature float64) RouteOption {
	return routeOption(func(w *wishes) { w.generation.Temperature = &temperature })
}

// WithTopP sets the nucleus sampling mass, from 0 to 1; left out for models that reject it.
func WithTopP(topP float64) RouteOption {
	return routeOption(func(w *wishes) { w.generation.TopP = &topP })
}

// WithStopSequences gives texts that end the answer when the model writes them.
func WithStopSequences(sequences ...string) RouteOption {
	return routeOption(func(w *wishes) { w.generation.StopSequences = slices.Clone(sequences) })
}

// WithRequestID gives the caller's own id of the request, printable ASCII, at most 128 characters.
func WithRequestID(id string) GenerateOption {
	return generateOption(func(w *wishes) { w.requestID = id })
}

// WithLabels gives up to 16 labels for accounting; they are never sent to a model.
func WithLabels(labels map[string]string) GenerateOption {
	return generateOption(func(w *wishes) { w.labels = labels })
}

// WithDraftDelivery says whether a draft's text is sent before it is accepted; [DraftDeliveryHeld] is the default.
func WithDraftDelivery(delivery DraftDelivery) StreamOption {
	return streamOption(func(w *wishes) { w.delivery = delivery })
}

func (w *wishes) capCost(nanoUSD int64, fault error) {
	if w.routing.MaxCostNanoUsd != nil {
		fault = errors.New("tierwise: the cost cap is given twice")
	}
	w.routing.MaxCostNanoUsd = &nanoUSD
	w.fault = errors.Join(w.fault, fault)
}

// Without fractions, exponents and other bases, which big.Rat would read as well.
var decimal = regexp.MustCompile(`^-?[0-9]{1,20}(\.[0-9]{1,40})?$`)

// parseUSD returns whole nano-USD, rounded down: a cap never grows by rounding.
func parseUSD(usd string) (int64, error) {
	if !decimal.MatchString(usd) {
		return 0, fmt.Errorf("tierwise: a cost cap is an amount of USD such as 0.05, not %q", usd)
	}
	amount, _ := new(big.Rat).SetString(usd)
	amount.Mul(amount, big.NewRat(nanosPerUSD, 1))
	// Euclidean division by a positive number rounds down.
	floor := new(big.Int).Div(amount.Num(), amount.Denom())
	if !floor.IsInt64() {
		return 0, fmt.Errorf("tierwise: a cost cap of %s USD is more than there is", usd)
	}
	return floor.Int64(), nil
}

func wishesOf[Option StreamOption](prompt Prompt, options []Option) (*wishes, error) {
	w := &wishes{
		delivery:   DraftDeliveryHeld,
		routing:    &tierwisev1.RoutingOptions{},
		generation: &tierwisev1.GenerationOptions{},
	}
	for _, option := range options {
		option.apply(w)
	}
	return w, errors.Join(w.fault, prompt.check(), w.checkText())
}

// checkText refuses what is no text: protobuf would refuse it too, but as a fault of the server.
func (w *wishes) checkText() error {
	texts := []string{w.taskType, w.system, w.requestID, w.routing.Tier, w.routing.MaxTier}
	texts = append(texts, w.generation.StopSequences...)
	for key, value := range w.labels {
		texts = append(texts, key, value)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("tierwise: an option is not UTF-8: %q", text)
		}
	}
	return nil
}

func routeRequest(prompt Prompt, options []RouteOption) (*tierwisev1.RouteRequest, error) {
	w, err := wishesOf(prompt, options)
	return &tierwisev1.RouteRequest{
		TaskType:   w.taskType,
		System:     w.system,
		Messages:   prompt,
		Routing:    w.routing,
		Generation: w.generation,
	}, err
}

var deliveries = map[DraftDelivery]tierwisev1.DraftDelivery{
	DraftDeliveryHeld: tierwisev1.DraftDelivery_DRAFT_DELIVERY_HELD,
	DraftDeliveryLive: tierwisev1.DraftDelivery_DRAFT_DELIVERY_LIVE,
}

func generateRequest[Option StreamOption](prompt Prompt, options []Option) (*tierwisev1.GenerateRequest, error) {
	w, err := wishesOf(prompt, options)
	delivery, known := deliveries[w.delivery]
	if !known {
		err = errors.Join(err, fmt.Errorf("tierwise: draft delivery is HELD or LIVE, not %q", w.delivery))
	}
	return &tierwisev1.GenerateRequest{
		RequestId:     w.requestID,
		TaskType:      w.taskType,
		System:        w.system,
		Messages:      prompt,
		Routing:       w.routing,
		Generation:    w.generation,
		DraftDelivery: delivery,
		Labels:        w.labels,
	}, err
}
