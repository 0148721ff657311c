package tierwise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

func info(reason string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Reason: reason, Domain: "tierwise", Metadata: map[string]string{"task_type": "x"}}
}

func typeName(err error) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", err), "*tierwise.")
}

func errorOf(t *testing.T, code codes.Code, reason string) error {
	t.Helper()
	detailed, err := status.New(code, "no").WithDetails(info(reason))
	if err != nil {
		t.Fatal(err)
	}
	return failureFrom(detailed.Err(), nil).typed()
}

// The table of errors in client/README.md: type, reasons, statuses.
func tableOfErrors(t *testing.T) [][3]string {
	t.Helper()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Skip("the page is in the repository only")
	}
	row := regexp.MustCompile(`(?m)^\| (\w+Error)[^|]*\|([^|]*)\|([^|]*)\|[^|]*\|$`)
	var rows [][3]string
	for _, match := range row.FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, [3]string{match[1], match[2], match[3]})
	}
	if len(rows) < 18 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	return rows
}

func TestEveryReasonAndStatusHasTheTypeThatThePageSays(t *testing.T) {
	word := regexp.MustCompile(`[A-Z_]{4,}`)
	reasons := 0
	for _, row := range tableOfErrors(t) {
		for _, reason := range word.FindAllString(row[1], -1) {
			reasons++
			if got := typeName(errorOf(t, codes.Unknown, reason)); got != row[0] {
				t.Errorf("%s is a %s; the page says %s", reason, got, row[0])
			}
		}
		for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
			if !strings.Contains(" "+strings.ReplaceAll(row[2], ",", "")+" ", " "+statusName(code)+" ") {
				continue
			}
			if got := typeName(errorOf(t, code, "NEWER_THAN_THIS")); got != row[0] {
				t.Errorf("%v is a %s; the page says %s", code, got, row[0])
			}
		}
	}
	if want := len(classOfReason) - 1; reasons != want {
		t.Errorf("the page has %d reasons, this client %d", reasons, want)
	}
}

func TestTypeStandsUnderItsParents(t *testing.T) {
	err := errorOf(t, codes.ResourceExhausted, "RATE_LIMITED")
	var limited *RateLimitedError
	var limit *LimitError
	var root *TierwiseError
	if !errors.As(err, &limited) || !errors.As(err, &limit) || !errors.As(err, &root) {
		t.Errorf("%T stands alone", err)
	}
	var budget *BudgetExceededError
	if errors.As(err, &budget) {
		t.Error("a rate limit is no budget")
	}
	if limited.Reason != ErrorReasonRateLimited || limited.Metadata["task_type"] != "x" {
		t.Errorf("got %+v", limited.TierwiseError)
	}
}

func TestErrorHasEverythingThatTheServerSaid(t *testing.T) {
	detailed, err := status.New(codes.ResourceExhausted, "no more").WithDetails(
		info("BUDGET_EXCEEDED"),
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "f", Description: "d"}}},
		&errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: "s", Description: "d"}}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.RequestInfo{RequestId: "r1"},
		&tierwisev1.GenerationSummary{Cost: &tierwisev1.Cost{TotalNanoUsd: 5}},
	)
	if err != nil {
		t.Fatal(err)
	}
	got := failureFrom(detailed.Err(), nil)
	if got.FieldViolations[0] != (FieldViolation{"f", "d"}) || got.QuotaViolations[0] != (QuotaViolation{"s", "d"}) ||
		*got.RetryAfter != 1500*time.Millisecond || got.Summary.Cost.TotalNanoUSD != 5 {
		t.Errorf("got %+v", got)
	}
	if text := got.typed().Error(); text != "tierwise: BUDGET_EXCEEDED: no more (request r1)" {
		t.Errorf("it reads %q", text)
	}
	if status.Code(got.typed()) != codes.ResourceExhausted {
		t.Error("gRPC does not know its own status again")
	}
}

func TestErrorOfAnotherDomainHasNoReason(t *testing.T) {
	detailed, _ := status.New(codes.Unavailable, "").WithDetails(
		&errdetails.ErrorInfo{Reason: "RATE_LIMITED", Domain: "proxy.example"})
	got := failureFrom(detailed.Err(), metadata.Pairs("x-request-id", "r2"))
	if got.Reason != "" || typeName(got.typed()) != "UnavailableError" {
		t.Errorf("got %v", got)
	}
	if got.Error() != "tierwise: UNAVAILABLE: the server gave no message (request r2)" {
		t.Errorf("it reads %q", got)
	}
}

func TestDetailsThatCannotBeReadAreLeftOut(t *testing.T) {
	bare := status.New(codes.Internal, "no").Proto()
	bare.Details = []*anypb.Any{
		{TypeUrl: "type.googleapis.com/google.rpc.ErrorInfo", Value: []byte{0xff}},
		{TypeUrl: "type.googleapis.com/of.the.Future", Value: []byte{8, 1}},
	}
	if got := failureFrom(status.FromProto(bare).Err(), nil); typeName(got.typed()) != "ServerError" || got.Reason != "" {
		t.Errorf("got %+v", got)
	}
}

func TestErrorOfAContextIsTheContexts(t *testing.T) {
	for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
		got := failureFrom(want, nil).typed()
		if !errors.Is(got, want) {
			t.Errorf("%v is not %v", got, want)
		}
	}
}
