package tierwisetest

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// A Step is a part of a script: [Event], [Raw], [Hold] or a [Failure].
type Step interface{ play(*player) error }

// A Script is what happens in one call of Generate.
type Script []Step

// A Reply is what Route answers: [Routed] or a [Failure].
type Reply interface {
	reply(context.Context) (*tierwisev1.RouteResponse, error)
}

// A player numbers the events of one stream.
type player struct {
	stream   grpc.ServerStreamingServer[tierwisev1.GenerateResponse]
	sequence int64
}

func (p *player) send(message *tierwisev1.GenerateResponse) error {
	p.sequence++
	return p.stream.Send(message)
}

type event struct{ message proto.Message }

// Event sends an event of the contract, e.g. a *tierwisev1.TextDelta, numbered by the server.
func Event(message proto.Message) Step { return event{message} }

func (e event) play(p *player) error {
	message := &tierwisev1.GenerateResponse{Sequence: p.sequence}
	kind := e.message.ProtoReflect()
	kinds := message.ProtoReflect().Descriptor().Oneofs().ByName("event").Fields()
	for i := range kinds.Len() {
		if kinds.Get(i).Message() == kind.Descriptor() {
			message.ProtoReflect().Set(kinds.Get(i), protoreflect.ValueOfMessage(kind))
		}
	}
	return p.send(message)
}

type raw struct{ message *tierwisev1.GenerateResponse }

// Raw sends a message as it is, so that it may break the contract.
func Raw(message *tierwisev1.GenerateResponse) Step { return raw{message} }

func (r raw) play(p *player) error { return p.send(r.message) }

type hold struct{ until <-chan struct{} }

// Hold sends nothing until the channel is closed; with nil, until the caller leaves or its deadline passes.
func Hold(until <-chan struct{}) Step { return hold{until} }

func (h hold) play(p *player) error {
	select {
	case <-h.until:
		return nil
	case <-p.stream.Context().Done():
		return p.stream.Context().Err()
	}
}

// Failure ends a call as a tierwise server reports a failure.
type Failure struct {
	// A name of tierwise.ErrorReason; empty: a bare status, as a proxy or gRPC itself makes it.
	Reason string
	// For people; empty: "it failed".
	Message string
	// OK stands for the status that goes with the reason, else UNKNOWN.
	Status codes.Code
	// RetryInfo; nil for none.
	RetryAfter *time.Duration
	// BadRequest: the path of a field, and what is wrong with it.
	Fields map[string]string
	// QuotaFailure: whose limit, and which.
	Quotas map[string]string
	// ErrorInfo's metadata.
	Metadata map[string]string
	// RequestInfo.
	RequestID string
	// What was spent.
	Summary *tierwisev1.GenerationSummary
	// Tells gRPC when to ask again, in milliseconds; below 0: not at all; nil: by its own policy.
	PushbackMS *int
}

func (f Failure) play(p *player) error {
	p.stream.SetTrailer(f.trailer())
	return f.err()
}

func (f Failure) reply(ctx context.Context) (*tierwisev1.RouteResponse, error) {
	_ = grpc.SetTrailer(ctx, f.trailer())
	return nil, f.err()
}

func (f Failure) trailer() metadata.MD {
	if f.PushbackMS == nil {
		return nil
	}
	return metadata.Pairs("grpc-retry-pushback-ms", strconv.Itoa(*f.PushbackMS))
}

func (f Failure) err() error {
	message := f.Message
	if message == "" {
		message = "it failed"
	}
	bare := status.New(f.status(), message)
	detailed, err := bare.WithDetails(f.details()...)
	if err != nil {
		return err
	}
	return detailed.Err()
}

func (f Failure) details() []protoadapt.MessageV1 {
	var details []protoadapt.MessageV1
	if f.Reason != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: f.Reason, Domain: "tierwise", Metadata: f.Metadata})
	}
	if f.RetryAfter != nil {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(*f.RetryAfter)})
	}
	if len(f.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for field, description := range f.Fields {
			bad.FieldViolations = append(bad.FieldViolations,
				&errdetails.BadRequest_FieldViolation{Field: field, Description: description})
		}
		details = append(details, bad)
	}
	if len(f.Quotas) > 0 {
		quota := &errdetails.QuotaFailure{}
		for subject, description := range f.Quotas {
			quota.Violations = append(quota.Violations,
				&errdetails.QuotaFailure_Violation{Subject: subject, Description: description})
		}
		details = append(details, quota)
	}
	if f.RequestID != "" {
		details = append(details, &errdetails.RequestInfo{RequestId: f.RequestID})
	}
	if f.Summary != nil {
		details = append(details, f.Summary)
	}
	return details
}

func (f Failure) status() codes.Code {
	if f.Status != codes.OK {
		return f.Status
	}
	if code, ok := statusOfReason[f.Reason]; ok {
		return code
	}
	return codes.Unknown
}

var statusOfReason = map[string]codes.Code{
	"INVALID_REQUEST":        codes.InvalidArgument,
	"UNKNOWN_TIER":           codes.InvalidArgument,
	"UNKNOWN_TASK_TYPE":      codes.InvalidArgument,
	"CONTEXT_TOO_LONG":       codes.InvalidArgument,
	"REQUEST_ID_REUSED":      codes.InvalidArgument,
	"MISSING_CREDENTIALS":    codes.Unauthenticated,
	"INVALID_CREDENTIALS":    codes.Unauthenticated,
	"TIER_NOT_ALLOWED":       codes.PermissionDenied,
	"TASK_TYPE_NOT_ALLOWED":  codes.PermissionDenied,
	"RATE_LIMITED":           codes.ResourceExhausted,
	"BUDGET_EXCEEDED":        codes.ResourceExhausted,
	"CLIENT_TOO_SLOW":        codes.ResourceExhausted,
	"UNPRICED_MODEL":         codes.FailedPrecondition,
	"UPSTREAM_SPEND_LIMIT":   codes.FailedPrecondition,
	"REQUEST_IN_FLIGHT":      codes.Aborted,
	"OVERLOADED":             codes.Unavailable,
	"SHUTTING_DOWN":          codes.Unavailable,
	"LEDGER_UNAVAILABLE":     codes.Unavailable,
	"UPSTREAM_RATE_LIMITED":  codes.Unavailable,
	"UPSTREAM_OVERLOADED":    codes.Unavailable,
	"UPSTREAM_UNAVAILABLE":   codes.Unavailable,
	"UPSTREAM_TIMEOUT":       codes.Unavailable,
	"UPSTREAM_INTERRUPTED":   codes.Unavailable,
	"UPSTREAM_PROTOCOL":      codes.Unavailable,
	"DEADLINE_EXCEEDED":      codes.DeadlineExceeded,
	"CANCELLED":              codes.Canceled,
	"UPSTREAM_AUTH":          codes.Internal,
	"UPSTREAM_MODEL_MISSING": codes.Internal,
	"UPSTREAM_REJECTED":      codes.Internal,
	"INTERNAL":               codes.Internal,
	"UNIMPLEMENTED":          codes.Unimplemented,
}
