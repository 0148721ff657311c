package dev.tierwise.client;

/** Why a model stopped. */
public enum FinishReason {
    /** Not set, or newer than this client; the message has the number. */
    UNSPECIFIED,
    /** The model finished its turn. */
    STOP,
    /** One of the stop sequences was written. */
    STOP_SEQUENCE,
    /** The output reached the most output tokens: the text is cut. */
    LENGTH,
    /** The model declined. */
    REFUSAL,
    /** The model's context window is full: the text is cut. */
    CONTEXT_WINDOW,
    /** The model asks for a tool. */
    TOOL_USE,
    /** The provider paused a long turn: the text is not whole. */
    PAUSE,
    /** Another one; {@link GenerationSummary#rawFinishReason()} has the provider's own word. */
    OTHER
}
