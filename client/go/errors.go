package tierwise

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Every way in which a call can fail, as types for errors.As. What is indented is also what it stands under:
//
//	TierwiseError                  a call failed; bare for a status or a reason that no type below stands for
//	    InvalidRequestError        the request can never work; FieldViolations says why
//	        ContextTooLongError    no allowed tier's model can hold the prompt
//	    AuthenticationError        no credentials, or wrong ones
//	    PermissionDeniedError      the caller may not use the tier or send the task type
//	    LimitError                 a limit was reached
//	        RateLimitedError       too many requests; come back after RetryAfter
//	        BudgetExceededError    the cost cap or the caller's budget cannot pay for a call
//	        ClientTooSlowError     this side stopped reading the stream
//	    RequestInFlightError       a request with the same id is running
//	    UnavailableError           the server cannot be reached, is draining, or sheds load
//	    UpstreamError              the model provider failed
//	    DeadlineExceededError      the deadline passed
//	    RequestCancelledError      this side, or something on the way, gave the call up
//	    ServerError                a fault of the server
//	        ServerSetupError       the operator must act: credentials, models, prices, spend limit
//	    UnimplementedError         the server does not have the method
//	    ProtocolError              the answer breaks the contract

// FieldViolation says what is wrong with one field of the request.
type FieldViolation struct {
	// Its path in the contract's words, e.g. "routing.tier".
	Field       string
	Description string
}

// QuotaViolation says which limit was reached.
type QuotaViolation struct {
	// Whose limit.
	Subject     string
	Description string
}

// TierwiseError is the root of every failed call's error: errors.As finds it in all of them. Wrong arguments are not
// failed calls; they are plain errors, returned before anything is sent.
//
// errors.Is tells context.Canceled and context.DeadlineExceeded; status.FromError of gRPC gives the status.
type TierwiseError struct {
	// What happened, for people.
	Message string
	// The gRPC status.
	Status codes.Code
	// The machine-readable reason; empty when no tierwise server named one (no connection, local deadline, cancel).
	Reason ErrorReason
	// When the server wishes to be asked again; nil when it did not say.
	RetryAfter *time.Duration
	// What is wrong with which field of the request.
	FieldViolations []FieldViolation
	// Which limits were reached.
	QuotaViolations []QuotaViolation
	// More about the reason, e.g. the task type.
	Metadata map[string]string
	// The request's id, to be told to who runs the server; may be empty.
	RequestID string
	// What the request did and cost before it failed; nil when nothing was spent or when the server could not say
	// (local deadline, cancel, lost connection).
	Summary *GenerationSummary
	// The task had started, so it may have cost money, and asking again may cost it again.
	Started bool
	// What was received of the unfinished attempt's text. It is not an answer.
	PartialText string

	cause *status.Status
}

// Error returns the reason (or the status), the message, and the request's id.
func (e *TierwiseError) Error() string {
	name := string(e.Reason)
	if name == "" {
		name = statusName(e.Status)
	}
	text := fmt.Sprintf("tierwise: %s: %s", name, e.Message)
	if e.RequestID != "" {
		text += fmt.Sprintf(" (request %s)", e.RequestID)
	}
	return text
}

// StatusName returns the gRPC status as the contract and the spans write it, e.g. "RESOURCE_EXHAUSTED".
func (e *TierwiseError) StatusName() string { return statusName(e.Status) }

// Unwrap returns the context's error where the status stands for one.
func (e *TierwiseError) Unwrap() error {
	switch e.Status {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// GRPCStatus returns the status with its details, for gRPC's status.FromError.
func (e *TierwiseError) GRPCStatus() *status.Status { return e.cause }

// InvalidRequestError says that the request can never work as it is; FieldViolations names what is wrong. It cost
// nothing.
type InvalidRequestError struct{ *TierwiseError }

// ContextTooLongError says that no allowed tier's model can hold the prompt. It is an [InvalidRequestError].
type ContextTooLongError struct{ *InvalidRequestError }

// AuthenticationError says that no credentials were given, or that they are not valid. It cost nothing.
type AuthenticationError struct{ *TierwiseError }

// PermissionDeniedError says that the caller may not use the tier, or may not send the task type. It cost nothing.
type PermissionDeniedError struct{ *TierwiseError }

// LimitError says that a limit was reached: one of the types that stand under it, or a size limit on the way.
type LimitError struct{ *TierwiseError }

// RateLimitedError is the caller's rate or concurrency limit, a [LimitError]. It cost nothing; asking again after
// RetryAfter is safe.
type RateLimitedError struct{ *LimitError }

// BudgetExceededError says that the request's cost cap or the caller's budget cannot pay for a call; Summary says what
// was spent before. It is a [LimitError].
type BudgetExceededError struct{ *LimitError }

// ClientTooSlowError says that this side stopped reading the stream, and the server gave up; Summary says what was
// spent. It is a [LimitError].
type ClientTooSlowError struct{ *LimitError }

// RequestInFlightError says that a request with the same id is running. It cost nothing.
type RequestInFlightError struct{ *TierwiseError }

// UnavailableError says that the server cannot be reached, is draining, or sheds load. Unless Started, it cost nothing.
type UnavailableError struct{ *TierwiseError }

// UpstreamError says that the model provider failed, after the server's own retries. Asking again is a new, paid
// request.
type UpstreamError struct{ *TierwiseError }

// DeadlineExceededError says that the deadline passed; what was spent is on the server's record only. Asking again is a
// new, paid request.
type DeadlineExceededError struct{ *TierwiseError }

// RequestCancelledError says that the call was given up: by its context, by Cancel or Close, or by something on the
// way.
type RequestCancelledError struct{ *TierwiseError }

// ServerError is a fault of the server; tell who runs it the RequestID.
type ServerError struct{ *TierwiseError }

// ServerSetupError says that who runs the server must act: provider credentials, model names, prices or spend limit.
// Retrying cannot help. It is a [ServerError].
type ServerSetupError struct{ *ServerError }

// UnimplementedError says that the server does not have the method: it is older than this client, or no tierwise
// server.
type UnimplementedError struct{ *TierwiseError }

// ProtocolError says that the answer breaks the contract, so that no part of it can be relied on. A fault of the server
// or on the way.
type ProtocolError struct{ *TierwiseError }

// What each type stands under, for errors.As.

// Unwrap returns the error as a [TierwiseError].
func (e *InvalidRequestError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as an [InvalidRequestError].
func (e *ContextTooLongError) Unwrap() error { return e.InvalidRequestError }

// Unwrap returns the error as a [TierwiseError].
func (e *AuthenticationError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *PermissionDeniedError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *LimitError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [LimitError].
func (e *RateLimitedError) Unwrap() error { return e.LimitError }

// Unwrap returns the error as a [LimitError].
func (e *BudgetExceededError) Unwrap() error { return e.LimitError }

// Unwrap returns the error as a [LimitError].
func (e *ClientTooSlowError) Unwrap() error { return e.LimitError }

// Unwrap returns the error as a [TierwiseError].
func (e *RequestInFlightError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *UnavailableError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *UpstreamError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *DeadlineExceededError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *RequestCancelledError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *ServerError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [ServerError].
func (e *ServerSetupError) Unwrap() error { return e.ServerError }

// Unwrap returns the error as a [TierwiseError].
func (e *UnimplementedError) Unwrap() error { return e.TierwiseError }

// Unwrap returns the error as a [TierwiseError].
func (e *ProtocolError) Unwrap() error { return e.TierwiseError }
