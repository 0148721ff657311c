"""The page on which a person grades answers: one file, offline, blinded; and what it exports, read back.

The page names neither tiers nor models. Answers carry digests made with the run's own sample; the tool alone knows
which tier an answer is from.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tierwise_server.core.model import CallKind
from tierwise_server.errors import TierwiseError
from tierwise_server.measure.dataset import SampleTask, stratified
from tierwise_server.measure.grading import HIGHEST, LOWEST, labels_document
from tierwise_server.measure.journal import FILE, read_entries, write_atomically
from tierwise_server.measure.report import environment
from tierwise_server.measure.runfolder import LABELS_FILE, RunFolder
from tierwise_server.measure.state import RunState, answer_key

EXPORT_FORMAT: Final = "tierwise-review/1"
_DIGITS: Final = 16


class UnusableReview(TierwiseError):
    """An exported file cannot be read back; the message says why."""


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """An answer as the page shows it."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A task with its answers in a random order; equal answers are shown once."""

    task: SampleTask
    answers: tuple[ReviewAnswer, ...]


class _Label(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    answer: Annotated[str, Field(min_length=1, max_length=64)]
    score: Annotated[int, Field(ge=LOWEST, le=HIGHEST)]
    note: Annotated[str, Field(max_length=10_000)] = ""


class _Export(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    format: Literal["tierwise-review/1"]
    run: str
    reviewer: Annotated[str, Field(max_length=200)] = ""
    labels: Annotated[tuple[_Label, ...], Field(strict=False)]


def review_page(folder: RunFolder, size: int, seed: int) -> tuple[str, int]:
    """The page for a stratified sample of the tasks that no check decides; and how many tasks it holds.

    Tasks with a check are taken where there are no others, as a control of the checks.
    """
    state = RunState.of(read_entries(folder.path / FILE))
    open_tasks = [task for task in folder.tasks if not task.checks] or list(folder.tasks)
    answered = [task for task in open_tasks if _texts(folder, task, state)]
    chosen = stratified(answered, size, seed)
    items = tuple(_item(folder, task, state, seed) for task in chosen)
    template = environment().get_template("review.html")
    script = (Path(__file__).parent / "templates" / "review.js").read_text(encoding="utf-8")
    page = template.render(
        run=folder.settings.origin,
        dataset=folder.settings.dataset,
        items=items,
        scores=range(LOWEST, HIGHEST + 1),
        format=EXPORT_FORMAT,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )
    return page, len(items)


def read_export(folder: RunFolder, text: str) -> int:
    """Merge what a reviewer exported into the run's labels; returns how many answers were labelled.

    A reviewer's later word on an answer replaces the earlier one. Reading a file twice changes nothing.

    Raises:
        UnusableReview: it is no export, or of another run.
    """
    export = _parse(text)
    if export.run != folder.settings.origin:
        raise UnusableReview("the review is of another run")
    state = RunState.of(read_entries(folder.path / FILE))
    known = _places(folder, state)
    unknown = [label.answer for label in export.labels if label.answer not in known]
    if unknown:
        raise UnusableReview(
            f"the review grades {len(unknown)} answers that this run does not have"
        )
    path = folder.path / LABELS_FILE
    before = json.loads(path.read_text(encoding="utf-8"))["labels"] if path.exists() else []
    kept = {(one["reviewer"], one["task"], one["tier"]): one for one in before}
    for label in export.labels:
        for task, tier in known[label.answer]:
            kept[export.reviewer, task, tier] = {
                "reviewer": export.reviewer,
                "task": task,
                "tier": tier,
                "score": label.score,
                "note": label.note,
            }
    write_atomically(path, labels_document(list(kept.values())))
    return len(export.labels)


def _parse(text: str) -> _Export:
    try:
        return _Export.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnusableReview(
            f"no review was exported here: {place} {first['msg']}".strip()
        ) from None


def _item(folder: RunFolder, task: SampleTask, state: RunState, seed: int) -> ReviewItem:
    texts = _texts(folder, task, state)
    answers = [
        ReviewAnswer(_blind_id(folder, task.id, text), text)
        for text in dict.fromkeys(texts.values())
    ]
    random.Random(f"{seed} {task.id}").shuffle(answers)  # noqa: S311 - an order, no secret
    return ReviewItem(task, tuple(answers))


def _texts(folder: RunFolder, task: SampleTask, state: RunState) -> dict[str, str]:
    """Tier to its answer, of those that said something."""
    return dict(_answered(folder, task, state))


def _answered(folder: RunFolder, task: SampleTask, state: RunState) -> Iterator[tuple[str, str]]:
    for tier in folder.settings.tiers:
        entry = state.answered(answer_key(task.id, tier, CallKind.DIRECT))
        if entry is not None and entry["text"].strip():
            yield tier, entry["text"]


def _places(folder: RunFolder, state: RunState) -> dict[str, list[tuple[str, str]]]:
    """Answer id to the (task, tier) places that gave that answer."""
    found: dict[str, list[tuple[str, str]]] = {}
    for task in folder.tasks:
        for tier, text in _answered(folder, task, state):
            found.setdefault(_blind_id(folder, task.id, text), []).append((task.id, tier))
    return found


def _blind_id(folder: RunFolder, task: str, text: str) -> str:
    """Names an answer by what it says, so that equal answers of two tiers are graded once and alike."""
    content = f"{folder.settings.origin}\0{task}\0{text}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
