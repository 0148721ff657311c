"""A collector that throws everything away: for measuring what telling it costs the teller."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import uvloop

from tests.bench.processes import pin


class Swallow(grpc.GenericRpcHandler):
    """Answers every call with an empty message, which says that all is well."""

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        async def handle(_: bytes, __: object) -> bytes:
            return b""

        return grpc.unary_unary_rpc_method_handler(handle)


async def main() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Swallow(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"ready http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    uvloop.run(main())
