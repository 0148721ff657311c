"""Who may come in: reads a call's credentials as gRPC and the web port carry them, and asks access/."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tierwise_server.access.gate import ANYBODY, Credentials, Gate, Identity
from tierwise_server.access.memory_limits import MemoryLimits
from tierwise_server.access.turnstile import Turnstile

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from grpc.aio import ServicerContext

    Context = ServicerContext[Any, Any]

__all__ = ["ANYBODY", "Entry", "Identity"]

_HEADER = "authorization"
_NAMES = "x509_subject_alternative_name"


class Entry:
    """Identifies callers and applies their limits. The default lets everybody in."""

    def __init__(self, gate: Gate | None = None, turnstile: Turnstile | None = None) -> None:
        self.gate = gate or Gate(None)
        self._turnstile = turnstile or Turnstile(MemoryLimits())

    async def identify(self, context: Context) -> Identity:
        """Tell who calls.

        Raises:
            RequestError: it may not come in, or that cannot be told now.
        """
        return ANYBODY if self.gate.is_open else await self.gate.identify(credentials_of(context))

    async def count(self, identity: Identity) -> None:
        """Count a call.

        Raises:
            LimitExceeded: the key has made as many as it may.
        """
        await self._turnstile.count(identity)

    def stream(self, identity: Identity) -> AbstractAsyncContextManager[None]:
        """Hold one of the caller's streams in the block.

        Raises:
            LimitExceeded: it holds as many as it may.
        """
        return self._turnstile.stream(identity)


def credentials_of(context: Context) -> Credentials:
    """Read what came with a call."""
    metadata: Iterable[tuple[str, str | bytes]] = context.invocation_metadata() or ()
    names = context.auth_context().get(_NAMES, ())
    return Credentials(
        tuple(value for name, value in metadata if name == _HEADER),
        tuple(name.decode("utf-8", "replace") for name in names),
    )
