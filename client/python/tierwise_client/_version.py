"""The client's version; one version covers the server, the contract and every language's client."""

from __future__ import annotations

__version__ = "0.1.0"
