"""`tierwise demo`: the real server, the bundled simulator as upstream, and four tasks through the Python client."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from tierwise_client import (
    AsyncClient,
    AttemptStarted,
    AttemptSuperseded,
    CallKind,
    ConfidenceChecked,
    Event,
    GenerationSummary,
    StreamOptions,
    TextDelta,
)
from tierwise_server import __version__, app, config
from tierwise_server.cli import showing
from tierwise_server.simulator import Simulator
from tierwise_server.telemetry import SpanCollector, Telemetry, configure_logging, span_tree


@dataclass(frozen=True, slots=True)
class Scene:
    """One task of the demo."""

    title: str
    prompt: str
    options: StreamOptions


SCENES: Final = (
    Scene(
        "The table knows this one: the efficient tier answers",
        "Where is my parcel? I ordered on Monday.",
        {"task_type": "classify_intent"},
    ),
    Scene(
        "A cheap draft, checked and accepted",
        "Can I return a jacket after 20 days?",
        {"task_type": "generate_response", "escalation": True},
    ),
    Scene(
        "A cheap draft, shown live, doubted and withdrawn",
        "The same as last time, but better, please.",
        {
            "task_type": "interpret_ambiguous_request",
            "escalation": True,
            "draft_delivery": "LIVE",
        },
    ),
    Scene(
        "The table knows this one as well: the reasoning tier thinks first",
        "Two workers hang about once a day. Is this a deadlock? Here are both lock traces: ...",
        {"task_type": "debug_complex_error"},
    ),
)


def play() -> None:
    """Play every scene, on a server and a simulator of their own."""
    out = Console(highlight=False)
    logging = configure_logging("warning", stream=io.StringIO())
    try:
        asyncio.run(_play(out))
    finally:
        logging.close()


async def _play(out: Console) -> None:
    collector = SpanCollector()
    telemetry = Telemetry.from_environment({}, service_version=__version__, collector=collector)
    async with Simulator(_script()) as simulator:
        variables = {
            "ANTHROPIC_API_KEY": "none-needed-by-the-simulator",
            "TIERWISE_SERVER__LISTEN": "127.0.0.1:0",
            "TIERWISE_LEDGER__URL": "memory:",
            "TIERWISE_UPSTREAM__ANTHROPIC__BASE_URL": simulator.base_url,
        }
        settings = config.load(None, variables)
        async with app.build(settings, variables, telemetry=telemetry) as server:
            port = await server.listener.start()
            _introduce(out, port, simulator.base_url, server.engine.table.version)
            endpoint = f"127.0.0.1:{port}"
            async with AsyncClient(endpoint, tracer_provider=telemetry.tracer_provider) as client:
                for number, scene in enumerate(SCENES, 1):
                    await _play_scene(out, client, number, scene)
                    _draw_spans(out, collector)
            await server.listener.stop_now()
        _conclude(out, simulator)
    telemetry.shutdown(1.0)


def _script() -> Path:
    return Path(str(resources.files("tierwise_server") / "data" / "demo.toml"))


def _introduce(out: Console, port: int, upstream: str, table_version: str) -> None:
    out.print(f"[bold]tierwise {__version__}[/] serving on 127.0.0.1:{port}, table {table_version}")
    out.print(
        f"[yellow]The upstream is simulated[/] ({upstream}): answers come from a script, tokens and delays are"
        " the simulator's. Routing, checks, costs and spans are the real server's, measured in this run."
    )


async def _play_scene(out: Console, client: AsyncClient, number: int, scene: Scene) -> None:
    out.print()
    out.rule(f"[bold]{number}. {scene.title}", align="left", style="dim")
    out.print(Text(f"task type  {scene.options.get('task_type')}", style="dim"))
    out.print(Text(f"prompt     {scene.prompt}", style="dim"))
    screen = Screen(out)
    async with client.stream(scene.prompt, **scene.options) as stream:
        async for event in stream.events:
            screen.show(event)
        answer = stream.answer
    screen.line("", "")
    out.print(Text(showing.answer_line(answer), style="bold"))
    if len(answer.calls) > 1:
        out.print(showing.calls_table(answer))
    out.print(Text(_versus_frontier(answer), style="cyan"))


class Screen:
    """Writes streamed text and lines about it, each line on a line of its own."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._inside_line = False

    def show(self, event: Event) -> None:
        """Show one event as it happens."""
        match event:
            case TextDelta():
                style = "dim italic" if event.provisional else ""
                self._out.print(Text(event.text, style=style), end="", soft_wrap=True)
                self._inside_line = True
            case AttemptStarted():
                kind = "drafts" if event.kind is CallKind.DRAFT else "answers"
                self.line(f"> {event.tier} ({event.model}) {kind}", "green")
            case ConfidenceChecked():
                score = "unreadable" if event.score is None else f"{event.score} of 10"
                self.line(f"> check: {score}, {event.outcome.name.lower()}", "green")
            case AttemptSuperseded():
                self.line(f"> attempt {event.attempt} is withdrawn: its text is void", "bold red")
            case _:
                pass

    def line(self, text: str, style: str) -> None:
        """Write a whole line."""
        if self._inside_line:
            self._out.print()
        self._inside_line = False
        self._out.print(Text(text, style=style))


def _versus_frontier(answer: GenerationSummary) -> str:
    alone = {other.tier: other.cost_nano_usd for other in answer.counterfactuals}
    frontier = alone.get("frontier")
    if frontier is None or answer.cost is None:
        return "frontier alone: unknown"
    saved = frontier - answer.cost.total_nano_usd
    if saved == 0:
        return f"frontier alone: {showing.usd(frontier)}, the same"
    change = "less" if saved > 0 else "more"
    return f"frontier alone: {showing.usd(frontier)} (estimate); this cost {showing.usd(abs(saved))} {change}"


def _draw_spans(out: Console, collector: SpanCollector) -> None:
    spans = collector.spans()
    latest = spans[-1].trace_id if spans else ""
    for line in span_tree(collector.spans(latest)):
        out.print(Text(line, style="dim"), soft_wrap=True)


def _conclude(out: Console, simulator: Simulator) -> None:
    out.print()
    out.rule(style="dim")
    calls = sum(1 for _ in simulator.journal)
    out.print(
        f"{len(SCENES)} tasks, {calls} calls to the simulated upstream, every one accounted for."
    )
    out.print("Next: set ANTHROPIC_API_KEY and run [bold]tierwise serve[/].")
