"""docs/guides/web.md works as it is written: every block, in a shell, against a server with its web port."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.docs.pages import Block, blocks
from tests.programs import environment, running, simulating
from tests.serving import variables

GUIDE = "docs/guides/web.md"
SHELL = blocks("shell", GUIDE)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with (
        simulating() as upstream,
        running("serve", "--web", "127.0.0.1:0", **variables(upstream)) as server,
    ):
        yield server.until("serving the web on ").rpartition(" ")[2]


def said(block: Block, url: str) -> list[dict[str, object]]:
    """Run a block; return its lines of JSON."""
    if not shutil.which("curl"):
        pytest.skip("curl is missing; it comes with the package of that name")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        env=environment({"TIERWISE_WEB": url}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_route_by_post_and_by_get(url: str) -> None:
    for block, tier in zip(SHELL[:2], ("reasoning", "efficient"), strict=True):
        [answer] = said(block, url)
        decision = answer["decision"]
        assert isinstance(decision, dict)
        assert decision["tier"] == tier


def test_generate_streams_lines(url: str) -> None:
    *events, end = said(SHELL[2], url)
    kinds = [next(key for key in event if key != "sequence") for event in events]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert "textDelta" in kinds
    assert "error" not in end


def test_an_error_says_what_is_wrong(url: str) -> None:
    [error] = said(SHELL[3], url)
    assert error["code"] == "invalid_argument"
    assert "there is no such tier" in str(error["message"])
    assert len(SHELL) == 4
