package tierwise

import (
	"context"
	"math/big"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	grpccodes "google.golang.org/grpc/codes"
)

// The CLIENT span of a call. Attribute names: rpc.* and server.* of the semantic conventions 1.44, and tierwise.* as
// the server's spans have them. No text of prompts or answers is ever on it, and nothing global is set.

const service = "tierwise.v1.RouterService"

var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// A tracing makes the spans of one client.
type tracing struct {
	provider   trace.TracerProvider
	propagator propagation.TextMapPropagator
	server     []attribute.KeyValue
}

func tracingFor(s *settings, server endpoint) *tracing {
	attributes := []attribute.KeyValue{attribute.String("server.address", server.host)}
	if server.port != 0 {
		attributes = append(attributes, attribute.Int("server.port", server.port))
	}
	return &tracing{s.tracerProvider, s.propagator, attributes}
}

// start begins the span of a call, as a child of the one in the context, and returns what carries it to the server.
func (t *tracing) start(ctx context.Context, method, taskType string) (*callSpan, []string) {
	name := service + "/" + method
	attributes := append([]attribute.KeyValue{
		attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", name),
	}, t.server...)
	if taskType != "" {
		attributes = append(attributes, attribute.String("tierwise.task_type", taskType))
	}
	ctx, span := t.tracer().Start(
		ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	carrier := propagation.MapCarrier{}
	t.carryBy().Inject(ctx, carrier)
	var headers []string
	for name, value := range carrier {
		headers = append(headers, strings.ToLower(name), value)
	}
	return &callSpan{span: span}, headers
}

// The process's provider and propagator are looked up at each call: a program may set them after it made the client.
func (t *tracing) tracer() trace.Tracer {
	provider := t.provider
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	return provider.Tracer("tierwise.dev/client", trace.WithInstrumentationVersion(Version))
}

func (t *tracing) carryBy() propagation.TextMapPropagator {
	if t.propagator != nil {
		return t.propagator
	}
	if global := otel.GetTextMapPropagator(); len(global.Fields()) > 0 {
		return global
	}
	return w3c
}

// A callSpan is one call as a trace shows it. It ends once; what comes after the end is ignored.
type callSpan struct {
	span trace.Span
	once sync.Once
}

// succeed ends it: the call went well.
func (s *callSpan) succeed(summary *GenerationSummary) {
	s.once.Do(func() {
		s.describe(summary)
		s.end(grpccodes.OK)
	})
}

// fail ends it: the call failed.
func (s *callSpan) fail(failure *TierwiseError) {
	s.once.Do(func() {
		s.describe(failure.Summary)
		if failure.Reason != "" {
			s.span.SetAttributes(attribute.String("tierwise.reason", string(failure.Reason)))
		}
		s.end(failure.Status)
	})
}

func (s *callSpan) describe(summary *GenerationSummary) {
	if summary == nil {
		return
	}
	s.span.SetAttributes(
		attribute.String("tierwise.request.id", summary.RequestID),
		attribute.String("tierwise.tier", summary.Tier),
		attribute.String("tierwise.model", summary.Model),
		attribute.Bool("tierwise.escalated", summary.Escalated),
	)
	if summary.Cost != nil {
		usd, _ := big.NewRat(summary.Cost.TotalNanoUSD, nanosPerUSD).Float64()
		s.span.SetAttributes(
			attribute.Int64("tierwise.total_cost.nano_usd", summary.Cost.TotalNanoUSD),
			attribute.Float64("tierwise.total_cost.usd", usd),
		)
	}
}

func (s *callSpan) end(status grpccodes.Code) {
	name := statusName(status)
	s.span.SetAttributes(attribute.String("rpc.response.status_code", name))
	if status != grpccodes.OK {
		s.span.SetAttributes(attribute.String("error.type", name))
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}
