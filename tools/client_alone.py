"""Use the installed client where nothing of the server's extras is installed.

Calls a port on which nobody listens: the call must end as the client's own typed error.
"""

from __future__ import annotations

import importlib.util
import socket
import sys

import tierwise_client

ABSENT = ("anthropic", "opentelemetry", "pydantic", "typer")


def free_port() -> int:
    """Return a loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def main() -> int:
    """Run from the command line."""
    present = [name for name in ABSENT if importlib.util.find_spec(name)]
    if present:
        print(f"not alone: {present} are installed", file=sys.stderr)
        return 1
    print(f"tierwise_client {tierwise_client.__version__} from {tierwise_client.__file__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
