"""RouterService: one short method per RPC. Convert, call the engine, convert."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import grpc

from tierwise.v1 import router_pb2
from tierwise_server.core.account import RequestFailed
from tierwise_server.errors import Reason, RequestError
from tierwise_server.idempotency.base import Place
from tierwise_server.rpc.admission import Admission
from tierwise_server.rpc.repeating import REPLAYED, Replay, turn_of
from tierwise_server.rpc.requests import generate_task, route_task
from tierwise_server.rpc.responses import route_message
from tierwise_server.rpc.writer import EventWriter
from tierwise_server.telemetry.attributes import OTHER

if TYPE_CHECKING:
    from tierwise_server.core.account import Summary
    from tierwise_server.core.model import Task
    from tierwise_server.engine import Engine
    from tierwise_server.idempotency.base import AnswerStore
    from tierwise_server.rpc.guard import Guard, Rpc
    from tierwise_server.rpc.repeating import Write

SERVICE = router_pb2.DESCRIPTOR.services_by_name["RouterService"].full_name


@dataclass(slots=True)
class RouterService:
    """Answers Route and Generate with an engine.

    `engine` and `heartbeat_s` may be replaced at any time; a request keeps what it began with.
    """

    engine: Engine
    heartbeat_s: float = 10.0
    stall_s: float = 30.0
    admission: Admission = field(default_factory=Admission)
    answers: AnswerStore | None = None
    fail_open: bool = False

    def handler(self, guard: Guard) -> grpc.GenericRpcHandler:
        """Make the handler to register with a server; every method goes through `guard`."""
        methods = {
            "Route": guard.unary(f"{SERVICE}/Route", router_pb2.RouteRequest, self.route),
            "Generate": guard.stream(
                f"{SERVICE}/Generate", router_pb2.GenerateRequest, self.generate
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def route(self, request: router_pb2.RouteRequest, rpc: Rpc) -> router_pb2.RouteResponse:
        """Say where a task goes."""
        engine = self.engine
        plan, estimates = engine.route(_permitted(route_task(request), rpc))
        rpc.span.route_decided(plan)
        return route_message(plan, estimates, engine.prices.version)

    async def generate(self, request: router_pb2.GenerateRequest, rpc: Rpc) -> None:
        """Run a task, writing its events, if there is a place for it."""
        with self.admission.place():
            await self._generate(request, rpc)

    async def _generate(self, request: router_pb2.GenerateRequest, rpc: Rpc) -> None:
        task = generate_task(request)
        rpc.request_id = task.request_id
        rpc.facts.update(request_id=task.request_id, task_type=self._told(task.task_type))
        rpc.context.set_trailing_metadata((("x-request-id", task.request_id),))
        task = _permitted(task, rpc)
        place = Place(rpc.identity.tenant, rpc.identity.key_id, request.request_id)
        taking = turn_of(self.answers, place, request, rpc.context.write, fail_open=self.fail_open)
        async with taking as turn:
            if isinstance(turn, Replay):
                rpc.facts.update(replayed=True)
                rpc.context.set_trailing_metadata((("x-request-id", task.request_id), REPLAYED))
                await self._replay(turn, rpc)
            else:
                await self._run(task, turn, rpc)

    def _told(self, task_type: str) -> str:
        """A task type as the log says it: what the table does not know may hold anything."""
        return task_type if task_type in self.engine.table.rows else OTHER

    def _writer(self, write: Write) -> EventWriter:
        return EventWriter(write, heartbeat_s=self.heartbeat_s, stall_s=self.stall_s)

    async def _replay(self, replay: Replay, rpc: Rpc) -> None:
        """Send an answer again, to a reader who is given no more time than for a fresh one."""
        longest_s = self.engine.settings.max_request_s
        try:
            async with asyncio.timeout(longest_s), self._writer(rpc.context.write) as writer:
                await replay.to(writer.write)
        except TimeoutError:
            text = "the answer was not read in time"
            raise RequestError(Reason.DEADLINE_EXCEEDED, text) from None

    async def _run(self, task: Task, write: Write, rpc: Rpc) -> None:
        try:
            async with self._writer(write) as writer:
                summary = await self.engine.generate(
                    task,
                    writer,
                    rpc.span.observer(draft_delivery=task.draft_delivery),
                    payer=rpc.identity.payer,
                    time_left_s=rpc.time_left_s,
                    stopped=rpc.stopped,
                )
        except RequestFailed as error:
            _note(error.summary, rpc)
            raise
        _note(summary, rpc)


def _permitted(task: Task, rpc: Rpc) -> Task:
    """Bind a task to what its caller may use.

    Raises:
        RequestError: TASK_TYPE_NOT_ALLOWED.
    """
    rpc.identity.check_task_type(task.task_type)
    tiers = rpc.identity.tiers
    return task if tiers is None else replace(task, allowed_tiers=tiers)


def _note(summary: Summary, rpc: Rpc) -> None:
    cost = summary.cost
    rpc.facts.update(
        tier=summary.final.call.tier.name if summary.final else None,
        attempts=max((record.call.attempt for record in summary.records), default=0),
        cost_nano_usd=None if cost is None else cost.total_nano_usd,
        duration_s=round(summary.duration_s, 6),
    )
