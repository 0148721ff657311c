package tierwise_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"tierwise.dev/client"
	"tierwise.dev/client/tierwisetest"
	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

func streamed(t *testing.T, client *tierwise.Client, options ...tierwise.StreamOption) *tierwise.Stream {
	t.Helper()
	stream, err := client.Stream(t.Context(), tierwise.Text("Hi"), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	return stream
}

func kinds(t *testing.T, stream *tierwise.Stream) string {
	t.Helper()
	var names []string
	for event, err := range stream.Events() {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", event), "tierwise."))
	}
	return strings.Join(names, " ")
}

func TestTextJoinedIsTheAnswersText(t *testing.T) {
	server, client := connected(t)
	server.Play(tierwisetest.Escalated("Vielleicht.", "Größe 日本語 🙂", false)...)
	stream := streamed(t, client)
	var pieces []string
	for text, err := range stream.Text() {
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, text)
	}
	answer, err := stream.Answer()
	if err != nil || answer.Text != "Größe 日本語 🙂" || strings.Join(pieces, "") != answer.Text || len(pieces) < 2 {
		t.Errorf("got %q, %v", pieces, err)
	}
}

func TestEventsAreEverythingThatHappens(t *testing.T) {
	server, client := connected(t)
	server.Play(tierwisetest.Escalated("No.", "Yes.", true)...)
	stream := streamed(t, client, tierwise.WithDraftDelivery(tierwise.DraftDeliveryLive))
	want := "Started AttemptStarted TextDelta AttemptFinished ConfidenceChecked AttemptSuperseded AttemptStarted " +
		"TextDelta AttemptFinished Finished"
	if got := kinds(t, stream); got != want {
		t.Errorf("got %s", got)
	}
	if answer, err := stream.Answer(); err != nil || answer.Text != "Yes." {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestTextOverLiveIsRefused(t *testing.T) {
	_, client := connected(t)
	stream := streamed(t, client, tierwise.WithDraftDelivery(tierwise.DraftDeliveryLive))
	for text, err := range stream.Text() {
		if err == nil || !strings.Contains(err.Error(), "read Events") {
			t.Errorf("got %q, %v", text, err)
		}
	}
	if got := kinds(t, stream); !strings.HasSuffix(got, "Finished") {
		t.Errorf("it cannot be read on: %s", got)
	}
}

func TestEventsOfUnknownKindsAreSkipped(t *testing.T) {
	server, client := connected(t)
	future := &tierwisev1.GenerateResponse{Sequence: 1}
	future.ProtoReflect().SetUnknown(
		protowire.AppendBytes(protowire.AppendTag(nil, 1000, protowire.BytesType), []byte("soon")))
	story := tierwisetest.Answered("Yes.")
	server.Play(append(append(tierwisetest.Script{story[0]}, tierwisetest.Raw(future)), story[1:]...)...)
	stream := streamed(t, client)
	if got := kinds(t, stream); got != "Started AttemptStarted TextDelta AttemptFinished Finished" {
		t.Errorf("got %s", got)
	}
	if answer, err := stream.Answer(); err != nil || answer.Text != "Yes." {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestStreamCanBeReadOnAfterABreak(t *testing.T) {
	server, client := connected(t)
	server.Play(tierwisetest.Answered("Hello there")...)
	stream := streamed(t, client)
	first := ""
	for text := range stream.Text() {
		first = text
		break
	}
	rest := ""
	for text := range stream.Text() {
		rest += text
	}
	answer, err := stream.Answer()
	if err != nil || first != "Hell" || first+rest != answer.Text {
		t.Errorf("got %q, %q, %v", first, rest, err)
	}
	if again := kinds(t, stream); again != "" {
		t.Errorf("after the end came %s", again)
	}
}

func TestAnswerBeforeTheEndIsAnError(t *testing.T) {
	_, client := connected(t)
	if answer, err := streamed(t, client).Answer(); err == nil {
		t.Errorf("got %v", answer)
	}
}

func TestCancelledStreamStopsTheServersWork(t *testing.T) {
	server, client := connected(t)
	server.Play(append(tierwisetest.Answered("Hello")[:3], tierwisetest.Hold(nil))...)
	stream := streamed(t, client)
	var last error
	for event, err := range stream.Events() {
		if _, ok := event.(tierwise.TextDelta); ok {
			stream.Cancel()
		}
		last = err
	}
	var cancelled *tierwise.RequestCancelledError
	if !errors.As(last, &cancelled) || !errors.Is(last, context.Canceled) || cancelled.PartialText != "Hell" {
		t.Errorf("got %v", last)
	}
	if _, err := stream.Answer(); err != last {
		t.Errorf("the answer is %v", err)
	}
	if !server.Calls()[0].Left() {
		t.Error("the server was not told")
	}
}

func TestClosedStreamStopsTheServersWork(t *testing.T) {
	server, client := connected(t)
	server.Play(append(tierwisetest.Answered("Hello")[:3], tierwisetest.Hold(nil))...)
	stream := streamed(t, client)
	for range stream.Text() {
		break
	}
	stream.Close()
	stream.Close()
	if !server.Calls()[0].Left() {
		t.Error("the server was not told")
	}
}

func TestCancelAfterTheEndDoesNothing(t *testing.T) {
	_, client := connected(t)
	stream := streamed(t, client)
	kinds(t, stream)
	stream.Cancel()
	stream.Close()
	if answer, err := stream.Answer(); err != nil || answer.Text == "" {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestFinishedComesOnlyWithAGoodStatus(t *testing.T) {
	server, client := connected(t)
	server.Play(append(tierwisetest.Answered("Hello"), tierwisetest.Failure{Reason: "INTERNAL"})...)
	stream := streamed(t, client)
	var last error
	for event, err := range stream.Events() {
		if _, ok := event.(tierwise.Finished); ok && err == nil {
			t.Error("finished was handed out")
		}
		last = err
	}
	var fault *tierwise.ServerError
	if !errors.As(last, &fault) || fault.PartialText != "Hello" {
		t.Errorf("got %v", last)
	}
}

func TestStreamThatBreaksTheContractIsNoAnswer(t *testing.T) {
	server, client := connected(t)
	story := tierwisetest.Answered("Hello")
	server.Play(append(story[:len(story)-1], tierwisetest.Raw(&tierwisev1.GenerateResponse{Sequence: 99}),
		tierwisetest.Hold(nil))...)
	_, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	var broken *tierwise.ProtocolError
	if !errors.As(err, &broken) || !broken.Started || broken.PartialText != "Hello" {
		t.Errorf("got %v", err)
	}
	if !server.Calls()[0].Left() {
		t.Error("the call runs on")
	}
}

func TestAnswersOfManyMebibytesComeWhole(t *testing.T) {
	server, client := connected(t)
	long := strings.Repeat("🎉é日a", 1<<19)
	server.Play(
		tierwisetest.Event(&tierwisev1.Started{}),
		tierwisetest.Event(&tierwisev1.AttemptStarted{Attempt: 1}),
		tierwisetest.Event(&tierwisev1.TextDelta{Attempt: 1, Text: long}),
		tierwisetest.Event(&tierwisev1.Finished{Summary: &tierwisev1.GenerationSummary{FinalAttempt: 1}}),
	)
	answer, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	if err != nil || answer.Text != long {
		t.Errorf("got %d bytes of %d, %v", len(answer.Text), len(long), err)
	}
}
