"""F28, F60, F61 and F70: the server as a program of its own, where its memory and its files can be seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import CANARIES, LABEL, Tally, Witness, secretive
from tests.integration import test_slow_reader
from tests.programs import Program, command, simulating, started
from tests.raw_grpc import framed, raw_caller
from tests.serving import KEY, Outcome, outcome_of
from tierwise.v1 import router_pb2_grpc
from tierwise_server.rpc.service import SERVICE

LONG: Final = {"words": 20_000, "deltas": 2_000, "stop_reason": "end_turn"}
MOST_GROWTH_MB: Final = 64


@dataclass
class Running:
    """A server and its upstream, each a process of its own."""

    server: Program
    endpoint: str
    upstream: str

    @property
    def memory_mb(self) -> float:
        """What the server holds of the machine's memory."""
        return self.memory_bytes / 1024**2

    @property
    def memory_bytes(self) -> int:
        """The same in bytes."""
        return int(self._status["VmRSS"].split()[0]) * 1024

    @property
    def threads(self) -> int:
        """How many threads it runs."""
        return int(self._status["Threads"])

    @property
    def files(self) -> int:
        """How many files it has open."""
        return len(list((self._proc / "fd").iterdir()))

    @property
    def _status(self) -> dict[str, str]:
        lines = (self._proc / "status").read_text(encoding="ascii").splitlines()
        return dict(line.split(":", 1) for line in lines)

    @property
    def _proc(self) -> Path:
        return Path(f"/proc/{self.server.process.pid}")

    async def ask(self) -> Outcome:
        async with grpc.aio.insecure_channel(self.endpoint) as channel:
            stub: Any = router_pb2_grpc.RouterServiceStub(channel)
            return await outcome_of(stub.Generate(secretive(), timeout=20))

    async def stopped(self, witness: Witness) -> int:
        """Ask it to end, search what it said, and return its exit code."""
        self.server.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.server.ended)
        witness.search("the log of a process", "".join(self.server.said))
        return code


