package dev.tierwise.client;

import dev.tierwise.v1.GenerateRequest;
import dev.tierwise.v1.GenerationOptions;
import dev.tierwise.v1.RoutingOptions;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;

/**
 * Wishes about one call of any kind. What is not given is the server's to decide, and ranges are
 * the server's to judge: this side refuses only what cannot be put into a message. Immutable: each
 * method returns a changed copy.
 *
 * @param <O> the options of one kind of call
 */
public abstract sealed class TaskOptions<O extends TaskOptions<O>>
        permits RouteOptions, RunOptions {
    /** The options as a request without a conversation. */
    final GenerateRequest wishes;

    /** Null for the client's. */
    final Duration timeout;

    TaskOptions(GenerateRequest wishes, Duration timeout) {
        this.wishes = wishes;
        this.timeout = timeout;
    }

    abstract O with(GenerateRequest wishes, Duration timeout);

    O changed(Consumer<GenerateRequest.Builder> change) {
        GenerateRequest.Builder builder = wishes.toBuilder();
        change.accept(builder);
        return with(builder.build(), timeout);
    }

    private O routing(Consumer<RoutingOptions.Builder> change) {
        return changed(request -> change.accept(request.getRoutingBuilder()));
    }

    private O generation(Consumer<GenerationOptions.Builder> change) {
        return changed(request -> change.accept(request.getGenerationBuilder()));
    }

    /** Says what kind of task it is, e.g. "classify_intent"; the routing table gives it meaning. */
    public O withTaskType(String taskType) {
        return changed(request -> request.setTaskType(Unicode.checked(taskType, "the task type")));
    }

    /** Gives the system prompt. */
    public O withSystem(String system) {
        return changed(request -> request.setSystem(Unicode.checked(system, "the system prompt")));
    }

    /** Pins the tier; nothing escalates unless {@code withEscalation(true)} is given as well. */
    public O withTier(String tier) {
        return routing(routing -> routing.setTier(Unicode.checked(tier, "the tier")));
    }

    /** Names the strongest tier that may be used, now or by escalation. */
    public O withMaxTier(String tier) {
        return routing(routing -> routing.setMaxTier(Unicode.checked(tier, "the strongest tier")));
    }

    /** Says whether a cheaper tier may draft first; false never checks and never escalates. */
    public O withEscalation(boolean escalation) {
        return routing(routing -> routing.setEscalation(escalation));
    }

    /**
     * Sets the confidence, from 0 to 1, below which a draft is not accepted: "8 out of 10" is 0.8.
     */
    public O withConfidenceThreshold(double threshold) {
        return routing(routing -> routing.setConfidenceThreshold(threshold));
    }

    /** Caps what the request may cost, every check and discarded draft included. */
    public O withMaxCostNanoUsd(long nanoUsd) {
        return routing(routing -> routing.setMaxCostNanoUsd(nanoUsd));
    }

    /** Caps what the request may cost, in USD, rounded down to nano-USD. */
    public O withMaxCostUsd(BigDecimal usd) {
        return withMaxCostNanoUsd(Money.nanoUsd(usd));
    }

    /** Caps what the request may cost, in USD as a decimal such as "0.05". */
    public O withMaxCostUsd(String usd) {
        return withMaxCostUsd(new BigDecimal(usd));
    }

    /** Limits the output tokens of each answer call, thinking included. */
    public O withMaxOutputTokens(int tokens) {
        return generation(generation -> generation.setMaxOutputTokens(tokens));
    }

    /** Sets the sampling temperature, from 0 to 1; left out for models that reject it. */
    public O withTemperature(double temperature) {
        return generation(generation -> generation.setTemperature(temperature));
    }

    /** Sets the nucleus sampling mass, from 0 to 1; left out for models that reject it. */
    public O withTopP(double topP) {
        return generation(generation -> generation.setTopP(topP));
    }

    /** Gives texts that end the answer when the model writes them. */
    public O withStopSequences(String... sequences) {
        return withStopSequences(List.of(sequences));
    }

    /** Gives texts that end the answer when the model writes them. */
    public O withStopSequences(List<String> sequences) {
        sequences.forEach(sequence -> Unicode.checked(sequence, "a stop sequence"));
        return generation(
                generation -> generation.clearStopSequences().addAllStopSequences(sequences));
    }

    /**
     * Limits the time of this call, of a stream to its last event; wins over the client's, shorter
     * or longer.
     *
     * @param timeout above zero; {@link Client#NO_TIMEOUT} for none
     */
    public O withTimeout(Duration timeout) {
        return with(wishes, Client.checkedTimeout(timeout));
    }

    /** Prints the wishes as the message that they become. */
    @Override
    public String toString() {
        return getClass().getSimpleName() + "[" + wishes + "]";
    }
}
