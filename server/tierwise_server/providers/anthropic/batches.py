"""The Message Batches API: half the price, answers within a day.

Source: platform.claude.com/docs/en/build-with-claude/batch-processing, and `types/messages` in the anthropic package.
Replies are read from their JSON, as in `stream.py`, so that what the API adds later does no harm.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeAlias, cast

import httpx2
from anthropic import APIConnectionError, APIStatusError, AsyncAnthropic, AsyncStream

from tierwise_server.core.model import FinishReason
from tierwise_server.errors import UpstreamError
from tierwise_server.providers.anthropic import failures
from tierwise_server.providers.anthropic.request import request_body, request_headers
from tierwise_server.providers.anthropic.stream import FINISH_REASONS
from tierwise_server.providers.anthropic.usage import UsageMeter
from tierwise_server.providers.batches import BatchAnswer, BatchCall, BatchStatus

_Json: TypeAlias = dict[str, Any]

PATH: Final = "/v1/messages/batches"
PAGE: Final = 100
READ_TRIES: Final = 4
"""How often the SDK asks again when only reading; handing in is tried once."""
TIMEOUT_S: Final = 120.0


class AnthropicBatches:
    """The batches port on the Messages Batches API. Connects at the first call; `aclose` it at the end.

    Args:
        api_key: sent as it is, to `base_url` alone.
        base_url: where the API is.
    """

    def __init__(self, api_key: str, *, base_url: str) -> None:
        self._client = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=TIMEOUT_S,
            http_client=httpx2.AsyncClient(follow_redirects=False, timeout=TIMEOUT_S),
            default_headers={"accept-encoding": "identity"},
            open_telemetry=False,
        )
        self._reading = self._client.with_options(max_retries=READ_TRIES)

    async def submit(self, calls: Sequence[BatchCall]) -> BatchStatus:
        """Hand in a batch. See the port."""
        body = {"requests": [_request(one) for one in calls]}
        with _translated():
            reply = await self._client.post(
                PATH,
                body=body,
                cast_to=httpx2.Response,
                options={"headers": request_headers(calls[0].call)},
            )
        return _status(_object(reply))

    async def status(self, batch_id: str) -> BatchStatus:
        """Ask how far a batch is. See the port."""
        with _translated():
            reply = await self._reading.get(f"{PATH}/{batch_id}", cast_to=httpx2.Response)
        return _status(_object(reply))

    async def recent(self) -> AsyncIterator[BatchStatus]:
        """List batches, newest first. See the port."""
        after = ""
        while True:
            query = f"?limit={PAGE}" + (f"&after_id={after}" if after else "")
            with _translated():
                reply = await self._reading.get(f"{PATH}{query}", cast_to=httpx2.Response)
            page = _object(reply)
            for batch in page.get("data", ()):
                yield _status(batch)
            if not page.get("has_more") or not page.get("last_id"):
                return
            after = str(page["last_id"])

    async def results(
        self, batch_id: str
    ) -> AsyncIterator[tuple[str, BatchAnswer | UpstreamError]]:
        """Read an ended batch. See the port."""
        with _translated():
            stream = await self._reading.get(
                f"{PATH}/{batch_id}/results",
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=AsyncStream[Any],
            )
            # With this cast_to the SDK hands out the response itself, unread, which its types do not say.
            response = cast("httpx2.Response", stream)
            try:
                async for line in response.aiter_lines():
                    if line.strip():
                        yield _result(line)
            finally:
                await response.aclose()

    async def aclose(self) -> None:
        """Close every connection. See the port."""
        await self._client.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except APIStatusError as error:
        raise failures.status_failure(error) from None
    except (APIConnectionError, httpx2.RequestError) as error:
        raise failures.connection_failure(error) from None


def _request(one: BatchCall) -> _Json:
    params = json.loads(request_body(one.call))
    del params["stream"]
    return {"custom_id": one.name, "params": params}


def _object(reply: object) -> _Json:
    try:
        content = json.loads(cast("httpx2.Response", reply).content)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise failures.malformed("")
    return content


def _status(batch: _Json) -> BatchStatus:
    counts = batch.get("request_counts") or {}
    try:
        total = sum(int(count) for count in counts.values())
        return BatchStatus(
            id=str(batch["id"]),
            ended=batch["processing_status"] == "ended",
            done=total - int(counts.get("processing", 0)),
            total=total,
            created_at_s=datetime.fromisoformat(batch["created_at"]).timestamp(),
        )
    except (KeyError, TypeError, ValueError):
        raise failures.malformed("") from None


def _result(line: str) -> tuple[str, BatchAnswer | UpstreamError]:
    try:
        content = json.loads(line)
        name = str(content["custom_id"])
    except (KeyError, TypeError, ValueError):
        raise failures.malformed("") from None
    try:
        result = content["result"]
        if result["type"] == "succeeded":
            return name, _answer(result["message"])
        return name, _failure(result)
    except (AttributeError, KeyError, TypeError, ValueError):
        # It is known whose result cannot be read; those of the others can.
        return name, failures.malformed("")


def _answer(message: _Json) -> BatchAnswer:
    meter = UsageMeter()
    meter.start(message.get("usage"))
    meter.update(message.get("usage"))
    raw = str(message["stop_reason"])
    texts = [block["text"] for block in message["content"] if block["type"] == "text"]
    return BatchAnswer(
        response_id=str(message["id"]),
        text="".join(texts),
        finish_reason=FINISH_REASONS.get(raw, FinishReason.OTHER),
        raw_finish_reason=raw,
        usage=meter.final(),
    )


def _failure(result: _Json) -> UpstreamError:
    """A call that was not answered: an error, or the batch was cancelled or expired before its turn."""
    error = (result.get("error") or {}).get("error") or {}
    kind = str(error.get("type", "overloaded_error"))
    return failures.result_failure(kind, str(error.get("message", "")))
