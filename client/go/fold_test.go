package tierwise

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

type message = tierwisev1.GenerateResponse

func started() *message {
	return &message{Event: &tierwisev1.GenerateResponse_Started{Started: &tierwisev1.Started{RequestId: "r1"}}}
}

func attemptStarted(attempt int32) *message {
	event := &tierwisev1.AttemptStarted{Attempt: attempt}
	return &message{Event: &tierwisev1.GenerateResponse_AttemptStarted{AttemptStarted: event}}
}

func delta(attempt int32, text string) *message {
	event := &tierwisev1.TextDelta{Attempt: attempt, Text: text}
	return &message{Event: &tierwisev1.GenerateResponse_TextDelta{TextDelta: event}}
}

func superseded(attempt int32) *message {
	event := &tierwisev1.AttemptSuperseded{Attempt: attempt}
	return &message{Event: &tierwisev1.GenerateResponse_AttemptSuperseded{AttemptSuperseded: event}}
}

func finished(attempt int32) *message {
	event := &tierwisev1.Finished{Summary: &tierwisev1.GenerationSummary{FinalAttempt: attempt}}
	return &message{Event: &tierwisev1.GenerateResponse_Finished{Finished: event}}
}

// fromTheFuture returns an event of a kind that this client does not know.
func fromTheFuture() *message {
	unknown := protowire.AppendTag(nil, 1000, protowire.BytesType)
	unknown = protowire.AppendBytes(unknown, []byte{8, 1})
	event := &message{}
	event.ProtoReflect().SetUnknown(unknown)
	return event
}

func folded(held bool, messages ...*message) (*Answer, error) {
	state := newFold(held)
	for sequence, original := range messages {
		numbered := proto.CloneOf(original)
		numbered.Sequence += int64(sequence)
		if _, err := state.push(numbered); err != nil {
			return nil, err
		}
	}
	return state.answer()
}

func TestFoldGivesTheTextOfTheFinalAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		held     bool
		messages []*message
	}{
		"one attempt": {true, []*message{
			started(), attemptStarted(1), delta(1, "Hel"), delta(1, "lo"), finished(1)}},
		"a held draft that was superseded": {true, []*message{
			started(), attemptStarted(1), superseded(1), attemptStarted(2), delta(2, "Hello"), finished(2)}},
		"a live draft that was superseded": {false, []*message{
			started(), attemptStarted(1), delta(1, "No"), superseded(1), attemptStarted(2), delta(2, "Hello"),
			finished(2)}},
		"kinds from the future": {true, []*message{
			started(), fromTheFuture(), attemptStarted(1), fromTheFuture(), delta(1, "Hello"), finished(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := folded(c.held, c.messages...)
			if err != nil || answer.Text != "Hello" {
				t.Errorf("got %v, %v", answer, err)
			}
		})
	}
}

func TestFoldRefusesWhatBreaksTheContract(t *testing.T) {
	gap := delta(1, "x")
	gap.Sequence = 1
	for name, c := range map[string]struct {
		held     bool
		messages []*message
		want     string
	}{
		"nothing":                      {true, nil, "without its finished event"},
		"no started":                   {true, []*message{attemptStarted(1)}, "must come first"},
		"a kind from the future":       {true, []*message{fromTheFuture()}, "must come first"},
		"started twice":                {true, []*message{started(), started()}, "and once"},
		"a gap":                        {true, []*message{started(), attemptStarted(1), gap}, "event 2 is missing"},
		"no finished":                  {true, []*message{started(), attemptStarted(1)}, "without its finished event"},
		"more after finished":          {true, []*message{started(), attemptStarted(1), finished(1), delta(1, "x")}, "went on"},
		"text of no attempt":           {true, []*message{started(), delta(1, "x")}, "names attempt 1"},
		"text of a void attempt":       {false, []*message{started(), attemptStarted(1), superseded(1), delta(1, "x")}, "void"},
		"an attempt started twice":     {true, []*message{started(), attemptStarted(1), attemptStarted(1)}, "started twice"},
		"held text withdrawn":          {true, []*message{started(), attemptStarted(1), delta(1, "x"), superseded(1)}, "withdrawn"},
		"a final attempt that was not": {true, []*message{started(), attemptStarted(1), finished(2)}, "the final attempt, 2"},
		"text of two attempts": {true, []*message{
			started(), attemptStarted(1), delta(1, "x"), attemptStarted(2), delta(2, "y"), finished(2)},
			"not the answer"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := folded(c.held, c.messages...)
			var broken *ProtocolError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want a ProtocolError with %q", answer, err, c.want)
			}
		})
	}
}

func TestFoldNotesHowFarTheStreamHadCome(t *testing.T) {
	state := newFold(true)
	for sequence, message := range []*message{started(), attemptStarted(1), delta(1, "Hel")} {
		message.Sequence = int64(sequence)
		if _, err := state.push(message); err != nil {
			t.Fatal(err)
		}
	}
	failure := &TierwiseError{}
	state.noteProgress(failure)
	if !failure.Started || failure.PartialText != "Hel" || failure.RequestID != "r1" {
		t.Errorf("got %+v", failure)
	}
}
