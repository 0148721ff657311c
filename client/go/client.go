package tierwise

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// Client is a connection to a tierwise server, for many calls at once. It connects at the first call and is closed
// once; closing cancels what runs.
type Client struct {
	endpoint   endpoint
	connection *grpc.ClientConn
	stub       tierwisev1.RouterServiceClient
	tracing    *tracing
	timeout    time.Duration
	// Holds the key: never printed.
	headers []string
}

// New returns a client of the server at endpoint: "host:port", or a gRPC target such as
// "dns:///router.internal:50051", which spreads calls over all addresses. An empty endpoint stands for
// TIERWISE_ENDPOINT, else 127.0.0.1:50051. Nothing is sent before the first call.
//
// An error says that an option or a variable makes no sense; a key's text is never in it.
func New(endpoint string, options ...ClientOption) (*Client, error) {
	server, err := endpointFrom(endpoint)
	if err != nil {
		return nil, err
	}
	s, err := settingsFrom(options)
	if err != nil {
		return nil, err
	}
	headers, err := s.headers()
	if err != nil {
		return nil, err
	}
	dialOptions, err := s.options(server)
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(server.target, dialOptions...)
	if err != nil {
		return nil, fmt.Errorf("tierwise: %w", err)
	}
	return &Client{
		endpoint:   server,
		connection: connection,
		stub:       tierwisev1.NewRouterServiceClient(connection),
		tracing:    tracingFor(s, server),
		timeout:    s.timeout,
		headers:    headers,
	}, nil
}

// NewFromEnv returns a client of the server that TIERWISE_ENDPOINT names, else of 127.0.0.1:50051.
func NewFromEnv(options ...ClientOption) (*Client, error) { return New("", options...) }

// Route returns which tier a task would get, why, and what it would cost at each tier. It calls no model and costs
// nothing; it is safe to repeat, and repeated by gRPC while the server is unavailable. The prompt serves to estimate
// tokens only, and may be nil.
//
// The error of a failed call is a [TierwiseError]; others are about the arguments.
func (c *Client) Route(ctx context.Context, prompt Prompt, options ...RouteOption) (*RouteResult, error) {
	request, err := routeRequest(prompt, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	span, carried := c.tracing.start(ctx, "Route", request.GetTaskType())
	var trailer metadata.MD
	response, err := c.stub.Route(c.outgoing(ctx, carried), request, grpc.Trailer(&trailer))
	if err != nil {
		failure := failureFrom(err, trailer)
		span.fail(failure)
		return nil, failure.typed()
	}
	span.succeed(nil)
	return routeResultFrom(response), nil
}

// Generate runs a task and returns the whole answer. It calls models and costs money.
//
// gRPC repeats it while the server is unavailable, and never once the task has started: nothing is paid twice
// unnoticed. Leaving it early, by the context, stops the server's work.
//
// The error of a failed call is a [TierwiseError]: its Summary says what it cost, as far as known, and Started whether
// asking again may cost again. Others are about the arguments.
func (c *Client) Generate(ctx context.Context, prompt Prompt, options ...GenerateOption) (*Answer, error) {
	request, err := generateRequest(prompt, options)
	if err != nil {
		return nil, err
	}
	stream, err := c.run(ctx, request)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	for _, err := range stream.Events() {
		if err != nil {
			return nil, err
		}
	}
	return stream.Answer()
}

// Stream runs a task piece by piece. It costs money as Generate does, and begins at once; Close, or the end of the
// context, stops the server's work. Errors are as those of Generate.
func (c *Client) Stream(ctx context.Context, prompt Prompt, options ...StreamOption) (*Stream, error) {
	request, err := generateRequest(prompt, options)
	if err != nil {
		return nil, err
	}
	return c.run(ctx, request)
}

func (c *Client) run(ctx context.Context, request *tierwisev1.GenerateRequest) (*Stream, error) {
	ctx, cancel := c.limited(ctx)
	span, carried := c.tracing.start(ctx, "Generate", request.GetTaskType())
	call, err := c.stub.Generate(c.outgoing(ctx, carried), request)
	if err != nil {
		cancel()
		failure := failureFrom(err, nil)
		span.fail(failure)
		return nil, failure.typed()
	}
	live := request.GetDraftDelivery() == tierwisev1.DraftDelivery_DRAFT_DELIVERY_LIVE
	return &Stream{call: call, cancel: cancel, span: span, live: live, fold: newFold(!live)}, nil
}

// limited returns a context that has a deadline, unless none is wished, and can be cancelled.
func (c *Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has || c.timeout == NoTimeout {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}

func (c *Client) outgoing(ctx context.Context, carried []string) context.Context {
	pairs := append(append([]string(nil), c.headers...), carried...)
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// Close cancels what runs and closes the connection; a second time does nothing.
func (c *Client) Close() error {
	// The one error there is says that it was closed before.
	_ = c.connection.Close()
	return nil
}

// String names the endpoint and nothing else.
func (c Client) String() string { return fmt.Sprintf("tierwise.Client(%q)", c.endpoint.target) }

// GoString is as String: a key is never printed.
func (c Client) GoString() string { return c.String() }
