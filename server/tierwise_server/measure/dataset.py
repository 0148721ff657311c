"""The user's own tasks: JSON lines, read so that a bad line is named and the rest is kept; sampled by task type.

One task a line:

    {"id": "t1", "task_type": "classify", "prompt": "...", "reference": "spam",
     "checks": [{"type": "exact", "value": "spam", "ignore_case": true}]}

`messages` (role and content) and `system` may stand in place of `prompt`.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tierwise_server.core.model import GenerationOptions, Message, Prompt, Role, Task
from tierwise_server.errors import Fault
from tierwise_server.measure.checks import Check

LONGEST_LINE_BYTES: Final = 16 * 1024 * 1024

_HASH_DIGITS: Final = 16

Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Turn(_Strict):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: Text


class SampleTask(_Strict):
    """One task of the sample.

    Attributes:
        id: names it; unique in the file.
        task_type: what kind of task it is, in the routing table's words.
        prompt: what is asked; or else `messages`.
        messages: a conversation that ends with the user's turn.
        system: the system prompt.
        reference: a good answer, shown to the judge and to reviewers, never to the models that are measured.
        checks: what a right answer passes, all of them; they decide before any judge.
        max_output_tokens: the answer's limit; without a value, the tier's.
    """

    id: Annotated[str, Field(min_length=1, max_length=200)]
    task_type: Annotated[str, Field(min_length=1, max_length=64)]
    prompt: Text | None = None
    messages: Annotated[tuple[Turn, ...], Field(strict=False, min_length=1)] | None = None
    system: str = ""
    reference: str | None = None
    checks: Annotated[tuple[Check, ...], Field(strict=False)] = ()
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("needs either prompt or messages")
        if self.messages is not None and self.messages[-1].role != "user":
            raise ValueError("messages must end with the user's turn")
        return self

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation, whichever way it was given."""
        return self.messages or (Turn(role="user", content=self.prompt or ""),)

    def task(self) -> Task:
        """The task as the engine sees it."""
        messages = tuple(Message(Role(turn.role), (turn.content,)) for turn in self.turns)
        return Task(
            task_type=self.task_type,
            prompt=Prompt(self.system, messages),
            generation=GenerationOptions(max_output_tokens=self.max_output_tokens),
            request_id=self.id,
        )

    def line(self) -> str:
        """The task as one line of JSON, the same whatever line it was read from."""
        content = self.model_dump(mode="json", exclude_defaults=True, by_alias=True)
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a file held: the tasks that could be read, and a fault, named by its line, for each line that could not."""

    tasks: tuple[SampleTask, ...]
    faults: tuple[Fault, ...]

    def by_type(self) -> dict[str, int]:
        """How many tasks there are of each type, in order of first appearance."""
        return dict(Counter(task.task_type for task in self.tasks))


def read_dataset(path: Path) -> Dataset:
    """Read a file of tasks; blank lines are skipped.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return parse_lines(file)


def parse_lines(lines: Iterable[bytes]) -> Dataset:
    """Read tasks from lines. Never raises for what a line holds."""
    tasks: list[SampleTask] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        task, wrong = _parse(line)
        if task is None:
            faults += [Fault(f"line {number}", message) for message in wrong]
        elif task.id in seen:
            message = f"id {task.id!r} was used on line {seen[task.id]}"
            faults.append(Fault(f"line {number}", message))
        else:
            seen[task.id] = number
            tasks.append(task)
    return Dataset(tuple(tasks), tuple(faults))


def _parse(line: bytes) -> tuple[SampleTask | None, tuple[str, ...]]:
    if len(line) > LONGEST_LINE_BYTES:
        return None, ("is longer than 16 MiB",)
    try:
        content = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        return None, ("is not UTF-8",)
    except (ValueError, RecursionError):
        return None, ("is not JSON",)
    try:
        return SampleTask.model_validate(content), ()
    except ValidationError as error:
        return None, tuple(_messages(error, content))


def _messages(error: ValidationError, content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        yield "must be a JSON object"
        return
    for item in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in item["loc"])
        said = item["msg"].removeprefix("Value error, ")
        yield f"{place}: {said}" if place else said


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def stratified(tasks: Sequence[SampleTask], size: int | None, seed: int) -> tuple[SampleTask, ...]:
    """Draw `size` tasks so that every task type has its share, and at least one while there is room.

    The same tasks, size and seed give the same sample, and a larger size one that holds it: tasks are drawn one by one,
    as `_turns` says, each the next of its type's shuffled tasks. None takes all. The result is in the file's order.
    """
    if size is None or size >= len(tasks):
        return tuple(tasks)
    groups: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        groups.setdefault(task.task_type, []).append(place)
    counts = {name: len(places) for name, places in groups.items()}
    for name, places in groups.items():
        rng = random.Random(f"{seed}:{name}")  # noqa: S311 - a reproducible sample, no secret
        rng.shuffle(places)
    chosen = [groups[name].pop() for name in itertools.islice(_turns(counts), size)]
    return tuple(tasks[place] for place in sorted(chosen))


def _turns(counts: Mapping[str, int]) -> Iterator[str]:
    """Whose turn it is: first each type's once, the largest first; then by the divisors 3, 5, 7, ... of Sainte-Lague.

    Dividing so, unlike rounding shares, never takes a place from a type when there are more to give (M. L. Balinski and
    H. P. Young, Fair Representation, 1982, on the Alabama paradox).
    """
    yield from sorted(counts, key=lambda name: (-counts[name], name))
    queue = [(-counts[name] / 3, name, 1) for name in counts if counts[name] > 1]
    heapq.heapify(queue)
    while queue:
        _, name, given = heapq.heappop(queue)
        yield name
        if given + 1 < counts[name]:
            heapq.heappush(queue, (-counts[name] / (2 * given + 3), name, given + 1))


def dataset_hash(tasks: Iterable[SampleTask]) -> str:
    """Fingerprint a set of tasks, whatever their order and however their lines were written."""
    hashed = hashlib.sha256()
    for line in sorted(task.line() for task in tasks):
        hashed.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return hashed.hexdigest()[:_HASH_DIGITS]
