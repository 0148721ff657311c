"""Time that passes only when a test says so."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Clock:
    """A clock, and a sleep that moves it."""

    now_s: float = 100.0
    slept_s: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds
