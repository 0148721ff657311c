"""A server in a process of its own, to be killed: it sends the beginning of an answer and then nothing."""

from __future__ import annotations

import sys
import threading

from tierwise_client.testing import FakeServer, Hold, answered

if __name__ == "__main__":
    with FakeServer() as server:
        server.play([*answered("Hello")[:3], Hold()])
        sys.stdout.write(f"{server.endpoint}\n")
        sys.stdout.flush()
        threading.Event().wait()
