package tierwise

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// The one place where a gRPC status becomes an error of the client. Pure.

const (
	domain       = "tierwise"
	requestIDKey = "x-request-id"
)

// A class makes the typed error of what is known about a failure.
type class func(*TierwiseError) error

func asTierwise(e *TierwiseError) error         { return e }
func asInvalidRequest(e *TierwiseError) error   { return &InvalidRequestError{e} }
func asContextTooLong(e *TierwiseError) error   { return &ContextTooLongError{&InvalidRequestError{e}} }
func asAuthentication(e *TierwiseError) error   { return &AuthenticationError{e} }
func asPermissionDenied(e *TierwiseError) error { return &PermissionDeniedError{e} }
func asLimit(e *TierwiseError) error            { return &LimitError{e} }
func asRateLimited(e *TierwiseError) error      { return &RateLimitedError{&LimitError{e}} }
func asBudgetExceeded(e *TierwiseError) error   { return &BudgetExceededError{&LimitError{e}} }
func asClientTooSlow(e *TierwiseError) error    { return &ClientTooSlowError{&LimitError{e}} }
func asRequestInFlight(e *TierwiseError) error  { return &RequestInFlightError{e} }
func asUnavailable(e *TierwiseError) error      { return &UnavailableError{e} }
func asUpstream(e *TierwiseError) error         { return &UpstreamError{e} }
func asDeadlineExceeded(e *TierwiseError) error { return &DeadlineExceededError{e} }
func asRequestCancelled(e *TierwiseError) error { return &RequestCancelledError{e} }
func asServer(e *TierwiseError) error           { return &ServerError{e} }
func asServerSetup(e *TierwiseError) error      { return &ServerSetupError{&ServerError{e}} }
func asUnimplemented(e *TierwiseError) error    { return &UnimplementedError{e} }

var classOfReason = map[ErrorReason]class{
	ErrorReasonUnspecified:          asTierwise,
	ErrorReasonInvalidRequest:       asInvalidRequest,
	ErrorReasonUnknownTier:          asInvalidRequest,
	ErrorReasonUnknownTaskType:      asInvalidRequest,
	ErrorReasonRequestIDReused:      asInvalidRequest,
	ErrorReasonContextTooLong:       asContextTooLong,
	ErrorReasonMissingCredentials:   asAuthentication,
	ErrorReasonInvalidCredentials:   asAuthentication,
	ErrorReasonTierNotAllowed:       asPermissionDenied,
	ErrorReasonTaskTypeNotAllowed:   asPermissionDenied,
	ErrorReasonRateLimited:          asRateLimited,
	ErrorReasonBudgetExceeded:       asBudgetExceeded,
	ErrorReasonClientTooSlow:        asClientTooSlow,
	ErrorReasonRequestInFlight:      asRequestInFlight,
	ErrorReasonOverloaded:           asUnavailable,
	ErrorReasonShuttingDown:         asUnavailable,
	ErrorReasonLedgerUnavailable:    asUnavailable,
	ErrorReasonUpstreamRateLimited:  asUpstream,
	ErrorReasonUpstreamOverloaded:   asUpstream,
	ErrorReasonUpstreamUnavailable:  asUpstream,
	ErrorReasonUpstreamTimeout:      asUpstream,
	ErrorReasonUpstreamInterrupted:  asUpstream,
	ErrorReasonUpstreamProtocol:     asUpstream,
	ErrorReasonDeadlineExceeded:     asDeadlineExceeded,
	ErrorReasonCancelled:            asRequestCancelled,
	ErrorReasonInternal:             asServer,
	ErrorReasonUpstreamAuth:         asServerSetup,
	ErrorReasonUpstreamModelMissing: asServerSetup,
	ErrorReasonUpstreamRejected:     asServerSetup,
	ErrorReasonUpstreamSpendLimit:   asServerSetup,
	ErrorReasonUnpricedModel:        asServerSetup,
	ErrorReasonUnimplemented:        asUnimplemented,
}

// For failures that no tierwise server named, and for reasons newer than this client.
var classOfStatus = map[codes.Code]class{
	codes.InvalidArgument:   asInvalidRequest,
	codes.Unauthenticated:   asAuthentication,
	codes.PermissionDenied:  asPermissionDenied,
	codes.ResourceExhausted: asLimit,
	codes.Unavailable:       asUnavailable,
	codes.DeadlineExceeded:  asDeadlineExceeded,
	codes.Canceled:          asRequestCancelled,
	codes.Internal:          asServer,
	codes.Unknown:           asServer,
	codes.DataLoss:          asServer,
	codes.Unimplemented:     asUnimplemented,
}

// failureFrom returns what gRPC's error and its trailing metadata say. It never fails itself: details that cannot be
// read are left out.
func failureFrom(err error, trailer metadata.MD) *TierwiseError {
	cause, isStatus := status.FromError(err)
	if !isStatus {
		cause = status.FromContextError(err)
	}
	failure := &TierwiseError{Message: cause.Message(), Status: cause.Code(), cause: cause}
	if failure.Message == "" {
		failure.Message = "the server gave no message"
	}
	for _, detail := range cause.Details() {
		failure.read(detail)
	}
	if failure.RequestID == "" {
		failure.RequestID = failure.Metadata["request_id"]
	}
	if ids := trailer.Get(requestIDKey); failure.RequestID == "" && len(ids) > 0 {
		failure.RequestID = ids[len(ids)-1]
	}
	return failure
}

// typed returns the failure as the type that its reason, else its status, stands for.
func (e *TierwiseError) typed() error {
	if as, ok := classOfReason[e.Reason]; ok {
		return as(e)
	}
	if as, ok := classOfStatus[e.Status]; ok {
		return as(e)
	}
	return e
}

func (e *TierwiseError) read(detail any) {
	switch detail := detail.(type) {
	case *errdetails.ErrorInfo:
		// A proxy's own reasons are not ours, even where the words are the same.
		if detail.GetDomain() == domain {
			e.Reason = ErrorReason(detail.GetReason())
			e.Metadata = detail.GetMetadata()
		}
	case *errdetails.BadRequest:
		e.FieldViolations = each(detail.GetFieldViolations(), fieldViolationFrom)
	case *errdetails.QuotaFailure:
		e.QuotaViolations = each(detail.GetViolations(), quotaViolationFrom)
	case *errdetails.RetryInfo:
		e.RetryAfter = durationFrom(detail.GetRetryDelay())
	case *errdetails.RequestInfo:
		e.RequestID = detail.GetRequestId()
	case *tierwisev1.GenerationSummary:
		summary := summaryFrom(detail)
		e.Summary = &summary
	}
}

func fieldViolationFrom(violation *errdetails.BadRequest_FieldViolation) FieldViolation {
	return FieldViolation{violation.GetField(), violation.GetDescription()}
}

func quotaViolationFrom(violation *errdetails.QuotaFailure_Violation) QuotaViolation {
	return QuotaViolation{violation.GetSubject(), violation.GetDescription()}
}

func protocolError(format string, arguments ...any) error {
	cause := status.Newf(codes.Internal, format, arguments...)
	return &ProtocolError{&TierwiseError{Message: cause.Message(), Status: cause.Code(), cause: cause}}
}

// statusName returns a status as every language's client and the spans name it, e.g. "RESOURCE_EXHAUSTED".
func statusName(status codes.Code) string {
	if name, ok := code.Code_name[int32(status)]; ok {
		return name
	}
	return fmt.Sprintf("Code(%d)", status)
}
