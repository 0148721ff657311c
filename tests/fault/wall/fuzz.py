"""Requests and streams that are broken at random: a hundred thousand of each."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.streams import GOLDEN, StreamReading, stream_reading
from tests.fault.wall.tally import Tally
from tests.house.tree import ROOT
from tests.serving import configured, failure_of, serving
from tests.spoiling import spoiled
from tierwise.v1 import message_pb2, router_pb2
from tierwise_server.providers.anthropic.stream import Broken, Errored, MessageStreamParser
from tierwise_server.providers.base import Completed
from tierwise_server.providers.scripted import ScriptedProvider, answer
from tierwise_server.rpc.service import SERVICE

AT_ONCE: Final = 16
SAVED: Final = ROOT / "build" / "fuzz"
FORBIDDEN: Final = {"UNKNOWN", "INTERNAL"}
TEXTS: Final = ("", "x", "日本\x00", "\x1b[31m", "a" * 5000, "efficient", "no_such", "../..", "\n")
NUMBERS: Final = (0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS: Final = (0.0, -0.0, 1.0, 0.5, -1.0, 1e308, float("nan"), float("inf"), float("-inf"))


def arbitrary(kind: Any, chance: random.Random, depth: int = 0) -> Any:
    """A message whose fields hold anything that their types allow."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if chance.random() < 0.4 or depth > 4:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for _ in range(chance.randint(0, 3)):
                getattr(message, field.name)[chance.choice(TEXTS)] = chance.choice(TEXTS)
        elif field.is_repeated:
            for _ in range(chance.randint(0, 3)):
                _add(message, field, chance, depth)
        elif field.message_type is not None:
            below = arbitrary(type(getattr(message, field.name)), chance, depth + 1)
            getattr(message, field.name).CopyFrom(below)
        else:
            setattr(message, field.name, _value(field, chance))
    return message


def _add(message: Any, field: Any, chance: random.Random, depth: int) -> None:
    repeated = getattr(message, field.name)
    if field.message_type is None:
        repeated.append(_value(field, chance))
    else:
        element = repeated.add()
        element.CopyFrom(arbitrary(type(element), chance, depth + 1))


def _value(field: Any, chance: random.Random) -> Any:
    match field.cpp_type:
        case field.CPPTYPE_STRING:
            text = chance.choice(TEXTS)
            return text.encode() if field.type == field.TYPE_BYTES else text
        case field.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case field.CPPTYPE_DOUBLE | field.CPPTYPE_FLOAT:
            return chance.choice(FLOATS)
        case field.CPPTYPE_ENUM:
            return chance.choice([0, 1, 2, 99, -1])
        case field.CPPTYPE_INT32:
            return chance.choice(NUMBERS[:5])
        case field.CPPTYPE_INT64:
            return chance.choice(NUMBERS)
        case _:
            return abs(chance.choice(NUMBERS[:4]))


def seeds() -> list[bytes]:
    """Well-formed requests of both methods to begin with."""
    block = message_pb2.ContentBlock(text=message_pb2.TextBlock(text="Where is my parcel? 日本"))
    message = message_pb2.Message(role=message_pb2.ROLE_USER, content=[block])
    request = router_pb2.GenerateRequest(
        task_type="answer_faq", system="Be brief.", messages=[message], labels={"team": "a"}
    )
    request.routing.max_tier = "frontier"
    request.routing.confidence_threshold = 0.7
    request.generation.stop_sequences.append("END")
    plain = router_pb2.GenerateRequest(task_type="classify_intent", messages=[message])
    return [request.SerializeToString(), plain.SerializeToString()]


