"""The bound on the tasks that run at once: whoever comes beyond it is told so at once, before anything is spent."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tierwise_server.errors import Reason, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RETRY_AFTER_S: Final = 1.0
"""When a caller that was turned away may come back; clients draw their own wait around it."""


class Admission:
    """So many places for running tasks. There is no queue: the provider has one, and a second would only add waiting.

    Args:
        places: tasks that run at once.
        shed: told of every task turned away. For metrics; must not raise.

    Attributes:
        places: may change at any time; tasks that run stay.
        running: tasks that run now; 0 when nothing leaked.
    """

    def __init__(self, places: int = 1000, *, shed: Callable[[], None] | None = None) -> None:
        self.places = places
        self._shed = shed
        self.running = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the block.

        Raises:
            RequestError: OVERLOADED, when there is none.
        """
        if self.running >= self.places:
            if self._shed is not None:
                self._shed()
            text = "the server runs as many tasks as it takes at once"
            raise RequestError(Reason.OVERLOADED, text, retry_after_s=RETRY_AFTER_S)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
