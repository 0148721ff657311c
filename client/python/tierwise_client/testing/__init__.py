"""A tierwise server for tests: plays what it is told on a loopback port, and remembers what it was asked.

No model, no key, no event loop of its own: it serves the sync and the async client alike, and clients of other
languages too.

Example:
    from tierwise_client import Client
    from tierwise_client.testing import FakeServer, answered, failed

    with FakeServer() as server, Client(server.endpoint) as client:
        server.play(answered("Paris", tier="efficient"))
        assert client.generate("Capital of France?").text == "Paris"

        server.play(failed("RATE_LIMITED", retry_after_s=2.0))
        ...
        assert server.calls[0].request.messages[0].content[0].text.text == "Capital of France?"
"""

from __future__ import annotations

from tierwise_client.testing._failures import Failure, failed
from tierwise_client.testing._scripts import Hold, Script, Step, answered, escalated, routed
from tierwise_client.testing._server import FakeServer, ReceivedCall

__all__ = [
    "Failure",
    "FakeServer",
    "Hold",
    "ReceivedCall",
    "Script",
    "Step",
    "answered",
    "escalated",
    "failed",
    "routed",
]
