package tierwise

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// Stream is one running task: its pieces while it runs, its whole answer at the end. Made by [Client.Stream]; close it
// with defer.
//
// Text and Events read the same stream: what one has taken the other does not see. One goroutine reads; Cancel and
// Close may be called beside it. After a break the stream can be read on until it is closed.
type Stream struct {
	call   grpc.ServerStreamingClient[tierwisev1.GenerateResponse]
	cancel context.CancelFunc
	span   *callSpan
	live   bool
	fold   *fold
	answer *Answer
	err    error
}

// Text yields the answer's text in pieces, as they come; joined they are exactly the answer's text. A draft's text
// comes when the draft is accepted, so the first piece may take two calls.
//
// An error comes last: there is no answer, and what came so far is in its PartialText. With [DraftDeliveryLive], where
// text may be withdrawn, there is nothing but an error: read Events.
func (s *Stream) Text() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s.live {
			yield("", errors.New("tierwise: with LIVE, text may be withdrawn: read Events instead of Text"))
			return
		}
		for event, err := range s.Events() {
			if err != nil {
				yield("", err)
				return
			}
			if delta, ok := event.(TextDelta); ok && delta.Text != "" && !yield(delta.Text, nil) {
				return
			}
		}
	}
}

// Events yields everything that happens, as it happens; kinds newer than this client are left out. An error comes
// last: there is no answer, and what came so far is in its PartialText.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := s.next()
			if err == io.EOF || !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Answer returns the whole answer, once the stream has been read to its end: the same that Generate returns. Before,
// and after a failure, it returns an error.
func (s *Stream) Answer() (*Answer, error) {
	if s.err == nil && s.answer == nil {
		return nil, errors.New("tierwise: there is no answer before the stream has been read to its end")
	}
	return s.answer, s.err
}

// Cancel stops the server's work now; who reads gets a [RequestCancelledError]. After the end it does nothing.
func (s *Stream) Cancel() { s.cancel() }

// Close ends the stream: before its end it stops the server's work, after it nothing is left to do.
func (s *Stream) Close() {
	s.cancel()
	s.span.fail(failureFrom(context.Canceled, nil))
}

// next returns the next event, or io.EOF at the end.
func (s *Stream) next() (Event, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.answer != nil {
		return nil, io.EOF
	}
	event, err := s.read()
	if err != nil {
		return nil, s.fail(err)
	}
	if event == nil {
		return nil, io.EOF
	}
	return event, nil
}

// read returns the next event that this client knows, nil at the good end; with the last one, it has seen that end.
func (s *Stream) read() (Event, error) {
	for {
		message, err := s.call.Recv()
		if err == io.EOF {
			return nil, s.finish()
		}
		if err != nil {
			return nil, err
		}
		event, err := s.fold.push(message)
		if err != nil {
			return nil, err
		}
		if _, last := event.(Finished); last {
			_, err = s.read()
		}
		if err != nil || event != nil {
			return event, err
		}
	}
}

func (s *Stream) finish() error {
	answer, err := s.fold.answer()
	if err != nil {
		return err
	}
	s.answer = answer
	s.span.succeed(&answer.GenerationSummary)
	s.cancel()
	return nil
}

// fail ends the stream with the typed error of what was read.
func (s *Stream) fail(err error) error {
	var broken *ProtocolError
	failure, typed := (*TierwiseError)(nil), err
	if errors.As(err, &broken) {
		failure = broken.TierwiseError
	} else {
		failure = failureFrom(err, s.call.Trailer())
		typed = failure.typed()
	}
	s.fold.noteProgress(failure)
	s.err = typed
	s.span.fail(failure)
	// A stream that broke the contract may still run.
	s.cancel()
	return typed
}
