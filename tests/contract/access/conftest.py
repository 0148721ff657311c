"""What the contract tests of keys and limits share."""

from __future__ import annotations

from tests.postgres import postgres

__all__ = ["postgres"]
