package tierwise

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

func TestOptionsOfARequestAreItsFields(t *testing.T) {
	got, err := generateRequest(
		Prompt{User("What is 2 + 2?"), Assistant("4"), User("Times 3?")},
		[]StreamOption{
			WithTaskType("sums"), WithSystem("Answer with a number."), WithTier("frontier"), WithMaxTier("reasoning"),
			WithEscalation(false), WithConfidenceThreshold(0), WithMaxCostUSD("0.0000000019"), WithMaxOutputTokens(5),
			WithTemperature(0), WithTopP(1), WithStopSequences("a", "b"), WithRequestID("r1"),
			WithLabels(map[string]string{"team": "search"}), WithDraftDelivery(DraftDeliveryLive),
		})
	if err != nil {
		t.Fatal(err)
	}
	want := &tierwisev1.GenerateRequest{
		RequestId: "r1",
		TaskType:  "sums",
		System:    "Answer with a number.",
		Messages:  []*Message{User("What is 2 + 2?"), Assistant("4"), User("Times 3?")},
		Routing: &tierwisev1.RoutingOptions{
			Tier: "frontier", MaxTier: "reasoning", Escalation: proto.Bool(false),
			ConfidenceThreshold: proto.Float64(0), MaxCostNanoUsd: proto.Int64(1),
		},
		Generation: &tierwisev1.GenerationOptions{
			MaxOutputTokens: proto.Int32(5), Temperature: proto.Float64(0), TopP: proto.Float64(1),
			StopSequences: []string{"a", "b"},
		},
		DraftDelivery: tierwisev1.DraftDelivery_DRAFT_DELIVERY_LIVE,
		Labels:        map[string]string{"team": "search"},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestOptionThatIsNotGivenIsAbsent(t *testing.T) {
	got, err := routeRequest(Text(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	if proto.Size(got.GetRouting())+proto.Size(got.GetGeneration())+len(got.GetMessages()) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestArgumentsThatCannotBeSentAreRefused(t *testing.T) {
	raw := &Message{Content: User("\xff").GetContent()}
	for name, c := range map[string]struct {
		prompt Prompt
		option StreamOption
	}{
		"a message of nothing":     {Prompt{nil}, WithSystem("")},
		"a text that is none":      {Text("\xff"), WithSystem("")},
		"a raw text that is none":  {Prompt{raw}, WithSystem("")},
		"an option that is none":   {nil, WithTaskType("\xff")},
		"a label that is none":     {nil, WithLabels(map[string]string{"\xff": ""})},
		"a delivery from nowhere":  {nil, WithDraftDelivery("SOON")},
		"a cap that is no number":  {nil, WithMaxCostUSD("a lot")},
		"a cap as a fraction":      {nil, WithMaxCostUSD("1/3")},
		"a cap beyond all money":   {nil, WithMaxCostUSD("10000000000")},
		"a cap with an exponent":   {nil, WithMaxCostUSD("1e999999999")},
		"a cap that is not there":  {nil, WithMaxCostUSD("")},
		"a cap in another writing": {nil, WithMaxCostUSD("0x10")},
	} {
		if got, err := generateRequest(c.prompt, []StreamOption{c.option}); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	_, err := routeRequest(nil, []RouteOption{WithMaxCostUSD("1"), WithMaxCostNanoUSD(1)})
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("two caps: got %v", err)
	}
}

func TestMoneyIsExact(t *testing.T) {
	for nanoUSD, want := range map[int64]string{
		0: "0", 1: "0.000000001", 110_000: "0.00011", 1_500_000_000: "1.5", -20: "-0.00000002",
		9_223_372_036_854_775_807: "9223372036.854775807", -9_223_372_036_854_775_808: "-9223372036.854775808",
	} {
		if got := (Cost{TotalNanoUSD: nanoUSD}).USD(); got != want {
			t.Errorf("%d nano-USD: got %s, want %s", nanoUSD, got, want)
		}
		if back, err := parseUSD(want); err != nil || back != nanoUSD {
			t.Errorf("%s USD: got %d, %v", want, back, err)
		}
	}
	if got := (Counterfactual{}).USD(); got != "" {
		t.Errorf("a cost that is not known is %q", got)
	}
	if got, _ := parseUSD("-0.0000000011"); got != -2 {
		t.Errorf("a cap was rounded up to %d", got)
	}
}
