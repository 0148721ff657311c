"""`tierwise keys` and `tierwise tenants` as programs: what they print, keep and refuse, beside a server and alone."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.programs import run, running
from tests.serving import variables
from tierwise_server.cli import command
from tierwise_server.errors import ConfigurationError
from tierwise_server.ledger.sqlite import DATABASE_FILE


def asked(*words: str, environ: dict[str, str]) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(command, words, env=environ)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"TIERWISE_LEDGER__DIRECTORY": str(tmp_path / "data")}


def test_a_key_is_printed_once_and_alone(environ: dict[str, str], tmp_path: Path) -> None:
    done = run("keys", "create", "--tenant", "acme", environ=environ)
    assert done.returncode == 0
    (key,) = done.stdout.splitlines()
    assert key.startswith("tw_")
    assert key not in done.stderr
    secret = key.split("_")[2]
    for words in (("list",), ("list", "--json"), ("show", key.split("_")[1])):
        assert secret[:12] not in run("keys", *words, environ=environ).stdout
    files = list((tmp_path / "data").iterdir())
    assert not [file for file in files if secret[:12].encode() in file.read_bytes()]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


def test_what_cannot_be_read_is_told_beside_what_can(
    environ: dict[str, str], tmp_path: Path
) -> None:
    good, bad = (
        run("keys", "create", "--tenant", "acme", environ=environ).stdout.split("_")[1]
        for _ in range(2)
    )
    run("tenants", "set", "acme", "--budget-day", "1", environ=environ)
    with closing(sqlite3.connect(tmp_path / "data" / DATABASE_FILE)) as connection:
        connection.execute("UPDATE access_key SET tiers = 'x' WHERE key_id = ?", (bad,))
        connection.execute("UPDATE access_tenant SET day_nano_usd = 'x'")
        connection.commit()
    listed = run("keys", "list", "--json", environ=environ)
    assert [row["key_id"] for row in json.loads(listed.stdout)] == [good]
    assert f"key {bad} cannot be read and is refused" in listed.stderr
    assert f"key {bad} cannot be read" in run("keys", "show", bad, environ=environ).stderr
    tenants = run("tenants", "list", "--json", environ=environ)
    assert json.loads(tenants.stdout)[0]["budget_day_nano_usd"] == 0
    assert "the budgets of acme cannot be read and are 0" in tenants.stderr
    assert run("keys", "revoke", bad, environ=environ).returncode == 0


def test_json_says_everything_in_whole_nano_usd(environ: dict[str, str]) -> None:
    words = "--tenant acme --name app --tier frontier --tier efficient --rpm 60 --streams 4"
    money = "--budget-day 2.5 --budget-month 0.000000001 --expires 2099-01-31 --json"
    done = asked("keys", "create", *words.split(), *money.split(), environ=environ)
    made = json.loads(done.stdout)
    assert made.pop("key").split("_")[1] == made["key_id"]
    (listed,) = json.loads(asked("keys", "list", "--json", environ=environ).stdout)
    assert made == listed
    made.pop("key_id"), made.pop("created_at")
    assert made == {
        "tenant": "acme",
        "name": "app",
        "state": "active",
        "expires_at": "2099-01-31T00:00:00Z",
        "revoked_at": None,
        "tiers": ["efficient", "frontier"],
        "task_types": None,
        "requests_per_minute": 60,
        "streams": 4,
        "budget_day_nano_usd": 2_500_000_000,
        "budget_month_nano_usd": 1,
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--tenant acme --tier best", "--tier: there is no tier 'best'"),
        ("--tenant acme --budget-day lots", "--budget-day: is no amount in USD"),
        ("--tenant acme --budget-day nan", "--budget-day: is no amount in USD"),
        ("--tenant acme --budget-day=-1", "--budget-day: must be from 0"),
        ("--tenant acme --budget-month 0.0000000001", "--budget-month: must be from 0"),
        ("--tenant acme --budget-month 1e30", "--budget-month: must be from 0"),
        ("--tenant acme --expires soon", "--expires: is neither"),
        ("--tenant acme --expires 2001-01-01", "--expires: is past"),
        ("--tenant= ", "--tenant: must be 1 to 64 printable characters"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_made(
    words: str, told: str, environ: dict[str, str]
) -> None:
    done = asked("keys", "create", *words.split(), environ=environ)
    assert isinstance(done.exception, ConfigurationError)
    assert told in str(done.exception)
    assert not done.stdout
    assert asked("keys", "list", environ=environ).stdout.strip() == "none"


def test_without_a_place_for_keys_that_is_said() -> None:
    done = run("keys", "list", environ={"TIERWISE_LEDGER__ENABLED": "false"})
    assert done.returncode == 2
    assert "ledger.enabled: is off, so there is no place for keys" in done.stderr


def test_an_id_that_is_not_there_is_not_repeated(environ: dict[str, str]) -> None:
    for word in ("revoke", "show"):
        done = run("keys", word, "tw_pasted_by_mistake", environ=environ)
        assert done.returncode == 1
        assert "there is no key with that id" in done.stderr
        assert "pasted" not in done.stdout + done.stderr


def test_a_tenants_budgets_replace_those_before(environ: dict[str, str]) -> None:
    asked("tenants", "set", "acme", "--budget-day", "1", environ=environ)
    asked("tenants", "set", "acme", "--budget-month", "2", environ=environ)
    (tenant,) = json.loads(asked("tenants", "list", "--json", environ=environ).stdout)
    assert tenant == {
        "tenant": "acme",
        "keys": 0,
        "budget_day_nano_usd": None,
        "budget_month_nano_usd": 2_000_000_000,
    }


def test_a_server_that_others_can_reach_refuses_calls_until_the_first_key(
    environ: dict[str, str],
) -> None:
    reachable = {
        **variables("http://127.0.0.1:1"),
        **environ,
        "TIERWISE_SERVER__LISTEN": "0.0.0.0:0",
        "TIERWISE_SERVER__ALLOW_INSECURE_BIND": "true",
    }
    with running("serve", **reachable) as server:
        port = server.until("serving on ").rpartition(":")[2]
        asking = {"TIERWISE_ENDPOINT": f"127.0.0.1:{port}"}
        assert "MISSING_CREDENTIALS" in run("route", "Hello", environ=asking).stderr
        key = run("keys", "create", "--tenant", "acme", environ=environ).stdout.strip()
        done = run("route", "Hello", environ=asking, TIERWISE_API_KEY=key)
        assert done.returncode == 0, done.stderr
