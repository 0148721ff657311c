"""The real server, as `tierwise serve` composes it, in front of the upstream named by the second argument.

Further arguments are variables of its configuration, such as `TIERWISE_LEDGER__ENABLED=false`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import uvloop

from tests.bench.processes import pin
from tierwise_server import app, config
from tierwise_server.telemetry import configure_logging


async def main(upstream: str, more: Sequence[str]) -> None:
    variables = {
        "ANTHROPIC_API_KEY": "bench",
        "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
        "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": upstream,
        **dict(word.split("=", 1) for word in more),
    }
    settings = config.load(None, variables)
    configure_logging(settings.telemetry.log_level)
    async with app.build(settings, variables) as server:
        port = await server.listener.start()
        app.settle_interpreter()
        sys.stdout.write(f"ready 127.0.0.1:{port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    uvloop.run(main(sys.argv[2], sys.argv[3:]))
