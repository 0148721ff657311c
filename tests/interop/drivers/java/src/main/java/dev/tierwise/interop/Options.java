package dev.tierwise.interop;

import dev.tierwise.client.DraftDelivery;
import dev.tierwise.client.RunOptions;
import dev.tierwise.client.StreamOptions;
import dev.tierwise.client.TaskOptions;
import dev.tierwise.v1.GenerateRequest;
import dev.tierwise.v1.GenerationOptions;
import dev.tierwise.v1.RoutingOptions;

/** A request's fields as the client's options. */
final class Options {
    private Options() {}

    static <O extends TaskOptions<O>> O routed(
            O options,
            String taskType,
            String system,
            RoutingOptions routing,
            GenerationOptions generation) {
        options = options.withTaskType(taskType).withSystem(system);
        options = options.withTier(routing.getTier()).withMaxTier(routing.getMaxTier());
        options = options.withStopSequences(generation.getStopSequencesList());
        if (routing.hasEscalation()) {
            options = options.withEscalation(routing.getEscalation());
        }
        if (routing.hasConfidenceThreshold()) {
            options = options.withConfidenceThreshold(routing.getConfidenceThreshold());
        }
        if (routing.hasMaxCostNanoUsd()) {
            options = options.withMaxCostNanoUsd(routing.getMaxCostNanoUsd());
        }
        if (generation.hasMaxOutputTokens()) {
            options = options.withMaxOutputTokens(generation.getMaxOutputTokens());
        }
        if (generation.hasTemperature()) {
            options = options.withTemperature(generation.getTemperature());
        }
        return generation.hasTopP() ? options.withTopP(generation.getTopP()) : options;
    }

    static <O extends RunOptions<O>> O generated(O options, GenerateRequest request) {
        return routed(
                        options,
                        request.getTaskType(),
                        request.getSystem(),
                        request.getRouting(),
                        request.getGeneration())
                .withRequestId(request.getRequestId())
                .withLabels(request.getLabelsMap());
    }

    static StreamOptions streamed(GenerateRequest request) {
        StreamOptions options = generated(StreamOptions.DEFAULT, request);
        boolean live =
                request.getDraftDelivery() == dev.tierwise.v1.DraftDelivery.DRAFT_DELIVERY_LIVE;
        return live ? options.withDraftDelivery(DraftDelivery.LIVE) : options;
    }
}
