"""A local HTTP server that speaks the Messages API, with fault switches: for the demo, for tests, for users' CI."""

from __future__ import annotations

from tierwise_server.simulator.journal import Entry, Journal
from tierwise_server.simulator.script import Rule, Script
from tierwise_server.simulator.server import Simulator, SimulatorOptions, run_simulator
from tierwise_server.simulator.tokens import estimate_tokens

__all__ = [
    "Entry",
    "Journal",
    "Rule",
    "Script",
    "Simulator",
    "SimulatorOptions",
    "estimate_tokens",
    "run_simulator",
]
