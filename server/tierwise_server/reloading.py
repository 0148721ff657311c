"""Takes over a changed configuration while the server runs: all of it, or nothing.

A new table, new prices and new certificates are read and checked beside the ones in force and put in their place in one
step of the event loop. A request keeps the engine that it began with, so no request ever sees parts of two. What
cannot be used changes nothing and is told: a log line with every fault, a metric, and the health service's detail.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from tierwise_server.config import (
    Config,
    Source,
    Watched,
    fingerprints,
    load_again,
    waiting_for_restart,
    watched_files,
)
from tierwise_server.errors import ConfigurationError, Fault
from tierwise_server.rpc.certificates import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tierwise_server.engine import Engine
    from tierwise_server.rpc.listener import Listener
    from tierwise_server.rpc.service import RouterService
    from tierwise_server.telemetry import Telemetry

log = structlog.get_logger("tierwise.reload")


class Reloader:
    """Reads the configuration again when it is asked to, and when one of its files changed.

    Args:
        source: what to read.
        config: what is in force.
        service: whose engine is replaced.
        listener: whose certificates are replaced, and whose health service tells.
        telemetry: is told of tables and counts.
        engine_of: makes the engine for a configuration out of the one in force.
        certify: has the names in client certificates stand for whom a configuration says.
    """

    def __init__(
        self,
        source: Source,
        config: Config,
        *,
        service: RouterService,
        listener: Listener,
        telemetry: Telemetry,
        engine_of: Callable[[Engine, Config], Engine],
        certify: Callable[[Config], None],
    ) -> None:
        self._source = source
        self._started_with = self._config = config
        self._service = service
        self._listener = listener
        self._telemetry = telemetry
        self._engine_of = engine_of
        self._certify = certify
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have it reload as soon as it can. For signal handlers."""
        self._asked.set()

    async def watch(self) -> None:
        """Reload whenever it is asked or a file changed, until it is cancelled.

        A changed file is taken once it has stayed the same between two looks, so that writers can finish.
        """
        interval_s = self._config.server.watch_files_s or None
        watched = Watched({**await self._look(), **self._source.seen})
        while True:
            asked = await self._wait(interval_s)
            now = await self._look()
            if watched.settled(now) or asked:
                await self.reload()
                # What changed since the look before reading is a change still to come.
                watched.taken({**await self._look(), **now})

    async def reload(self) -> bool:
        """Read and take over; returns whether that went well. Never raises, whatever is read."""
        try:
            config, pair = await asyncio.to_thread(self._read)
            engine = self._engine_of(self._service.engine, config)
        except ConfigurationError as error:
            await self._refuse(error.faults)
            return False
        except Exception as error:
            log.exception("reload_broke")
            text = f"cannot be taken over: {type(error).__name__}"
            await self._refuse((Fault(str(self._source.path or "configuration"), text),))
            return False
        self._config = config
        service, server = self._service, config.server
        service.engine, service.heartbeat_s = engine, server.heartbeat_s
        service.admission.places = server.max_concurrent_requests
        self._certify(config)
        if pair is not None:
            self._listener.change_certificates(pair)
        self._telemetry.expect(engine.table)
        self._telemetry.reloads.table_loaded(engine.table.version)
        self._telemetry.reloads.reloaded()
        waiting = waiting_for_restart(self._started_with, config)
        log.info("reloaded", table_version=engine.table.version, needs_restart=list(waiting))
        await self._listener.tell_configuration(usable=True)
        return True

    def _read(self) -> tuple[Config, Pair | None]:
        config = load_again(self._source.path, self._source.environ)
        # Read once here, so that a faulty file is found before anything is replaced.
        config.price_book()
        return config, Pair.read(config.server.tls)

    async def _refuse(self, faults: Iterable[Fault]) -> None:
        version = self._service.engine.table.version
        log.error("reload_failed", faults=[str(f) for f in faults], table_version=version)
        self._telemetry.reloads.failed()
        await self._listener.tell_configuration(usable=False)

    async def _wait(self, interval_s: float | None) -> bool:
        try:
            async with asyncio.timeout(interval_s):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _look(self) -> dict[Path, str]:
        files = watched_files(self._source.path, self._config)
        return await asyncio.to_thread(fingerprints, files)
