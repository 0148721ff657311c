"""Claude models by the Messages API. The only place that knows the Anthropic SDK."""

from __future__ import annotations

from tierwise_server.providers.anthropic.batches import AnthropicBatches
from tierwise_server.providers.anthropic.provider import DEFAULT_BASE_URL, AnthropicProvider
from tierwise_server.providers.anthropic.transport import Connections, Proxy

__all__ = ["DEFAULT_BASE_URL", "AnthropicBatches", "AnthropicProvider", "Connections", "Proxy"]
