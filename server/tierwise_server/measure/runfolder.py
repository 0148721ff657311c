"""A run's directory: what is measured, fixed when it is made, and the journal of what came of it.

run.json       what is measured, on which models, at which prices; written when it is made and when it grows
tasks.jsonl    the sampled tasks; the same
journal.jsonl  every call and outcome (journal.py)
labels.json    what human reviewers said, once they did
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Self

from tierwise_server import __version__
from tierwise_server.config.evidence import tier_facts
from tierwise_server.config.version import table_version
from tierwise_server.core.calibration import Calibration
from tierwise_server.core.confidence import CHECK_VERSION
from tierwise_server.core.table import Policy, RoutingTable
from tierwise_server.engine import EngineSettings
from tierwise_server.errors import TierwiseError
from tierwise_server.measure.dataset import SampleTask, dataset_hash, parse_lines
from tierwise_server.measure.journal import Journal, sync_folder, write_atomically

FORMAT: Final = 2
SETTINGS_FILE: Final = "run.json"
TASKS_FILE: Final = "tasks.jsonl"
LABELS_FILE: Final = "labels.json"


_LOOKS: Final = "the stated confidence is that of a single look"


class RunMismatch(TierwiseError):
    """A run directory was made for something else, or is none; the message says what differs."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run measures. Times are Unix seconds.

    Attributes:
        tiers: the measured tiers, weakest first.
        models: tier to the model that fills it.
        tier_facts: tier to everything of it that changes its answers or its confidences, as evidence keeps it.
        tiers_version: the fingerprint of tiers and models with all their settings.
        table: the rows in force for the sampled task types when the run was made.
        dataset_hash: the fingerprint of the whole file.
        sample_hash: the fingerprint of the sampled tasks.
        batched: whether answers come from the batches API, so that no latency is known.
        cautions: what readers of the report should know about the file.
        grown_from: the fingerprints of the samples that it had before, first to last.
        checks: what of the settings changes how drafts are checked and what that costs; None where it was not noted.
    """

    tiers: tuple[str, ...]
    models: Mapping[str, str]
    tier_facts: Mapping[str, Mapping[str, Any]]
    tiers_version: str
    table: Mapping[str, Policy]
    table_version: str
    price_book_version: str
    dataset: str
    dataset_hash: str
    sample_hash: str
    seed: int
    made_at_s: int
    batched: bool = False
    cautions: tuple[str, ...] = ()
    grown_from: tuple[str, ...] = ()
    checks: Mapping[str, Any] | None = None
    version: str = field(default=__version__)

    def to_json(self) -> str:
        """The settings as a JSON document."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            RunMismatch: it is of another format.
        """
        content = json.loads(text)
        if content.pop("format", None) != FORMAT:
            raise RunMismatch(f"the run is of another format than {FORMAT}: measure again")
        needed = [one.name for one in fields(cls) if one.default is MISSING]
        missing = [name for name in needed if name not in content]
        if missing:
            named = ", ".join(missing)
            raise RunMismatch(f"the run is of an earlier version, without {named}: measure again")
        table = {name: policy_from(row) for name, row in content.pop("table").items()}
        for name in ("tiers", "cautions", "grown_from"):
            content[name] = tuple(content.get(name, ()))
        return cls(table=table, **content)

    @property
    def origin(self) -> str:
        """Names the run for good, however it grows."""
        return (*self.grown_from, self.sample_hash)[0]

    def grown(self, wanted: RunSettings) -> RunSettings:
        """The settings for a larger sample: its fingerprints, rows for new task types, and a caution for readers."""
        looks = len(self.grown_from) + 2
        return replace(
            self,
            table={**wanted.table, **self.table},
            dataset=wanted.dataset,
            dataset_hash=wanted.dataset_hash,
            sample_hash=wanted.sample_hash,
            cautions=(*wanted.cautions, f"this is sample {looks} of a run that grew: {_LOOKS}"),
            grown_from=(*self.grown_from, self.sample_hash),
        )

    @property
    def made_at(self) -> dt.datetime:
        """When the run was made."""
        return dt.datetime.fromtimestamp(self.made_at_s, dt.UTC)


def policy_from(row: Mapping[str, Any]) -> Policy:
    """A policy from its plain form; its evidence is left out."""
    calibration = row.get("calibration")
    return Policy(
        cascade=tuple(row["cascade"]),
        threshold=row["threshold"],
        method=row["method"],
        calibration=calibration and {name: Calibration(**c) for name, c in calibration.items()},
    )


_USUAL: Final = EngineSettings()


def settings_for(
    table: RoutingTable,
    tasks: Sequence[SampleTask],
    *,
    price_book_version: str,
    dataset: str,
    whole_hash: str,
    seed: int,
    now: dt.datetime,
    batched: bool = False,
    checks: EngineSettings = _USUAL,
    cautions: Sequence[str] = (),
) -> RunSettings:
    """Describe a run of these tasks on every tier of the table."""
    rows = {}
    for task_type in sorted({task.task_type for task in tasks}):
        policy = table.rows.get(task_type, table.default)
        if policy is not None:
            rows[task_type] = Policy(
                policy.cascade, policy.threshold, policy.method, calibration=policy.calibration
            )
    return RunSettings(
        tiers=tuple(tier.name for tier in table.tiers),
        models={tier.name: tier.model.id for tier in table.tiers},
        tier_facts={
            tier.name: tier_facts(tier, structured_checks=checks.structured_checks)
            for tier in table.tiers
        },
        tiers_version=tiers_version(table),
        table=rows,
        table_version=table.version,
        price_book_version=price_book_version,
        dataset=dataset,
        dataset_hash=whole_hash,
        sample_hash=dataset_hash(tasks),
        seed=seed,
        made_at_s=int(now.timestamp()),
        batched=batched,
        cautions=tuple(cautions),
        checks=check_facts(checks),
    )


def check_facts(settings: EngineSettings) -> dict[str, Any]:
    """What of the settings changes how drafts are checked and what that costs, under the configuration's names."""
    return {
        "check.question": CHECK_VERSION,
        "check.structured": settings.structured_checks,
        "check.cache_prompt": settings.cache_prompts,
    }


