"""The simulator's HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from tierwise_server.simulator.batches import PATH as BATCHES
from tierwise_server.simulator.batches import BatchDesk
from tierwise_server.simulator.compose import Composer
from tierwise_server.simulator.delivery import deliver
from tierwise_server.simulator.journal import CLIENT_LEFT, FAILED, STOPPED, Entry, Journal
from tierwise_server.simulator.replies import Reply
from tierwise_server.simulator.script import Script

LARGEST_BODY_BYTES: Final = 32 * 1024 * 1024
"""The API's request limit (https://platform.claude.com/docs/en/api/errors)."""

_SHUTDOWN_S: Final = 0.01
"""How long stop() lets responses run on: a stalled one would never end by itself."""


class Simulator:
    """A local server that speaks the Messages API, for demos, tests and CI.

        async with Simulator(script={"rules": [{"answer": "Hello."}]}) as simulator:
            client = AsyncAnthropic(base_url=simulator.base_url, api_key="any")

    The same seed and the same sequence of requests give the same response bodies, ids and usage included. It calls no
    network and spends nothing. Leaving the context closes every connection; entries still in flight end as
    `simulator_stopped`.

    Args:
        script: what it answers: a Script, a file, or plain values; None answers everything.
        seed: chooses generated text and ids; None takes the script's.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        journal_path: a file that gets one JSON line per request.

    Raises:
        ConfigurationError: something is wrong with the script; names every fault.
    """

    def __init__(
        self,
        script: Script | Mapping[str, Any] | Path | None = None,
        *,
        seed: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        journal_path: Path | None = None,
    ) -> None:
        self._script = _read(script)
        self._seed = self._script.seed if seed is None else seed
        self._composer = Composer(self._script, self._seed)
        self._journal = Journal(journal_path)
        self._batches = self._desk()
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._stopping = False

    @property
    def base_url(self) -> str:
        """The URL to give an SDK. Known once started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def journal(self) -> Journal:
        """What was served since the last reset."""
        return self._journal

    def reset(self) -> None:
        """Forget everything served: journal, rule counts, cached prefixes, repeats, batches."""
        self._journal.reset()
        self._composer.reset()
        self._batches = self._desk()

    def use(self, script: Script | Mapping[str, Any] | Path | None) -> None:
        """Answer later requests under another script, with fresh counts. The seed and the journal stay.

        Raises:
            ConfigurationError: something is wrong with the script; the old one stays.
        """
        self._script = _read(script)
        self._composer = Composer(self._script, self._seed)
        self._batches = self._desk()

    async def start(self) -> None:
        """Listen. Raises OSError if the address is taken or the journal cannot be written."""
        self._stopping = False
        self._journal.open_file()
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_S,
        )
        try:
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port, reuse_address=True).start()
        except BaseException:
            await runner.cleanup()
            self._journal.close_file()
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and the journal's file. Does nothing if not started."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._stopping = True
        try:
            await runner.cleanup()
        finally:
            self._journal.close_file()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _desk(self) -> BatchDesk:
        return BatchDesk(self._composer, self._journal, self._script.defaults.batch_s)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_BODY_BYTES)
        add = application.router.add_route
        add("POST", "/v1/messages", self._messages)
        add("POST", "/v1/messages/count_tokens", self._count_tokens)
        add("POST", BATCHES, self._create_batch)
        add("GET", BATCHES, self._list_batches)
        add("GET", BATCHES + "/{batch}", self._batch)
        add("GET", BATCHES + "/{batch}/results", self._batch_results)
        add("GET", "/v1/models", self._models)
        add("GET", "/v1/models/{model}", self._model)
        add("GET", "/simulator/health", self._health)
        add("GET", "/simulator/journal", self._show_journal)
        add("POST", "/simulator/reset", self._reset)
        add("*", "/{path:.*}", self._elsewhere)
        return application

    async def _serve(
        self, request: web.Request, compose: Callable[[Entry, bytes], Reply]
    ) -> web.StreamResponse:
        """Read, compose, deliver; whatever happens, the entry says so."""
        entry = self._journal.open(request.method, request.path, request.headers)
        outcome = FAILED
        try:
            try:
                reply = compose(entry, await request.read())
            except web.HTTPRequestEntityTooLarge:
                reply = self._composer.too_large(entry)
            response = await deliver(reply, request, entry, self._journal)
            outcome = reply.ending.value
        except asyncio.CancelledError:
            outcome = STOPPED if self._stopping else CLIENT_LEFT
            raise
        except ConnectionError:
            outcome = CLIENT_LEFT
            return web.Response()
        finally:
            self._journal.close(entry, outcome)
        return response

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(
            request, lambda entry, raw: self._composer.messages(entry, request.headers, raw)
        )

    async def _count_tokens(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(
            request, lambda entry, raw: self._composer.count_tokens(entry, request.headers, raw)
        )

    async def _models(self, request: web.Request) -> web.StreamResponse:
        lifecycle = [
            stage
            for key in ("lifecycle", "lifecycle[]")
            for value in request.query.getall(key, [])
            for stage in value.split(",")
        ]
        return await self._serve(
            request,
            lambda entry, _: self._composer.models(
                entry, request.headers, request.query, lifecycle
            ),
        )

    async def _model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["model"]
        return await self._serve(
            request, lambda entry, _: self._composer.model(entry, request.headers, name)
        )

    async def _create_batch(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(
            request,
            lambda entry, raw: self._batches.create(entry, request.headers, raw, self.base_url),
        )

    async def _list_batches(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(
            request,
            lambda entry, _: self._batches.listed(
                entry, request.headers, request.query, self.base_url
            ),
        )

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["batch"]
        return await self._serve(
            request,
            lambda entry, _: self._batches.status(entry, request.headers, name, self.base_url),
        )

    async def _batch_results(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["batch"]
        return await self._serve(
            request, lambda entry, _: self._batches.results(entry, request.headers, name)
        )

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, lambda entry, _: self._composer.elsewhere(entry))

    async def _health(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response(
            {"status": "ok", "seed": self._seed, "requests": len(self._journal)}
        )

    async def _show_journal(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response({"entries": [entry.as_json() for entry in self._journal]})

    async def _reset(self, request: web.Request) -> web.StreamResponse:
        del request
        self.reset()
        return web.Response(status=204)


def _read(script: Script | Mapping[str, Any] | Path | None) -> Script:
    if script is None:
        return Script()
    if isinstance(script, Script):
        return script
    return Script.load(script) if isinstance(script, Path) else Script.from_mapping(script)


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """How `tierwise simulate` was asked to run; None leaves a choice to the script or the system."""

    host: str = "127.0.0.1"
    port: int = 0
    script: Path | None = None
    seed: int | None = None
    journal: Path | None = None


async def run_simulator(options: SimulatorOptions, ready: Callable[[str], None]) -> None:
    """Serve until cancelled. `ready` gets the base URL once connections are taken.

    Raises:
        ConfigurationError: something is wrong with the script; names every fault.
        OSError: the address is taken, or the journal cannot be written.
    """
    simulator = Simulator(
        options.script,
        seed=options.seed,
        host=options.host,
        port=options.port,
        journal_path=options.journal,
    )
    async with simulator:
        ready(simulator.base_url)
        await asyncio.Event().wait()
