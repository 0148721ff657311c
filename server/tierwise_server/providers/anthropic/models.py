"""What the models endpoint says of a model, in the core's words. Pure.

Source: `ModelInfo` and `ModelCapabilities` in the anthropic package. Read from the JSON, not from those
types, so that an effort level or a way to think that is new is seen, and what is odd is not believed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

from tierwise_server.core.model_facts import Lifecycle, ModelFacts

_Json: TypeAlias = dict[str, Any]

_LIFECYCLES = {stage.value: stage for stage in Lifecycle}


def facts_of(name: str, listed: object) -> ModelFacts:
    """The facts of the model that was asked for by `name`, which may be an alias and stays its id."""
    model = _object(listed)
    capabilities = _object(model.get("capabilities"))
    return ModelFacts(
        id=name,
        lifecycle=_LIFECYCLES.get(str(model.get("lifecycle")), Lifecycle.ACTIVE),
        retires_at_s=_unix_s(model.get("retires_at")),
        context_tokens=_count(model.get("max_input_tokens")),
        max_output_tokens=_count(model.get("max_tokens")),
        takes_structured_output=_flag(capabilities.get("structured_outputs")),
        efforts=_supported(capabilities.get("effort")),
        thinking_types=_supported(_object(capabilities.get("thinking")).get("types")),
    )


def _object(value: object) -> _Json:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _flag(value: object) -> bool | None:
    supported = _object(value).get("supported")
    return supported if isinstance(supported, bool) else None


def _supported(value: object) -> frozenset[str] | None:
    """The names that are supported, of an object that holds `{"supported": ...}` by name."""
    if not isinstance(value, dict):
        return None
    return frozenset(name for name, support in value.items() if _flag(support))


def _unix_s(value: object) -> int | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