def check_differences(made: RunSettings, wanted: Mapping[str, Any]) -> Iterator[str]:
    """Name each check setting that is not the run's."""
    held = made.checks or wanted
    yield from (f"{name} differs" for name in wanted if held.get(name) != wanted[name])


def tiers_version(table: RoutingTable) -> str:
    """Fingerprint the tiers and their models alone; fallbacks are never measured."""
    tiers = tuple(replace(tier, fallbacks=()) for tier in table.tiers)
    bare = RoutingTable("", tiers, {}, None, Policy(()), 0)
    return table_version(bare)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's directory, opened."""

    path: Path
    settings: RunSettings
    tasks: tuple[SampleTask, ...]

    @classmethod
    def make(cls, path: Path, settings: RunSettings, tasks: Sequence[SampleTask]) -> Self:
        """Make the directory, or open it when it was made for the same work; where tasks are only added, it grows.

        Raises:
            RunMismatch: it was made for other work; the message names each difference.
            RunInUse: it would grow, and another process works in it.
            OSError: it cannot be written.
        """
        if not (path / SETTINGS_FILE).exists():
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(path / TASKS_FILE, _lines(tasks))
            # Written last: a directory with settings is whole.
            write_atomically(path / SETTINGS_FILE, settings.to_json())
            sync_folder(path.parent)
            return cls(path, settings, tuple(tasks))
        opened = cls.open(path)
        differences = list(_differences(opened, settings, tasks))
        if differences:
            raise RunMismatch(f"{path} was made for other work: {'; '.join(differences)}")
        if opened.settings.sample_hash == settings.sample_hash:
            return opened
        return opened._grow(settings, tasks)

    def _grow(self, wanted: RunSettings, tasks: Sequence[SampleTask]) -> Self:
        grown = self.settings.grown(wanted)
        with Journal(self.path):
            # Opening finds either file's tasks named in the settings, so that this may break off in between.
            write_atomically(self.path / SETTINGS_FILE, grown.to_json())
            write_atomically(self.path / TASKS_FILE, _lines(tasks))
        return replace(self, settings=grown, tasks=tuple(tasks))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a run's directory.

        Raises:
            RunMismatch: it is none, or its tasks are not those it was made with.
        """
        try:
            settings = RunSettings.from_json((path / SETTINGS_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunMismatch(f"{path} is no run: it has no {SETTINGS_FILE}") from None
        except (ValueError, KeyError, TypeError):
            raise RunMismatch(f"{path / SETTINGS_FILE} cannot be read") from None
        with (path / TASKS_FILE).open("rb") as file:
            found = parse_lines(file)
        for fault in found.faults:
            raise RunMismatch(f"{path / TASKS_FILE}, {fault}: measure again without this task")
        held = dataset_hash(found.tasks)
        if held != settings.sample_hash and held == ("", *settings.grown_from)[-1]:
            before = settings.grown_from[:-1]
            settings = replace(settings, sample_hash=held, grown_from=before)
        if held != settings.sample_hash:
            raise RunMismatch(f"{path / TASKS_FILE} was changed since the run was made")
        return cls(path, settings, found.tasks)


def _lines(tasks: Sequence[SampleTask]) -> str:
    return "".join(task.line() + "\n" for task in tasks)


def _differences(
    made: RunFolder, wanted: RunSettings, tasks: Sequence[SampleTask]
) -> Iterator[str]:
    words = {
        "tiers_version": "the tiers or their models differ",
        "price_book_version": "the prices differ",
        "batched": "--batch differs",
    }
    if made.settings.sample_hash != wanted.sample_hash:
        yield from _lost_tasks(made.tasks, tasks)
    elif made.settings.dataset_hash != wanted.dataset_hash:
        yield "the tasks differ"
    for name, said in words.items():
        if getattr(made.settings, name) != getattr(wanted, name):
            yield said
    yield from check_differences(made.settings, wanted.checks or {})


def _lost_tasks(made: Sequence[SampleTask], wanted: Sequence[SampleTask]) -> Iterator[str]:
    """What keeps the wanted sample from being the one that was made, and more."""
    lines = {task.id: task.line() for task in wanted}
    gone = [task.id for task in made if task.id not in lines]
    changed = [task.id for task in made if lines.get(task.id, task.line()) != task.line()]
    if changed:
        yield f"the sample differs: {len(changed)} tasks were changed, such as {changed[0]!r}"
    if gone:
        yield (
            f"the sample differs: {len(gone)} of its {len(made)} tasks are not in this one, such as {gone[0]!r};"
            " a run may grow, not shrink"
        )
