"""docs/guides/keys.md works as it is written: every command beside a running server, and the figures are the code's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme
import typer

from tests.docs.pages import blocks
from tests.house.tree import ROOT
from tests.programs import environment, run, running, simulating
from tests.serving import variables
from tierwise_server.access.gate import Credentials, Gate
from tierwise_server.access.ring import GRACE_S, REFRESH_S, REVOKED_WITHIN_S
from tierwise_server.access.rules import LEASE_S
from tierwise_server.access.secret import PATTERN, new_key
from tierwise_server.cli import command
from tierwise_server.config import examine

GUIDE = "docs/guides/keys.md"
PAGE = (ROOT / GUIDE).read_text(encoding="utf-8")
SHELL = blocks("shell", GUIDE)


def shell(code: str, environ: dict[str, str]) -> str:
    """Run a block with `tierwise` on the path; return what it printed."""
    programs = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        env={**environment(environ), "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_works_beside_a_running_server(tmp_path: Path) -> None:
    file = tmp_path / "tierwise.toml"
    file.write_text(blocks("toml", GUIDE)[0].code)
    create, route, manage, tenants = (block.code for block in SHELL)
    with simulating() as upstream:
        environ = {**variables(upstream), "TIERWISE_CONFIG": str(file)}
        with running("serve", **environ) as server:
            environ["TIERWISE_ENDPOINT"] = server.until("serving on ").rpartition(" ")[2]
            key = shell(create, environ).strip()
            assert re.fullmatch(PATTERN, key)
            assert "efficient" in shell(route, {**environ, "KEY": key})
            # The first key closes an open server within a second.
            time.sleep(REFRESH_S)
            refused = run("route", "Hello", environ=environ, TIERWISE_API_KEY=new_key())
            assert refused.returncode
            assert "INVALID_CREDENTIALS" in refused.stderr
            key_id = key.split("_")[1]
            listed = shell(manage, {**environ, "KEY_ID": key_id})
            assert key_id in listed
            assert key.split("_")[2] not in listed
            assert "300.000000" in shell(tenants, environ)
            state = json.loads(run("keys", "show", key_id, "--json", environ=environ).stdout)
            assert state["state"] == "revoked"
            assert (tmp_path / "data").is_dir()


def test_the_figures_are_the_codes() -> None:
    assert f"within {REVOKED_WITHIN_S:g} seconds" in PAGE
    assert f"another\n{GRACE_S:g} seconds" in PAGE
    assert f"after {LEASE_S:g} seconds" in PAGE
    assert PATTERN.replace("(", "").replace(")", "") in PAGE


def test_the_table_of_options_is_the_commands() -> None:
    rows = re.findall(r"^\| (`--.+?) \|", PAGE, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(--[a-z-]+)`", row)}
    group = typer.main.get_command(command)
    made = group.commands["keys"].commands["create"]  # type: ignore[attr-defined]  # it is a group
    has = {option for parameter in made.params for option in parameter.opts}
    assert told == has - {"--json", "--config", "-c"}


@pytest.mark.parametrize("mode", ["auto", "required", "open"])
def test_every_mode_is_in_the_table(mode: str) -> None:
    assert re.search(rf"^\| `{mode}`", PAGE, re.MULTILINE)


def test_the_configurations_can_be_used(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "key.pem").chmod(0o600)
    for block in blocks("toml", GUIDE):
        file = tmp_path / "tierwise.toml"
        file.write_text(block.code)
        found = examine(file, {})
        assert not found.faults
        assert not found.warnings


async def test_an_open_gate_ignores_what_is_sent() -> None:
    assert (await Gate(None).identify(Credentials(("anything",)))).tenant == ""
