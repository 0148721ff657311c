"""`tierwise route` and `tierwise generate`: one task from the command line, through the Python client."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from tierwise_client import (
    AttemptStarted,
    AttemptSuperseded,
    Client,
    ConfidenceChecked,
    Event,
    StreamOptions,
    TextDelta,
)
from tierwise_server.cli import showing

Text = Annotated[
    str, typer.Argument(help="The task's text; '-' reads it from standard input.", metavar="TEXT")
]
TaskType = Annotated[
    str, typer.Option("--task-type", "-t", help="What kind of task it is, e.g. classify_intent.")
]
Endpoint = Annotated[
    str | None,
    typer.Option(envvar="TIERWISE_ENDPOINT", help="The server; 127.0.0.1:50051 by default."),
]
System = Annotated[str, typer.Option(help="The system prompt.")]
PinnedTier = Annotated[str, typer.Option("--tier", help="Use this tier, whatever the table says.")]
MaxTier = Annotated[str, typer.Option(help="The strongest tier that may be used.")]
Escalation = Annotated[
    bool | None,
    typer.Option("--escalation/--no-escalation", help="Let a cheaper tier draft first, or never."),
]
Threshold = Annotated[
    float | None, typer.Option(min=0, max=1, help="The confidence, 0 to 1, that accepts a draft.")
]
MaxCost = Annotated[str | None, typer.Option("--max-cost", help="The most it may cost, in USD.")]


def route(
    text: Text = "",
    task_type: TaskType = "",
    system: System = "",
    tier: PinnedTier = "",
    max_tier: MaxTier = "",
    escalation: Escalation = None,
    threshold: Threshold = None,
    endpoint: Endpoint = None,
) -> None:
    """Say which tier a task would get, why, and what it would cost. Calls no model."""
    with Client(endpoint) as client:
        result = client.route(
            _read(text),
            task_type=task_type,
            system=system,
            tier=tier,
            max_tier=max_tier,
            escalation=escalation,
            confidence_threshold=threshold,
        )
    out = Console(highlight=False)
    for line in showing.decision_lines(result):
        out.print(line, markup=False)
    out.print(showing.estimates_table(result))


def generate(
    text: Text,
    task_type: TaskType = "",
    system: System = "",
    tier: PinnedTier = "",
    max_tier: MaxTier = "",
    escalation: Escalation = None,
    threshold: Threshold = None,
    max_cost: MaxCost = None,
    live: Annotated[
        bool, typer.Option("--live", help="Show drafts as they come; a withdrawn one is marked.")
    ] = False,
    endpoint: Endpoint = None,
) -> None:
    """Run a task and stream the answer to standard output; who answered and the bill go to standard error."""
    options: StreamOptions = {
        "task_type": task_type,
        "system": system,
        "tier": tier,
        "max_tier": max_tier,
        "escalation": escalation,
        "confidence_threshold": threshold,
        "max_cost_usd": max_cost,
        "draft_delivery": "LIVE" if live else "HELD",
    }
    notes = Console(stderr=True, highlight=False)
    with Client(endpoint) as client, client.stream(_read(text), **options) as stream:
        for event in stream.events:
            show_event(event, notes, live=live)
        sys.stdout.write("\n")
        sys.stdout.flush()
        notes.print(showing.answer_line(stream.answer), markup=False)


def show_event(event: Event, notes: Console, *, live: bool) -> None:
    """Write text to standard output, and with LIVE delivery what becomes of drafts to standard error."""
    match event:
        case TextDelta():
            sys.stdout.write(event.text)
            sys.stdout.flush()
        case AttemptStarted() if live and event.attempt > 1:
            notes.print(f"[attempt {event.attempt}: {event.model}]", markup=False)
        case ConfidenceChecked() if live:
            score = "unreadable" if event.confidence is None else f"{event.confidence:g}"
            notes.print(f"\n[confidence {score}, {event.outcome.name.lower()}]", markup=False)
        case AttemptSuperseded() if live:
            notes.print(f"[attempt {event.attempt} is withdrawn: its text is void]", markup=False)
        case _:
            pass


def _read(text: str) -> str:
    return sys.stdin.read() if text == "-" else text
