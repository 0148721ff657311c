package tierwise_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"tierwise.dev/client"
	"tierwise.dev/client/tierwisetest"
	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// connected returns a fake server and a client of it.
func connected(t *testing.T, options ...tierwise.ClientOption) (*tierwisetest.FakeServer, *tierwise.Client) {
	t.Helper()
	server, err := tierwisetest.NewFakeServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := tierwise.New(server.Endpoint(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return server, client
}

func ptr[Value any](value Value) *Value { return &value }

func TestRouteGivesTheDecision(t *testing.T) {
	server, client := connected(t)
	server.Reply(tierwisetest.Routed("frontier"))
	result, err := client.Route(t.Context(), nil, tierwise.WithTaskType("answer_faq"))
	if err != nil {
		t.Fatal(err)
	}
	if result.Decision.Tier != "frontier" || result.Decision.Rule != tierwise.RoutingRuleTaskType ||
		result.Tiers[0].USD() != "0.00011" || result.Evidence != nil || result.Tiers[0].MaxCostNanoUSD != nil {
		t.Errorf("got %+v", result)
	}
	if result.Proto().GetDecision().GetWhy() != result.Decision.Why {
		t.Error("the message is not within reach")
	}
	if asked := server.Calls()[0].Route; asked.GetTaskType() != "answer_faq" || len(asked.GetMessages()) != 0 {
		t.Errorf("asked %v", asked)
	}
}

func TestGenerateGivesTheWholeAnswer(t *testing.T) {
	server, client := connected(t)
	server.Play(tierwisetest.Escalated("Perhaps.", "Certainly.", false)...)
	answer, err := client.Generate(t.Context(), tierwise.Text("Is it?"))
	if err != nil {
		t.Fatal(err)
	}
	if answer.Text != "Certainly." || answer.Tier != "frontier" || !answer.Escalated || *answer.Confidence != 0.4 ||
		answer.Cost.USD() != "0.00053" || len(answer.Calls) != 3 || len(answer.Decision.Cascade) != 2 ||
		*answer.TimeToFirstText != 50*time.Millisecond || answer.Counterfactuals[0].USD() != "0.00045" {
		t.Errorf("got %+v", answer)
	}
	asked := server.Calls()[0].Generate
	if asked.GetDraftDelivery() != tierwisev1.DraftDelivery_DRAFT_DELIVERY_HELD ||
		asked.GetMessages()[0].GetContent()[0].GetText().GetText() != "Is it?" {
		t.Errorf("asked %v", asked)
	}
}

func TestAnswerWithoutACostHasNone(t *testing.T) {
	server, client := connected(t)
	server.Play(
		tierwisetest.Event(&tierwisev1.Started{}),
		tierwisetest.Event(&tierwisev1.AttemptStarted{Attempt: 1}),
		tierwisetest.Event(&tierwisev1.Finished{Summary: &tierwisev1.GenerationSummary{FinalAttempt: 1}}),
	)
	answer, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	if err != nil || answer.Cost != nil || answer.Confidence != nil || answer.TimeToFirstText != nil {
		t.Errorf("got %+v, %v", answer, err)
	}
}

func TestKeyMetadataAndUserAgentAreSent(t *testing.T) {
	server, client := connected(t,
		tierwise.WithAPIKey("tw-1"), tierwise.WithMetadata(map[string]string{"x-team": "search"}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-mine", "1")
	if _, err := client.Generate(ctx, tierwise.Text("Hi")); err != nil {
		t.Fatal(err)
	}
	sent := server.Calls()[0].Metadata
	for name, want := range map[string]string{"authorization": "Bearer tw-1", "x-team": "search", "x-mine": "1"} {
		if got := sent.Get(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if agent := sent.Get("user-agent")[0]; !strings.HasPrefix(agent, "tierwise-go/"+tierwise.Version+" grpc-go/") {
		t.Errorf("the user agent is %q", agent)
	}
}

func TestDeadlineIsTheContextsElseTheClients(t *testing.T) {
	for name, c := range map[string]struct {
		client  time.Duration
		context time.Duration
		least   time.Duration
		most    time.Duration
	}{
		"the default":                 {tierwise.DefaultTimeout, 0, 590 * time.Second, 600 * time.Second},
		"the client's":                {time.Minute, 0, 50 * time.Second, time.Minute},
		"the context's, though later": {time.Minute, time.Hour, 59 * time.Minute, time.Hour},
		"none":                        {tierwise.NoTimeout, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := connected(t, tierwise.WithTimeout(c.client))
			ctx := t.Context()
			if c.context > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.context)
				defer cancel()
			}
			if _, err := client.Generate(ctx, tierwise.Text("Hi")); err != nil {
				t.Fatal(err)
			}
			if got := server.Calls()[0].Timeout; got < c.least || got > c.most {
				t.Errorf("the server has %v", got)
			}
		})
	}
}

func TestDeadlineThatPassesSaysHowFarItCame(t *testing.T) {
	server, client := connected(t, tierwise.WithTimeout(time.Second))
	server.Play(append(tierwisetest.Answered("Hello")[:3], tierwisetest.Hold(nil))...)
	_, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	var passed *tierwise.DeadlineExceededError
	if !errors.As(err, &passed) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if !passed.Started || passed.PartialText != "Hell" || passed.RequestID != "request-1" || passed.Summary != nil {
		t.Errorf("got %+v", passed.TierwiseError)
	}
	if !server.Calls()[0].Left() {
		t.Error("the server was not told")
	}
}

func TestFailureBeforeStartedIsAskedAgain(t *testing.T) {
	server, client := connected(t)
	for range 2 {
		server.Play(tierwisetest.Failure{Reason: "OVERLOADED", PushbackMS: ptr(1)})
	}
	// More than gRPC's own retry buffer holds.
	prompt := strings.Repeat("All work and no play. ", 1<<15)
	answer, err := client.Generate(t.Context(), tierwise.Text(prompt))
	if err != nil || answer.Text == "" || len(server.Calls()) != 3 {
		t.Errorf("got %v, %v after %d calls", answer, err, len(server.Calls()))
	}
}

func TestFailureIsAskedAgainTwiceAtMost(t *testing.T) {
	server, client := connected(t)
	for range 4 {
		server.Play(tierwisetest.Failure{Reason: "OVERLOADED", PushbackMS: ptr(1)})
	}
	_, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	var unavailable *tierwise.UnavailableError
	if !errors.As(err, &unavailable) || unavailable.Started || len(server.Calls()) != 3 {
		t.Errorf("got %v after %d calls", err, len(server.Calls()))
	}
}

func TestFailureAfterStartedIsNotAskedAgain(t *testing.T) {
	server, client := connected(t)
	spent := &tierwisev1.GenerationSummary{Cost: &tierwisev1.Cost{TotalNanoUsd: 7}}
	broken := tierwisetest.Failure{Reason: "UPSTREAM_INTERRUPTED", Summary: spent, PushbackMS: ptr(1)}
	server.Play(append(tierwisetest.Answered("Hello")[:3], broken)...)
	_, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	var upstream *tierwise.UpstreamError
	if !errors.As(err, &upstream) || len(server.Calls()) != 1 {
		t.Fatalf("got %v after %d calls", err, len(server.Calls()))
	}
	if !upstream.Started || upstream.PartialText != "Hell" || upstream.Summary.Cost.TotalNanoUSD != 7 {
		t.Errorf("got %+v", upstream.TierwiseError)
	}
}

func TestOtherFailuresAreNotAskedAgain(t *testing.T) {
	server, client := connected(t)
	after := 2 * time.Second
	server.Play(tierwisetest.Failure{Reason: "RATE_LIMITED", RetryAfter: &after})
	_, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	var limited *tierwise.RateLimitedError
	if !errors.As(err, &limited) || *limited.RetryAfter != after || len(server.Calls()) != 1 {
		t.Errorf("got %v after %d calls", err, len(server.Calls()))
	}
}

func TestRouteFailsWithATypedError(t *testing.T) {
	server, client := connected(t)
	server.Reply(tierwisetest.Failure{Reason: "UNKNOWN_TIER", Fields: map[string]string{"routing.tier": "no such tier"}})
	_, err := client.Route(t.Context(), nil)
	var invalid *tierwise.InvalidRequestError
	if !errors.As(err, &invalid) || invalid.FieldViolations[0].Field != "routing.tier" {
		t.Errorf("got %v", err)
	}
}

func TestNobodyListeningIsUnavailable(t *testing.T) {
	server, client := connected(t)
	server.Close()
	_, err := client.Route(t.Context(), nil)
	var unavailable *tierwise.UnavailableError
	if !errors.As(err, &unavailable) || unavailable.Reason != "" || unavailable.Status != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestClosedClientCancelsWhatRuns(t *testing.T) {
	server, client := connected(t)
	server.Play(append(tierwisetest.Answered("Hello")[:3], tierwisetest.Hold(nil))...)
	stream, err := client.Stream(t.Context(), tierwise.Text("Hi"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for _, err := range stream.Text() {
		if err != nil {
			var cancelled *tierwise.RequestCancelledError
			if !errors.As(err, &cancelled) {
				t.Errorf("got %v", err)
			}
			break
		}
		_ = client.Close()
	}
	if !server.Calls()[0].Left() {
		t.Error("the server was not told")
	}
	if err := client.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
