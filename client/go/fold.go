package tierwise

import (
	"strings"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// A fold is what has been received of one stream. Pure: no I/O, no clock.
//
// It enforces what the contract promises of a stream (proto/tierwise/v1/router.proto), so that an answer is whole or is
// not an answer: started first, sequence without gaps, text only of open attempts, finished last and always.
type fold struct {
	// The stream was asked for with HELD: text that is sent is never withdrawn.
	held         bool
	nextSequence int64
	started      *Started
	// The text of every attempt that was started and is not void.
	texts   map[int]*strings.Builder
	summary *GenerationSummary
}

func newFold(held bool) *fold {
	return &fold{held: held, texts: map[int]*strings.Builder{}}
}

// push takes the next message and returns its event, or nil for a kind that is newer than this client.
func (f *fold) push(message *tierwisev1.GenerateResponse) (Event, error) {
	if f.summary != nil {
		return nil, protocolError("the stream went on after its finished event")
	}
	if message.GetSequence() != f.nextSequence {
		return nil, protocolError(
			"event %d is missing: event %d came instead", f.nextSequence, message.GetSequence())
	}
	f.nextSequence++
	event := eventFrom(message)
	if _, isStarted := event.(Started); isStarted != (message.GetSequence() == 0) {
		return nil, protocolError("the started event must come first, and once")
	}
	return event, f.take(event)
}

func (f *fold) take(event Event) error {
	switch event := event.(type) {
	case TextDelta:
		text, err := f.open(event.Attempt)
		if err != nil {
			return err
		}
		text.WriteString(event.Text)
	case Started:
		f.started = &event
	case AttemptStarted:
		return f.start(event.Attempt)
	case AttemptSuperseded:
		return f.void(event.Attempt)
	case Finished:
		f.summary = &event.Summary
	}
	return nil
}

func (f *fold) start(attempt int) error {
	if _, ok := f.texts[attempt]; ok {
		return protocolError("attempt %d was started twice", attempt)
	}
	f.texts[attempt] = &strings.Builder{}
	return nil
}

func (f *fold) open(attempt int) (*strings.Builder, error) {
	text, ok := f.texts[attempt]
	if !ok {
		return nil, protocolError("an event names attempt %d, which was not started or is void", attempt)
	}
	return text, nil
}

func (f *fold) void(attempt int) error {
	text, err := f.open(attempt)
	if err != nil {
		return err
	}
	if f.held && text.Len() > 0 {
		return protocolError("the text of attempt %d was withdrawn after it was sent", attempt)
	}
	delete(f.texts, attempt)
	return nil
}

// answer returns the whole answer, at the end of the stream.
func (f *fold) answer() (*Answer, error) {
	if f.started == nil || f.summary == nil {
		return nil, protocolError("the stream ended well but without its finished event")
	}
	final := f.summary.FinalAttempt
	text, ok := f.texts[final]
	if !ok {
		return nil, protocolError("the final attempt, %d, was never started or is void", final)
	}
	for attempt, other := range f.texts {
		if f.held && attempt != final && other.Len() > 0 {
			return nil, protocolError("text came of an attempt that is not the answer")
		}
	}
	return &Answer{GenerationSummary: *f.summary, Text: text.String(), Decision: f.started.Decision}, nil
}

// noteProgress writes on the failure how far the stream had come.
func (f *fold) noteProgress(failure *TierwiseError) {
	newest := 0
	for attempt := range f.texts {
		newest = max(newest, attempt)
	}
	if text, ok := f.texts[newest]; ok {
		failure.PartialText = text.String()
	}
	if f.started != nil {
		failure.Started = true
		if failure.RequestID == "" {
			failure.RequestID = f.started.RequestID
		}
	}
}
