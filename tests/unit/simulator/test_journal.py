from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tierwise_server.simulator.journal import STOPPED, Journal
from tierwise_server.simulator.tokens import InputBill

PATH = "/v1/messages"


def test_entries_keep_their_order_of_arrival() -> None:
    journal = Journal()
    first, second = journal.open("POST", PATH, {}), journal.open("GET", "/v1/models", {})
    journal.close(second, "completed")
    journal.close(first, "cut")
    assert [(entry.sequence, entry.outcome) for entry in journal] == [(0, "cut"), (1, "completed")]
    assert journal.messages == (first,)
    assert (journal.in_flight, len(journal), journal[-1]) == (0, 2, second)


def test_an_entry_ends_once() -> None:
    journal = Journal()
    entry = journal.open("POST", PATH, {})
    journal.close(entry, "client_left")
    journal.close(entry, "completed")
    assert entry.outcome == "client_left"
    assert entry.client_left_s == entry.ended_s is not None
    assert journal.in_flight == 0


def test_no_credential_is_recorded() -> None:
    headers = {"x-api-key": "secret", "authorization": "Bearer secret", "traceparent": "00-1"}
    entry = Journal().open("POST", PATH, headers)
    assert entry.headers == {"traceparent": "00-1"}
    assert "secret" not in json.dumps(entry.as_json())


def test_the_oldest_entries_fall_out() -> None:
    journal = Journal(capacity=2)
    for _ in range(3):
        journal.close(journal.open("POST", PATH, {}), "completed")
    assert [entry.sequence for entry in journal] == [1, 2]


def test_a_reset_journal_starts_again() -> None:
    journal = Journal()
    journal.close(journal.open("POST", PATH, {}), "completed")
    journal.reset()
    assert (len(journal), journal.open("POST", PATH, {}).sequence) == (0, 0)


def test_the_file_gets_one_line_per_ended_request(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.open_file()
    entry = journal.open("POST", PATH, {})
    entry.incur(InputBill(5, 4, 3, 2), 9)
    journal.close(entry, "completed")
    journal.open("POST", PATH, {})
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1
    journal.close_file()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["outcome"] for line in lines] == ["completed", STOPPED]
    told = lines[0]
    assert (told["input_tokens"], told["cache_read_input_tokens"]) == (5, 4)
    assert (told["cache_creation_input_tokens"], told["output_tokens"]) == (5, 9)


async def test_until_wakes_at_the_change_it_waits_for() -> None:
    journal = Journal()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(journal.until(lambda seen: len(seen) == 2))
        await asyncio.sleep(0)
        entry = journal.open("POST", PATH, {})
        await asyncio.sleep(0)
        assert not waiting.done()
        journal.open("POST", PATH, {})
        await waiting
        settled = tasks.create_task(journal.settled())
        journal.close(entry, "completed")
        await asyncio.sleep(0)
        assert not settled.done()
        journal.close(journal[1], "completed")
