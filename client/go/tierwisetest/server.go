// Package tierwisetest is a tierwise server for tests: it plays what it is told on a loopback port, and remembers what
// it was asked. No model, no key; it serves clients of other languages too.
package tierwisetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// ReceivedCall is one call that the server received. gRPC's own retries are calls of their own.
type ReceivedCall struct {
	// What was asked: one of the two.
	Route    *tierwisev1.RouteRequest
	Generate *tierwisev1.GenerateRequest
	// The headers.
	Metadata metadata.MD
	// The time that the caller gave it; 0 without a deadline.
	Timeout time.Duration

	ended chan struct{}
	left  bool
}

// Left waits until the call is over and returns whether the caller left, or its deadline passed, before the script was
// played.
func (c *ReceivedCall) Left() bool {
	<-c.ended
	return c.left
}

// FakeServer is a tierwise server that plays scripts, in the order given; with none left, a short answer.
type FakeServer struct {
	tierwisev1.UnimplementedRouterServiceServer

	server   *grpc.Server
	listener net.Listener
	serving  sync.WaitGroup

	mutex    sync.Mutex
	received *sync.Cond
	calls    []*ReceivedCall
	scripts  []Script
	replies  []Reply
}

// NewFakeServer starts a server; close it with defer. It takes gRPC's server options, such as credentials.
func NewFakeServer(options ...grpc.ServerOption) (*FakeServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tierwisetest: %w", err)
	}
	s := &FakeServer{server: grpc.NewServer(options...), listener: listener}
	s.received = sync.NewCond(&s.mutex)
	tierwisev1.RegisterRouterServiceServer(s.server, s)
	s.serving.Add(1)
	go func() {
		defer s.serving.Done()
		// It ends by Close and in no other way.
		_ = s.server.Serve(listener)
	}()
	return s, nil
}

// Endpoint returns where it listens: "127.0.0.1:port".
func (s *FakeServer) Endpoint() string { return s.listener.Addr().String() }

// Close ends everything at once, as a killed process would; it returns when that is done.
func (s *FakeServer) Close() {
	s.server.Stop()
	s.serving.Wait()
}

// Play plays these steps at the next call of Generate for which nothing is planned yet.
func (s *FakeServer) Play(steps ...Step) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.scripts = append(s.scripts, Script(steps))
}

// Reply replies so to the next call of Route for which nothing is planned yet.
func (s *FakeServer) Reply(reply Reply) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.replies = append(s.replies, reply)
}

// Calls returns every call received so far, in order.
func (s *FakeServer) Calls() []*ReceivedCall {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.calls)
}

// WaitForCall waits until so many calls have been received and returns the last of them.
func (s *FakeServer) WaitForCall(count int) *ReceivedCall {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.calls) < count {
		s.received.Wait()
	}
	return s.calls[count-1]
}

// Route replies as told.
func (s *FakeServer) Route(ctx context.Context, request *tierwisev1.RouteRequest) (*tierwisev1.RouteResponse, error) {
	call := s.receive(ctx, &ReceivedCall{Route: request})
	defer close(call.ended)
	s.mutex.Lock()
	reply := Reply(Routed("efficient"))
	if len(s.replies) > 0 {
		reply, s.replies = s.replies[0], s.replies[1:]
	}
	s.mutex.Unlock()
	return reply.reply(ctx)
}

// Generate plays the next script.
func (s *FakeServer) Generate(
	request *tierwisev1.GenerateRequest, stream grpc.ServerStreamingServer[tierwisev1.GenerateResponse],
) error {
	call := s.receive(stream.Context(), &ReceivedCall{Generate: request})
	defer close(call.ended)
	s.mutex.Lock()
	script := Answered("Hello from the fake server.")
	if len(s.scripts) > 0 {
		script, s.scripts = s.scripts[0], s.scripts[1:]
	}
	s.mutex.Unlock()
	player := &player{stream: stream}
	for _, step := range script {
		if err := step.play(player); err != nil {
			call.left = errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
			return err
		}
	}
	return nil
}

func (s *FakeServer) receive(ctx context.Context, call *ReceivedCall) *ReceivedCall {
	call.Metadata, _ = metadata.FromIncomingContext(ctx)
	if deadline, has := ctx.Deadline(); has {
		call.Timeout = time.Until(deadline)
	}
	call.ended = make(chan struct{})
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls = append(s.calls, call)
	s.received.Broadcast()
	return call
}