def requests(chance: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield methods and payloads; every fifth is made field by field, the others by spoiling bytes."""
    whole = seeds()
    for number in range(count):
        method = "Generate" if number % 4 == 0 else "Route"
        kind = router_pb2.GenerateRequest if number % 4 == 0 else router_pb2.RouteRequest
        if number % 5 == 0:
            payload = arbitrary(kind, chance).SerializeToString()
            yield method, spoiled(payload, chance) if chance.random() < 0.3 else payload
        else:
            yield method, spoiled(chance.choice(whole), chance)


@scenario(
    "F33", "OK or a status with a reason; never UNKNOWN, INTERNAL, a crash or an unhandled error"
)
async def mutated_requests(tally: Tally) -> None:
    count = len(tally.times(100_000))
    unhandled: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: unhandled.append(str(context.get("message")))
    )
    provider = ScriptedProvider(lambda _: answer("9"))
    statuses: Counter[str] = Counter()
    failures: list[str] = []
    async with serving(None, configured(), providers={"anthropic": provider}) as served:
        methods = {
            "Route": served.channel.unary_unary(f"/{SERVICE}/Route"),
            "Generate": served.channel.unary_stream(f"/{SERVICE}/Generate"),
        }
        payloads = requests(tally.chance, count)

        async def client() -> None:
            for method, payload in payloads:
                status = await _status_of(methods[method], method, payload)
                statuses[status.partition(" ")[0]] += 1
                if status.partition(" ")[0] in FORBIDDEN or status.endswith(" "):
                    failures.append(_save("request", f"{method} {status}", payload))
                del provider.calls[:]

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(client())
        assert provider.open_streams == 0
    tally.count(count, failures + [f"unhandled: {text}" for text in unhandled])
    told = ", ".join(f"{status} {number}" for status, number in statuses.most_common())
    tally.detail = f"seed {tally.seed}: {told}"


async def _status_of(method: Any, name: str, payload: bytes) -> str:
    try:
        if name == "Route":
            await method(payload, timeout=20)
        else:
            async for _ in method(payload, timeout=20):
                pass
    except grpc.aio.AioRpcError as error:
        outcome = failure_of(error)
        return f"{outcome.status} {outcome.reason}"
    return "OK"


@scenario(
    "mutated streams",
    "whole, or a failure with a reason; never an exception, never an unbounded text",
)
async def mutated_streams(tally: Tally) -> None:
    count = len(tally.times(100_000))
    over_http = max(1, count // 10)
    ends: Counter[str] = Counter()
    for _ in range(count - over_http):
        body = spoiled(tally.chance.choice(GOLDEN).body, tally.chance)
        try:
            ends[_parsed(body, tally.chance)] += 1
        except Exception as error:
            tally.count(1, [_save("stream", repr(error), body)])
        else:
            tally.count(1)
    async with stream_reading() as reading:
        bodies = (spoiled(tally.chance.choice(GOLDEN).body, tally.chance) for _ in range(over_http))
        async with asyncio.TaskGroup() as tasks:
            for number in range(AT_ONCE):
                tasks.create_task(_reader(tally, reading, bodies, str(number)))
    told = ", ".join(f"{end} {number}" for end, number in ends.most_common())
    tally.detail = f"seed {tally.seed}; {over_http} over HTTP; of the others: {told}"


def _parsed(body: bytes, chance: random.Random) -> str:
    parser = MessageStreamParser()
    at = 0
    while at < len(body):
        size = chance.choice((1, 7, 100, 4096))
        parser.feed(body[at : at + size])
        at += size
    match parser.close():
        case Completed():
            assert b"message_stop" in body, "whole without message_stop"
            return "whole"
        case Errored():
            return "error event"
        case Broken(fault):
            return str(fault.value)


async def _reader(tally: Tally, reading: StreamReading, bodies: Iterator[bytes], name: str) -> None:
    for body in bodies:
        reading.upstream.bodies[name] = body
        with tally.run(f"stream {body.hex()[:100]}"):
            got = await reading.read({"x-body": name, "x-ending": "clean"})
            assert got.reason is None or got.reason.startswith("UPSTREAM_"), got
            assert got.reason is not None or b"message_stop" in body, got


def _save(kind: str, what: str, content: bytes) -> str:
    """Keep an input that failed; returns what to say of it."""
    SAVED.mkdir(parents=True, exist_ok=True)
    path: Path = SAVED / f"{kind}-{abs(hash(content)):x}.bin"
    path.write_bytes(content)
    return f"{what}: {path.relative_to(ROOT)}"
