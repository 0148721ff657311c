"""The Message Batches API: takes many requests at once, answers them after a while, and keeps the results.

Each request of a batch gets an entry of its own in the journal, with method BATCH and the batch's path, when the batch
ends; rules, usage and faults apply as to single requests, pace does not. Batches end by time: whoever asks for any
batch finds all those answered whose time has come, also those that nobody asks for any more.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tierwise_server.simulator.api_errors import ApiError, invalid
from tierwise_server.simulator.compose import Composer
from tierwise_server.simulator.journal import Entry, Journal
from tierwise_server.simulator.render import compact
from tierwise_server.simulator.replies import Reply, json_reply
from tierwise_server.simulator.validate import parse_body

PATH: Final = "/v1/messages/batches"
MOST_REQUESTS: Final = 100_000
_CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_USUAL_PAGE: Final = 20
_LARGEST_PAGE: Final = 1000
_EXPIRES: Final = timedelta(hours=24)


@dataclass(slots=True)
class _Batch:
    id: str
    created_at: datetime
    ready_s: float
    requests: tuple[tuple[str, dict[str, Any]], ...]
    headers: Mapping[str, str]
    results: tuple[dict[str, Any], ...] | None = None

    @property
    def path(self) -> str:
        return f"{PATH}/{self.id}"


class BatchDesk:
    """Holds the batches of one simulator.

    Args:
        composer: answers the requests.
        journal: gets their entries.
        delay_s: how long a batch takes.
    """

    def __init__(self, composer: Composer, journal: Journal, delay_s: float) -> None:
        self._composer = composer
        self._journal = journal
        self._delay_s = delay_s
        self._batches: list[_Batch] = []

    def create(self, entry: Entry, headers: Mapping[str, str], raw: bytes, base: str) -> Reply:
        """The reply to POST /v1/messages/batches."""

        def make() -> Reply:
            entry.kind = "batches"
            requests = _requests(parse_body(raw))
            batch = _Batch(
                id=f"msgbatch_01{len(self._batches):022d}",
                created_at=datetime.now(UTC),
                ready_s=time.monotonic() + self._delay_s,
                requests=requests,
                headers={name.lower(): value for name, value in headers.items()},
            )
            self._batches.append(batch)
            return json_reply(200, compact(self._shown(batch, base)))

        return self._composer.guarded(entry, headers, raw, make)

    def listed(
        self, entry: Entry, headers: Mapping[str, str], query: Mapping[str, str], base: str
    ) -> Reply:
        """The reply to GET /v1/messages/batches: newest first."""

        def page() -> Reply:
            entry.kind = "batches"
            limit = min(int(query.get("limit", _USUAL_PAGE)), _LARGEST_PAGE)
            newest = self._batches[::-1]
            ids = [batch.id for batch in newest]
            after = query.get("after_id")
            start = ids.index(after) + 1 if after in ids else 0
            shown = newest[start : start + limit]
            content = {
                "data": [self._shown(batch, base) for batch in shown],
                "has_more": start + len(shown) < len(newest),
                "first_id": shown[0].id if shown else None,
                "last_id": shown[-1].id if shown else None,
            }
            return json_reply(200, compact(content))

        return self._composer.guarded(entry, headers, b"list", page)

    def status(self, entry: Entry, headers: Mapping[str, str], name: str, base: str) -> Reply:
        """The reply to GET /v1/messages/batches/{id}."""

        def one() -> Reply:
            entry.kind = "batches"
            return json_reply(200, compact(self._shown(self._find(name), base)))

        return self._composer.guarded(entry, headers, name.encode(), one)

    def results(self, entry: Entry, headers: Mapping[str, str], name: str) -> Reply:
        """The reply to GET /v1/messages/batches/{id}/results: one JSON object a line."""

        def lines() -> Reply:
            entry.kind = "batches"
            batch = self._find(name)
            self._shown(batch, "")
            if batch.results is None:
                raise ApiError(404, f"results of {name} are not available yet")
            body = b"".join(compact(result) + b"\n" for result in batch.results)
            return json_reply(200, body)

        return self._composer.guarded(entry, headers, name.encode(), lines)

    def _find(self, name: str) -> _Batch:
        for batch in self._batches:
            if batch.id == name:
                return batch
        raise ApiError(404, f"message batch: {name}")

    def _end_what_is_due(self) -> None:
        for batch in self._batches:
            if batch.results is None and time.monotonic() >= batch.ready_s:
                batch.results = tuple(self._answer(batch, *one) for one in batch.requests)

    def _shown(self, batch: _Batch, base: str) -> dict[str, Any]:
        self._end_what_is_due()
        ended = batch.results is not None
        kinds = [result["result"]["type"] for result in batch.results or ()]
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        for kind in kinds:
            counts[kind] += 1
        counts["processing"] = 0 if ended else len(batch.requests)
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": _rfc3339(batch.created_at),
            "expires_at": _rfc3339(batch.created_at + _EXPIRES),
            "ended_at": _rfc3339(datetime.now(UTC)) if ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": f"{base}{batch.path}/results" if ended else None,
        }

    def _answer(self, batch: _Batch, custom_id: str, params: dict[str, Any]) -> dict[str, Any]:
        entry = self._journal.open("BATCH", batch.path, batch.headers)
        reply = self._composer.messages(entry, batch.headers, json.dumps(params).encode())
        entry.status = reply.status
        content = _content(reply)
        if reply.status != 200 or content is None:
            self._journal.close(entry, "completed")
            error = content or {
                "type": "error",
                "error": {"type": "api_error", "message": "failed"},
            }
            return {"custom_id": custom_id, "result": {"type": "errored", "error": error}}
        entry.incur(reply.bill, reply.output_tokens)
        self._journal.close(entry, "completed")
        content["usage"]["service_tier"] = "batch"
        return {"custom_id": custom_id, "result": {"type": "succeeded", "message": content}}


def _content(reply: Reply) -> dict[str, Any] | None:
    try:
        content = json.loads(b"".join(step.data for step in reply.steps))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _requests(body: Mapping[str, Any]) -> tuple[tuple[str, dict[str, Any]], ...]:
    listed = body.get("requests")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_REQUESTS:
        raise invalid(f"requests: List should have 1 to {MOST_REQUESTS} items")
    found: dict[str, dict[str, Any]] = {}
    for place, one in enumerate(listed):
        name, params = (one.get(key) if isinstance(one, dict) else None for key in _KEYS)
        if not isinstance(name, str) or not _CUSTOM_ID.fullmatch(name):
            raise invalid(f"requests.{place}.custom_id: String should match '{_CUSTOM_ID.pattern}'")
        if name in found:
            raise invalid(f"requests.{place}.custom_id: {name} is not unique")
        if not isinstance(params, dict):
            raise invalid(f"requests.{place}.params: Input should be an object")
        if params.get("stream"):
            raise invalid(f"requests.{place}.params.stream: batches do not stream")
        found[name] = params
    return tuple(found.items())


_KEYS: Final = ("custom_id", "params")


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
