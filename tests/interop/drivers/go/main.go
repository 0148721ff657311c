// The Go driver: makes one call with the Go client for each line it reads (tests/interop/README.md).
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/encoding/protojson"

	"tierwise.dev/client"
	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// A call is one line of input.
type call struct {
	Call        string          `json:"call"`
	Read        string          `json:"read"`
	Endpoint    string          `json:"endpoint"`
	Request     json.RawMessage `json:"request"`
	APIKey      *string         `json:"api_key"`
	TimeoutS    float64         `json:"timeout_s"`
	Traceparent string          `json:"traceparent"`
	CancelAfter string          `json:"cancel_after"`
}

// ends is how a call ends: one of its keys.
type ends map[string]any

func main() {
	log.SetFlags(0)
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		if err := play(line); err != nil {
			log.Fatal(err)
		}
	}
}

func play(line []byte) error {
	var asked call
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		return err
	}
	ctx := propagation.TraceContext{}.Extract(
		context.Background(), propagation.MapCarrier{"traceparent": asked.Traceparent})
	if asked.TimeoutS > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(asked.TimeoutS*float64(time.Second)))
		defer cancel()
	}
	var options []tierwise.ClientOption
	if asked.APIKey != nil {
		options = append(options, tierwise.WithAPIKey(*asked.APIKey))
	}
	client, err := tierwise.New(asked.Endpoint, options...)
	if err != nil {
		return err
	}
	defer client.Close()
	end, err := asked.with(ctx, client)
	if err != nil {
		return err
	}
	return write("end", end)
}

// with makes the call. An error is a fault of the input.
func (c *call) with(ctx context.Context, client *tierwise.Client) (ends, error) {
	if c.Call == "Route" {
		request := &tierwisev1.RouteRequest{}
		if err := protojson.Unmarshal(c.Request, request); err != nil {
			return nil, err
		}
		result, err := client.Route(ctx, request.GetMessages(), routeOptions(request)...)
		return ended("response", result, err), nil
	}
	request := &tierwisev1.GenerateRequest{}
	if err := protojson.Unmarshal(c.Request, request); err != nil {
		return nil, err
	}
	switch c.Read {
	case "answer":
		answer, err := client.Generate(ctx, request.GetMessages(), generateOptions(request)...)
		return ended("answer", answer, err), nil
	case "events", "text":
		return c.stream(ctx, client, request)
	}
	return nil, fmt.Errorf("there is no call %q read as %q", c.Call, c.Read)
}

func (c *call) stream(
	ctx context.Context, client *tierwise.Client, request *tierwisev1.GenerateRequest,
) (ends, error) {
	stream, err := client.Stream(ctx, request.GetMessages(), streamOptions(request)...)
	if err != nil {
		return ended("", nil, err), nil
	}
	defer stream.Close()
	if c.Read == "text" {
		err = writeText(stream)
	} else {
		err = c.writeEvents(stream)
	}
	if err != nil {
		return nil, err
	}
	answer, err := stream.Answer()
	return ended("answer", answer, err), nil
}

func writeText(stream *tierwise.Stream) error {
	for text, err := range stream.Text() {
		if err != nil {
			break
		}
		if err := write("text", text); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) writeEvents(stream *tierwise.Stream) error {
	for event, err := range stream.Events() {
		if err != nil {
			break
		}
		kind := kindOf(event)
		if err := write("event", map[string]any{kind: event}); err != nil {
			return err
		}
		if kind == c.CancelAfter {
			stream.Cancel()
			c.CancelAfter = ""
		}
	}
	return nil
}

// kindOf returns the contract's name of an event: TextDelta is text_delta.
func kindOf(event tierwise.Event) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", event), "tierwise.")
	var kind strings.Builder
	for i, letter := range name {
		if i > 0 && letter >= 'A' && letter <= 'Z' {
			kind.WriteByte('_')
		}
		kind.WriteString(strings.ToLower(string(letter)))
	}
	return kind.String()
}

func ended(key string, value any, err error) ends {
	var failure *tierwise.TierwiseError
	switch {
	case err == nil:
		return ends{key: value}
	case errors.As(err, &failure):
		return ends{"error": described(err, failure)}
	default:
		return ends{"refused": err.Error()}
	}
}

func described(err error, failure *tierwise.TierwiseError) map[string]any {
	violations := []string{}
	for _, violation := range failure.FieldViolations {
		violations = append(violations, violation.Field)
	}
	var retryAfterS *float64
	if failure.RetryAfter != nil {
		seconds := failure.RetryAfter.Seconds()
		retryAfterS = &seconds
	}
	return map[string]any{
		"class":         strings.TrimPrefix(fmt.Sprintf("%T", err), "*tierwise."),
		"status":        failure.StatusName(),
		"reason":        failure.Reason,
		"message":       failure.Message,
		"retry_after_s": retryAfterS,
		"violations":    violations,
		"request_id":    failure.RequestID,
		"started":       failure.Started,
		"partial_text":  failure.PartialText,
		"summary":       failure.Summary,
	}
}

// write writes one line of output; standard output is not buffered.
func write(key string, value any) error {
	line, err := json.Marshal(map[string]any{key: value})
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(line, '\n'))
	return err
}