@asynccontextmanager
async def programs(
    rules: Sequence[Mapping[str, Any]], files: int | None = None, **extra: str
) -> AsyncIterator[Running]:
    """Start both; `files` is how many files the server may hold."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps({"rules": [*rules]}), encoding="utf-8")
        with simulating("--script", str(script)) as upstream:
            variables = {
                "ANTHROPIC_API_KEY": KEY,
                "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
                "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": upstream,
                "TIERWISE_SERVER__DRAIN_DELAY_S": "0",
                **extra,
            }
            with started(serve_command(files), variables) as server:
                line = await asyncio.to_thread(server.until, "serving on ")
                yield Running(server, line.rpartition(" ")[2], upstream)


def serve_command(files: int | None) -> list[str]:
    """How a server is started, with a limit on its open files where one is given."""
    words = command("serve")
    return words if files is None else ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *words]


@scenario(
    "F28",
    "200 readers that stand still: memory grows by less than 64 MB, others are served; RESOURCE_EXHAUSTED "
    "CLIENT_TOO_SLOW and the place is free, for a fresh answer and for one that is sent again",
)
async def stalled_readers(tally: Tally) -> None:
    count = len(tally.times(200))
    async with programs([{**LONG}]) as run, contextlib.AsyncExitStack() as stack:
        body = framed(secretive().SerializeToString())
        for _ in range(5):
            await run.ask()
        before = run.memory_mb
        for _ in range(count):
            caller = await stack.enter_async_context(raw_caller(run.endpoint, window=4_000))
            await caller.call(f"/{SERVICE}/Generate", body)
        await asyncio.sleep(5.0 if tally.scale == 1 else 0.5)
        growth = run.memory_mb - before
        for _ in range(count):
            with tally.run():
                assert growth < MOST_GROWTH_MB, f"{growth:.0f} MB"
        with tally.run("another caller"):
            assert (await run.ask()).status == "OK"
        await stack.aclose()
        with tally.run("the end"):
            assert await run.stopped(tally.witness) == 0
    for check in (
        test_slow_reader.test_a_reader_that_stopped_is_given_up_and_told_its_bill,
        test_slow_reader.test_a_reader_of_an_answer_that_was_given_before_is_given_up_as_soon,
        test_slow_reader.test_an_answer_that_was_given_before_is_read_within_the_longest_request,
    ):
        for _ in tally.times(10):
            with tally.run(check.__name__):
                await check()
    tally.detail = f"{growth:.1f} MB more for {count} readers of 130 KB answers"


@contextlib.contextmanager
def deaf() -> Any:
    """An address that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1000)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@scenario(
    "F60",
    "calls as well as ever, and the end within the bound, with a collector that is deaf or down",
)
async def deaf_collector(tally: Tally) -> None:
    medians: dict[str, float] = {}
    with deaf() as silent:
        collectors = {"deaf": silent}
        if tally.scale == 1:
            collectors |= {"none": "", "down": "http://127.0.0.1:9"}
        for name, collector in collectors.items():
            extra = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector} if collector else {}
            async with programs([{"answer": "All is well."}], **extra) as run:
                took = []
                for _ in tally.times(200):
                    with tally.run(name):
                        began = time.monotonic()
                        assert (await run.ask()).status == "OK"
                        took.append(time.monotonic() - began)
                medians[name] = sorted(took)[len(took) // 2] * 1000
                with tally.run("the end"):
                    began = time.monotonic()
                    assert await run.stopped(tally.witness) == 0
                    assert time.monotonic() - began < 10
    tally.detail = "median ms: " + ", ".join(f"{k} {v:.1f}" for k, v in medians.items())


@scenario("F61", "calls go on while nobody reads the log")
async def unread_log(tally: Tally) -> None:
    async with programs([{"answer": "All is well."}], TIERWISE_TELEMETRY__LOG_LEVEL="debug") as run:
        # Far more lines than a pipe holds; nobody reads it until the end.
        for _ in tally.times(1000):
            with tally.run():
                assert (await run.ask()).status == "OK"
        with tally.run("the end"):
            assert await run.stopped(tally.witness) == 0


@scenario("F70", "full of connections it lives, and serves again when they are gone")
async def no_files_left(tally: Tally) -> None:
    async with programs([{"answer": "All is well."}], files=100) as run:
        for _ in tally.times(5):
            with tally.run():
                async with contextlib.AsyncExitStack() as stack:
                    for _ in range(150):
                        with contextlib.suppress(OSError):
                            await stack.enter_async_context(raw_caller(run.endpoint))
                    await asyncio.sleep(0.2)
                    assert run.server.process.poll() is None
                async with asyncio.timeout(20):
                    while (await run.ask()).status != "OK":  # noqa: ASYNC110 - nobody tells when it is
                        await asyncio.sleep(0.1)
        with tally.run("the end"):
            assert await run.stopped(tally.witness) == 0


def files_below(folder: str) -> list[Path]:
    """Every file in a folder."""
    return [path for path in Path(folder).rglob("*") if path.is_file()]


@scenario("F64", "nothing of prompts and answers is in any file or line of the server, by default")
async def kept_texts(tally: Tally) -> None:
    with tempfile.TemporaryDirectory() as home:
        async with programs([{"answer": "canary-answer"}], HOME=home, XDG_DATA_HOME=home) as run:
            for _ in tally.times(50):
                with tally.run():
                    assert (await run.ask()).status == "OK"
            with tally.run("the end"):
                assert await run.stopped(tally.witness) == 0
            said = "".join(run.server.said)
            with tally.run("the log"):
                assert not [word for word in (*CANARIES, "canary-answer") if word in said]
        files = files_below(home)
        # Labels are for the ledger: spending is told by them.
        secret = [word for word in (*CANARIES, "canary-answer") if word != LABEL]
        with tally.run("the files"):
            assert "ledger.sqlite3" in {path.name for path in files}
        for path in files:
            with tally.run(path.name):
                content = path.read_bytes()
                assert not [word for word in secret if word.encode() in content]
    tally.detail = f"{len(files)} files"
