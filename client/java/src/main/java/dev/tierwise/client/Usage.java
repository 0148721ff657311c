package dev.tierwise.client;

/**
 * Tokens of one call, or of many added up.
 *
 * @param message what it is read from
 */
public record Usage(dev.tierwise.v1.Usage message) {
    /** All input tokens: uncached, read from and written to the provider's prompt cache. */
    public long inputTokens() {
        return message.getInputTokens();
    }

    /** Of the input tokens, those read from the cache. */
    public long cacheReadTokens() {
        return message.getCacheReadTokens();
    }

    /** Of the input tokens, those written to the cache for five minutes. */
    public long cacheWriteTokens() {
        return message.getCacheWriteTokens();
    }

    /** Of the input tokens, those written to the cache for one hour. */
    public long cacheWrite1hTokens() {
        return message.getCacheWrite1HTokens();
    }

    /** All output tokens, thinking included. */
    public long outputTokens() {
        return message.getOutputTokens();
    }

    /** Of the output tokens, those spent on thinking. */
    public long reasoningTokens() {
        return message.getReasoningTokens();
    }
}
