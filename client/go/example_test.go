package tierwise_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"tierwise.dev/client"
	"tierwise.dev/client/tierwisetest"
)

func Example() {
	// A server that needs no model; a program of yours would call tierwise.New("").
	server, err := tierwisetest.NewFakeServer()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	server.Play(tierwisetest.Answered("Paris")...)

	client, err := tierwise.New(server.Endpoint())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	answer, err := client.Generate(context.Background(), tierwise.Text("Capital of France?"),
		tierwise.WithTaskType("answer_faq"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Text, answer.Tier, answer.Cost.USD())
	// Output: Paris efficient 0.00011
}

func ExampleStream_Events() {
	server, client := fake(tierwisetest.Escalated("Perhaps.", "Certainly.", true)...)
	defer server.Close()
	defer client.Close()

	stream, err := client.Stream(context.Background(), tierwise.Text("Is 2027 prime?"),
		tierwise.WithDraftDelivery(tierwise.DraftDeliveryLive))
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	shown := map[int]string{}
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		switch event := event.(type) {
		case tierwise.TextDelta:
			shown[event.Attempt] += event.Text
		case tierwise.AttemptSuperseded:
			fmt.Println("withdrawn:", shown[event.Attempt], event.Reason)
			delete(shown, event.Attempt)
		}
	}
	fmt.Println(shown)
	// Output:
	// withdrawn: Perhaps. LOW_CONFIDENCE
	// map[2:Certainly.]
}

func ExampleStream_Text() {
	server, client := fake(tierwisetest.Answered("Hello there")...)
	defer server.Close()
	defer client.Close()

	stream, err := client.Stream(context.Background(), tierwise.Text("Greet me."))
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	for text, err := range stream.Text() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(strings.ToUpper(text))
	}
	// Output: HELLO THERE
}

func ExampleTierwiseError() {
	server, client := fake(tierwisetest.Failure{Reason: "BUDGET_EXCEEDED", Message: "the cap is too low"})
	defer server.Close()
	defer client.Close()

	_, err := client.Generate(context.Background(), tierwise.Text("Hi"), tierwise.WithMaxCostUSD("0.000001"))
	var limit *tierwise.LimitError
	if errors.As(err, &limit) {
		fmt.Println(limit.Reason, limit.Message, limit.Started)
	}
	// Output: BUDGET_EXCEEDED the cap is too low false
}

func fake(steps ...tierwisetest.Step) (*tierwisetest.FakeServer, *tierwise.Client) {
	server, err := tierwisetest.NewFakeServer()
	if err != nil {
		log.Fatal(err)
	}
	server.Play(steps...)
	client, err := tierwise.New(server.Endpoint())
	if err != nil {
		log.Fatal(err)
	}
	return server, client
}
