"""`python -m tierwise_server`, and the `tierwise` command."""

from __future__ import annotations

import os
import sys

# grpc's core writes its own lines straight to standard error; ours say what matters, as JSON.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def main() -> None:
    """Run the command line; say in one line what to install where only the client is installed."""
    try:
        from tierwise_server.cli import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("tierwise"):
            raise
        sys.stderr.write(
            f"tierwise: the command needs {missing.name}; install it with: pip install 'tierwise[server]'\n"
        )
        raise SystemExit(2) from None
    run()


if __name__ == "__main__":
    main()
