"""From a request to the reply it gets: validate, find the rule, write the answer, break it as told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final

from tierwise_server.errors import ConfigurationError
from tierwise_server.simulator.answers import write_answer
from tierwise_server.simulator.api_errors import ApiError, error_body, error_type, invalid
from tierwise_server.simulator.distort import distort_events, distort_message
from tierwise_server.simulator.instead import instead_of_answer
from tierwise_server.simulator.journal import Entry
from tierwise_server.simulator.matching import Matcher, Subject
from tierwise_server.simulator.models import ModelSpec, model_info
from tierwise_server.simulator.render import (
    Reported,
    compact,
    overridden,
    stream_bytes,
    stream_events,
)
from tierwise_server.simulator.replies import (
    STREAM_TYPE,
    Pace,
    Reply,
    Step,
    json_reply,
    paced,
    spoil,
)
from tierwise_server.simulator.requests import MessagesRequest, prompt_blocks, read_request
from tierwise_server.simulator.script import Kind, Rule, Script, read_switch
from tierwise_server.simulator.switches import (
    ContentType,
    FaultSwitch,
    Instead,
    InvalidJson,
    InvalidUtf8,
    OnBytes,
    OnEvents,
    SlowFirstToken,
)
from tierwise_server.simulator.tokens import PromptCache
from tierwise_server.simulator.validate import check_body, check_length, parse_body

FAULT_HEADER: Final = "x-simulator-fault"

_NO_RULE: Final = Rule()
_LARGEST_PAGE: Final = 1000
_USUAL_PAGE: Final = 20


class Composer:
    """Answers requests under one script. Holds all that a request can change for a later one."""

    def __init__(self, script: Script, seed: int) -> None:
        self._script = script
        self._seed = seed
        self._catalogue = script.catalogue()
        self._matcher = Matcher(script.rules)
        self._cache = PromptCache()
        self._repeats: Counter[bytes] = Counter()

    def reset(self) -> None:
        """Forget counts, cached prefixes and repeats: the next request is the first again."""
        self._matcher.reset()
        self._cache = PromptCache()
        self._repeats.clear()

    def messages(self, entry: Entry, headers: Mapping[str, str], raw: bytes) -> Reply:
        """The reply to POST /v1/messages."""
        return self.guarded(entry, headers, raw, lambda: self._message(entry, headers, raw))

    def count_tokens(self, entry: Entry, headers: Mapping[str, str], raw: bytes) -> Reply:
        """The reply to POST /v1/messages/count_tokens."""

        def count() -> Reply:
            body = parse_body(raw)
            entry.kind, entry.model = "count_tokens", str(body.get("model", ""))
            model = check_body(body, self._catalogue, counting=True)
            tokens = sum(block.tokens for block in prompt_blocks(body, model))
            return self._plain(entry, headers, {"input_tokens": tokens}, model)

        return self.guarded(entry, headers, raw, count)

    def models(
        self,
        entry: Entry,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        lifecycle: list[str],
    ) -> Reply:
        """The reply to GET /v1/models. Retired models are listed only if `lifecycle` asks for them."""

        def page() -> Reply:
            entry.kind = "models"
            wanted = lifecycle or ["active", "deprecated"]
            listed = [model for model in self._catalogue if model.lifecycle in wanted]
            return self._plain(entry, headers, _page(listed, query))

        return self.guarded(entry, headers, repr((sorted(query.items()), lifecycle)).encode(), page)

    def model(self, entry: Entry, headers: Mapping[str, str], name: str) -> Reply:
        """The reply to GET /v1/models/{id}."""

        def one() -> Reply:
            entry.kind, entry.model = "models", name
            model = self._catalogue.find(name)
            if model is None:
                raise ApiError(404, f"model: {name}")
            return self._plain(entry, headers, model_info(model), model)

        return self.guarded(entry, headers, name.encode(), one)

    def elsewhere(self, entry: Entry, message: str = "Not found") -> Reply:
        """The reply to anything else: 404."""
        entry.kind = "other"
        entry.request_id = self._identity("req_", entry.path, b"")
        return json_reply(404, error_body(error_type(404), message, entry.request_id))

    def too_large(self, entry: Entry) -> Reply:
        """The reply to a body over the size limit: 413."""
        entry.request_id = self._identity("req_", entry.path, b"")
        message = "Request exceeds the maximum size"
        return json_reply(413, error_body(error_type(413), message, entry.request_id))

    def guarded(
        self,
        entry: Entry,
        headers: Mapping[str, str],
        content: bytes,
        compose: Callable[[], Reply],
    ) -> Reply:
        """What `compose` makes for an authorised request, or the error that it raises instead."""
        entry.request_id = self._identity("req_", entry.path, content)
        try:
            _authorise(headers)
            return compose()
        except ApiError as error:
            kind = error_type(error.status)
            return json_reply(error.status, error_body(kind, error.message, entry.request_id))

    def _message(self, entry: Entry, headers: Mapping[str, str], raw: bytes) -> Reply:
        body = parse_body(raw)
        entry.model, entry.stream = str(body.get("model", "")), body.get("stream") is True
        request = read_request(body, check_body(body, self._catalogue))
        check_length(request)
        entry.kind = request.kind
        rule = self._rule(
            entry,
            Subject(
                request.kind,
                (request.model.id, request.named),
                request.stream,
                request.task_text,
                request.draft_text,
                request.system_text,
            ),
        )
        switch = _switch(entry, headers, rule)
        if isinstance(switch, Instead):
            reply = instead_of_answer(switch, entry.request_id)
        else:
            reported = self._reported(entry, request, rule, raw)
            reply = self._answered(entry, request, rule, reported, switch)
        return replace(reply, headers={**rule.headers, **reply.headers}) if rule.headers else reply

    def _reported(self, entry: Entry, request: MessagesRequest, rule: Rule, raw: bytes) -> Reported:
        model = request.model
        bill = self._cache.bill(model.id, request.blocks, model.cache_minimum_tokens)
        answer = write_answer(
            request, rule, self._script.defaults, self._seed, request.input_tokens
        )
        bill, answer = overridden(bill, answer, rule.usage)
        entry.message_id = self._identity("msg_", entry.path, raw)
        return Reported(entry.message_id, model.id, answer, bill, model.token_percent)

    def _answered(
        self,
        entry: Entry,
        request: MessagesRequest,
        rule: Rule,
        reported: Reported,
        switch: OnEvents | OnBytes | SlowFirstToken | None,
    ) -> Reply:
        pace = Pace.of(rule, self._script.defaults)
        if isinstance(switch, SlowFirstToken):
            pace = replace(pace, first_token_s=switch.delay_s)
        if request.stream:
            reply = _streamed(reported, pace, switch, entry.request_id)
        else:
            reply = _whole(reported, pace, switch)
        return spoil(reply, switch) if isinstance(switch, OnBytes) else reply

    def _plain(
        self,
        entry: Entry,
        headers: Mapping[str, str],
        payload: dict[str, Any],
        model: ModelSpec | None = None,
    ) -> Reply:
        """A JSON reply of an endpoint that answers no prompt; faults of answers leave it whole."""
        kind: Kind = "count_tokens" if entry.kind == "count_tokens" else "models"
        rule = self._rule(entry, Subject(kind, (model.id,) if model else ()))
        switch = _switch(entry, headers, rule)
        if isinstance(switch, Instead):
            return instead_of_answer(switch, entry.request_id)
        if isinstance(switch, (InvalidJson, InvalidUtf8)):
            return json_reply(200, distort_message(payload, switch))
        reply = json_reply(200, compact(payload))
        return spoil(reply, switch) if isinstance(switch, OnBytes) else reply

    def _rule(self, entry: Entry, subject: Subject) -> Rule:
        found = self._matcher.match(subject)
        if found is None:
            return _NO_RULE
        entry.rule, rule = found
        return rule

    def _identity(self, prefix: str, path: str, content: bytes) -> str:
        """An id that depends on the seed, on what is asked, and on how often it was asked before."""
        hashed = blake2b(content, digest_size=16, person=prefix.encode(), salt=b"")
        hashed.update(f"{self._seed} {path}".encode())
        self._repeats[hashed.digest()] += 1
        hashed.update(self._repeats[hashed.digest()].to_bytes(8, "big"))
        return f"{prefix}01{hashed.hexdigest()[:22]}"


def _authorise(headers: Mapping[str, str]) -> None:
    if not headers.get("x-api-key") and not headers.get("authorization"):
        raise ApiError(401, "x-api-key header is required")
    if not headers.get("anthropic-version"):
        raise invalid("anthropic-version: header is required")


def _switch(entry: Entry, headers: Mapping[str, str], rule: Rule) -> FaultSwitch | None:
    """The header's fault, or else the rule's."""
    switch = rule.fault
    text = headers.get(FAULT_HEADER)
    if text:
        try:
            switch = read_switch(text)
        except ConfigurationError as error:
            raise invalid(f"{FAULT_HEADER}: {'; '.join(map(str, error.faults))}") from None
    if switch is not None:
        entry.fault = switch.kind
    return switch


def _streamed(
    reported: Reported,
    pace: Pace,
    switch: OnEvents | OnBytes | SlowFirstToken | None,
    request_id: str,
) -> Reply:
    answer = reported.answer
    if pace.bursts and (switch is None or isinstance(switch, ContentType)):
        steps: tuple[Step, ...] = (Step(stream_bytes(reported), 0.0, answer.output_tokens),)
    else:
        events = stream_events(reported)
        if isinstance(switch, OnEvents):
            events = distort_events(events, switch, request_id)
        steps = tuple(paced(events, pace))
    return Reply(
        content_type=STREAM_TYPE,
        headers={"cache-control": "no-cache"},
        steps=steps,
        wait_s=pace.headers_s,
        bill=reported.bill,
        deltas=len(answer.content.text),
    )


def _whole(
    reported: Reported, pace: Pace, switch: OnEvents | OnBytes | SlowFirstToken | None
) -> Reply:
    message = reported.message()
    body = distort_message(message, switch) if isinstance(switch, OnEvents) else compact(message)
    deltas = len(reported.answer.content.text)
    waits = pace.headers_s + pace.first_token_s + pace.delta_s * max(deltas - 1, 0)
    reply = json_reply(200, body)
    return replace(
        reply,
        wait_s=waits,
        bill=reported.bill,
        output_tokens=reported.answer.output_tokens,
        deltas=deltas,
    )


def _page(models: list[ModelSpec], query: Mapping[str, str]) -> dict[str, Any]:
    try:
        limit = int(query.get("limit", _USUAL_PAGE))
    except ValueError:
        raise invalid("limit: Input should be a valid integer") from None
    if not 1 <= limit <= _LARGEST_PAGE:
        raise invalid(f"limit: Input should be between 1 and {_LARGEST_PAGE}")
    ids = [model.id for model in models]
    after, before = query.get("after_id"), query.get("before_id")
    start, stop = 0, len(models)
    if after in ids:
        start = ids.index(after) + 1
    if before in ids:
        stop = ids.index(before)
        start = max(start, stop - limit)
    shown = models[start:stop][:limit]
    more = start > 0 if before in ids else start + len(shown) < stop
    return {
        "data": [model_info(model) for model in shown],
        "has_more": more,
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
    }
