package tierwise_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"tierwise.dev/client"
	"tierwise.dev/client/tierwisetest"
)

// A recorder is a tracer provider that keeps what it is told: the client depends on OpenTelemetry's API alone.
type recorder struct {
	embedded.TracerProvider

	mutex sync.Mutex
	spans []*recordedSpan
}

type recorderTracer struct {
	embedded.Tracer
	*recorder
}

type recordedSpan struct {
	noop.Span
	name       string
	kind       trace.SpanKind
	parent     trace.SpanContext
	context    trace.SpanContext
	attributes map[attribute.Key]attribute.Value
	status     codes.Code
	ends       int
}

func (r *recorder) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return recorderTracer{recorder: r}
}

func (r recorderTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	config := trace.NewSpanStartConfig(options...)
	parent := trace.SpanContextFromContext(ctx)
	span := &recordedSpan{name: name, kind: config.SpanKind(), parent: parent, attributes: map[attribute.Key]attribute.Value{}}
	traceID := parent.TraceID()
	if !traceID.IsValid() {
		traceID = trace.TraceID{byte(len(r.spans) + 1)}
	}
	span.context = trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: trace.SpanID{byte(len(r.spans) + 1)}, TraceFlags: trace.FlagsSampled,
	})
	span.SetAttributes(config.Attributes()...)
	r.spans = append(r.spans, span)
	return trace.ContextWithSpan(ctx, span), span
}

func (s *recordedSpan) SpanContext() trace.SpanContext        { return s.context }
func (s *recordedSpan) SetStatus(status codes.Code, _ string) { s.status = status }
func (s *recordedSpan) End(...trace.SpanEndOption)            { s.ends++ }
func (s *recordedSpan) SetAttributes(attributes ...attribute.KeyValue) {
	for _, pair := range attributes {
		s.attributes[pair.Key] = pair.Value
	}
}

func (s *recordedSpan) has(t *testing.T, key attribute.Key, want string) {
	t.Helper()
	if got := s.attributes[key]; got.Emit() != want {
		t.Errorf("%s is %q, not %q", key, got.Emit(), want)
	}
}

func TestEachCallIsOneSpanThatTheServerHangsUnder(t *testing.T) {
	spans := &recorder{}
	server, client := connected(t, tierwise.WithTracerProvider(spans))
	server.Play(tierwisetest.Escalated("No.", "A secret.", false)...)
	if _, err := client.Generate(t.Context(), tierwise.Text("Hi"), tierwise.WithTaskType("x")); err != nil {
		t.Fatal(err)
	}
	span := spans.spans[0]
	if len(spans.spans) != 1 || span.kind != trace.SpanKindClient || span.ends != 1 || span.status != codes.Unset ||
		span.name != "tierwise.v1.RouterService/Generate" {
		t.Errorf("got %+v", span)
	}
	host, port, _ := strings.Cut(server.Endpoint(), ":")
	for key, want := range map[attribute.Key]string{
		"rpc.system.name": "grpc", "rpc.method": span.name, "server.address": host, "server.port": port,
		"rpc.response.status_code": "OK", "tierwise.task_type": "x", "tierwise.request.id": "request-1",
		"tierwise.tier": "frontier", "tierwise.model": "claude-sonnet-4-6", "tierwise.escalated": "true",
		"tierwise.total_cost.nano_usd": "530000", "tierwise.total_cost.usd": "0.00053",
	} {
		span.has(t, key, want)
	}
	want := "00-" + span.context.TraceID().String() + "-" + span.context.SpanID().String() + "-01"
	if sent := server.Calls()[0].Metadata.Get("traceparent"); !slices.Equal(sent, []string{want}) {
		t.Errorf("traceparent is %q, not %s", sent, want)
	}
}

func TestFailureIsOnTheSpan(t *testing.T) {
	spans := &recorder{}
	server, client := connected(t, tierwise.WithTracerProvider(spans))
	server.Reply(tierwisetest.Failure{Reason: "UNKNOWN_TIER"})
	if _, err := client.Route(t.Context(), nil); err == nil {
		t.Fatal("it did not fail")
	}
	span := spans.spans[0]
	span.has(t, "rpc.response.status_code", "INVALID_ARGUMENT")
	span.has(t, "error.type", "INVALID_ARGUMENT")
	span.has(t, "tierwise.reason", "UNKNOWN_TIER")
	if span.status != codes.Error || span.ends != 1 || span.name != "tierwise.v1.RouterService/Route" {
		t.Errorf("got %+v", span)
	}
}

func TestStreamThatIsLeftEndsItsSpan(t *testing.T) {
	spans := &recorder{}
	_, client := connected(t, tierwise.WithTracerProvider(spans))
	stream := streamed(t, client)
	stream.Close()
	stream.Close()
	span := spans.spans[0]
	span.has(t, "rpc.response.status_code", "CANCELLED")
	if span.ends != 1 {
		t.Errorf("it ended %d times", span.ends)
	}
}

func TestContextOfTheCallerIsPassedOnWithoutAnyProvider(t *testing.T) {
	server, client := connected(t)
	remote := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), remote)
	if _, err := client.Generate(ctx, tierwise.Text("Hi")); err != nil {
		t.Fatal(err)
	}
	want := "00-01000000000000000000000000000000-0200000000000000-01"
	if sent := server.Calls()[0].Metadata.Get("traceparent"); !slices.Equal(sent, []string{want}) {
		t.Errorf("traceparent is %q", sent)
	}
}

func TestNothingIsSentWithoutATrace(t *testing.T) {
	server, client := connected(t)
	if _, err := client.Generate(t.Context(), tierwise.Text("Hi")); err != nil {
		t.Fatal(err)
	}
	if sent := server.Calls()[0].Metadata.Get("traceparent"); len(sent) > 0 {
		t.Errorf("traceparent is %q", sent)
	}
}

func TestFailureToConnectEndsTheSpan(t *testing.T) {
	spans := &recorder{}
	server, client := connected(t, tierwise.WithTracerProvider(spans))
	server.Close()
	_, err := client.Generate(t.Context(), tierwise.Text("Hi"))
	var unavailable *tierwise.UnavailableError
	if !errors.As(err, &unavailable) {
		t.Fatalf("got %v", err)
	}
	if span := spans.spans[0]; span.ends != 1 || span.status != codes.Error {
		t.Errorf("got %+v", span)
	}
}
