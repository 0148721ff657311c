"""Use the installed client where nothing of the server's extras is installed.

Every public name must be there, and a call to a port on which nobody listens must go through the
generated stub and end as the status that says so.
"""

from __future__ import annotations

import importlib.util
import socket
import sys

import grpc

import tierwise_client
from tierwise.v1 import router_pb2, router_pb2_grpc

ABSENT = ("anthropic", "opentelemetry", "pydantic", "typer")


def status_of_a_call_to_nobody() -> grpc.StatusCode:
    """Call a loopback port that is bound but does not listen, and return the status."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with grpc.insecure_channel(f"127.0.0.1:{bound.getsockname()[1]}") as channel:
            stub = router_pb2_grpc.RouterServiceStub(channel)
            try:
                stub.Route(router_pb2.RouteRequest(), timeout=30)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code
    return grpc.StatusCode.OK


def main() -> str | None:
    """Return what is wrong, or None."""
    present = [name for name in ABSENT if importlib.util.find_spec(name)]
    if present:
        return f"the client is not alone: {present} are installed"
    for name in tierwise_client.__all__:
        getattr(tierwise_client, name)
    status = status_of_a_call_to_nobody()
    if status is not grpc.StatusCode.UNAVAILABLE:
        return f"a call to nobody ended with {status}"
    print(
        f"tierwise_client {tierwise_client.__version__} works alone, on grpcio {grpc.__version__}"
    )
    return None


if __name__ == "__main__":
    sys.exit(main())
