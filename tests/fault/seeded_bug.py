"""What a seeded bug is: a small change of one place, and the test that must catch it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SERVER: Final = Path("server/tierwise_server")


@dataclass(frozen=True, slots=True)
class SeededBug:
    """One bug: `right` stands once in `file`, a path below the server's package, and becomes `wrong`."""

    name: str
    file: str
    right: str
    wrong: str
    caught_by: str

    @property
    def path(self) -> Path:
        """Where the bug goes, seen from the root of the project."""
        return SERVER / self.file

    def put_into(self, source: str) -> str:
        """Put the bug into a file's text.

        Raises:
            ValueError: the right text does not stand there exactly once.
        """
        count = source.count(self.right)
        if count != 1:
            raise ValueError(f"{self.name}: the right text stands {count} times in {self.file}")
        return source.replace(self.right, self.wrong)
