"""What the contract tests of remembered answers share."""

from __future__ import annotations

from tests.postgres import postgres

__all__ = ["postgres"]
