package main

import (
	"tierwise.dev/client"
	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// A request's fields as the client's options.

type task interface {
	GetTaskType() string
	GetSystem() string
	GetRouting() *tierwisev1.RoutingOptions
	GetGeneration() *tierwisev1.GenerationOptions
}

func routeOptions(request task) []tierwise.RouteOption {
	options := []tierwise.RouteOption{
		tierwise.WithTaskType(request.GetTaskType()), tierwise.WithSystem(request.GetSystem()),
	}
	if routing := request.GetRouting(); routing != nil {
		options = append(options, tierwise.WithTier(routing.GetTier()), tierwise.WithMaxTier(routing.GetMaxTier()))
		options = given(options, routing.Escalation, tierwise.WithEscalation)
		options = given(options, routing.ConfidenceThreshold, tierwise.WithConfidenceThreshold)
		options = given(options, routing.MaxCostNanoUsd, tierwise.WithMaxCostNanoUSD)
	}
	if generation := request.GetGeneration(); generation != nil {
		options = append(options, tierwise.WithStopSequences(generation.GetStopSequences()...))
		options = given(options, generation.MaxOutputTokens, tierwise.WithMaxOutputTokens)
		options = given(options, generation.Temperature, tierwise.WithTemperature)
		options = given(options, generation.TopP, tierwise.WithTopP)
	}
	return options
}

func given[Value any](
	options []tierwise.RouteOption, value *Value, option func(Value) tierwise.RouteOption,
) []tierwise.RouteOption {
	if value == nil {
		return options
	}
	return append(options, option(*value))
}

func generateOptions(request *tierwisev1.GenerateRequest) []tierwise.GenerateOption {
	options := []tierwise.GenerateOption{
		tierwise.WithRequestID(request.GetRequestId()), tierwise.WithLabels(request.GetLabels()),
	}
	for _, option := range routeOptions(request) {
		options = append(options, option)
	}
	return options
}

func streamOptions(request *tierwisev1.GenerateRequest) []tierwise.StreamOption {
	var options []tierwise.StreamOption
	for _, option := range generateOptions(request) {
		options = append(options, option)
	}
	if request.GetDraftDelivery() == tierwisev1.DraftDelivery_DRAFT_DELIVERY_LIVE {
		options = append(options, tierwise.WithDraftDelivery(tierwise.DraftDeliveryLive))
	}
	return options
}
