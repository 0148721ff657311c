"""A real browser runs the TypeScript client against the web port, from a page of another origin."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.house.tree import ROOT
from tests.interop.languages import REQUIRED
from tests.programs import environment
from tests.web_calls import web_serving

BROWSER = ROOT / "tests" / "interop" / "browser"
PROGRAMS = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}
BUILD = (
    ("tools/npm_install.sh", "client/typescript"),
    ("npm", "--prefix", "client/typescript", "run", "build"),
    ("tools/npm_install.sh", "tests/interop/browser"),
)

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@dataclass
class Page:
    """A page in a browser that runs. `endpoint` is the web port that it is to call."""

    process: asyncio.subprocess.Process
    endpoint: str

    async def play(self, name: str, *words: Any, **options: Any) -> dict[str, Any]:
        """Call a function of page.js with a client of its own."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        client = {"endpoint": self.endpoint, **options}
        self.process.stdin.write(json.dumps([name, client, *words]).encode() + b"\n")
        async with asyncio.timeout(60):
            result: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return result


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the page as an application would: bundled, for browsers."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        text = f"the browser's test needs the Debian packages {', '.join(missing)}"
        (pytest.fail if REQUIRED else pytest.skip)(text)
    folder = tmp_path_factory.mktemp("page")
    esbuild = ("node_modules/.bin/esbuild", "page.js", "--bundle", "--conditions=browser")
    for command in BUILD:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    outfile = f"--outfile={folder / 'page.js'}"
    done = subprocess.run(
        (*esbuild, outfile), cwd=BROWSER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "node:" not in (folder / "page.js").read_text(encoding="utf-8")
    shutil.copy(BROWSER / "page.html", folder)
    return folder


@asynccontextmanager
async def hosting(folder: Path) -> AsyncIterator[str]:
    """Serve a folder as a site of its own; gives its origin."""
    site_app = web.Application()
    site_app.router.add_static("/", folder)
    runner = web.AppRunner(site_app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def browsing(folder: Path, script: Any = None, *, allowed: bool = True) -> AsyncIterator[Any]:
    """Open the page in a browser, and a server beside it that lets its origin in."""
    async with hosting(folder) as origin:
        origins = (origin,) if allowed else ()
        async with web_serving(script, web={"allowed_origins": origins}) as (served, session):
            process = await asyncio.create_subprocess_exec(
                *("node", "browser.js", str(shutil.which("chromium")), f"{origin}/page.html"),
                cwd=BROWSER,
                env=environment({}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            try:
                assert session._base_url is not None
                yield served, Page(process, f"127.0.0.1:{session._base_url.port}")
            finally:
                if process.stdin is not None:
                    process.stdin.close()
                await process.wait()


async def test_a_page_routes_and_generates(bundle: Path) -> None:
    async with browsing(bundle) as (served, page):
        assert (await page.play("route"))["tier"] == "reasoning"
        wishes = {"taskType": "classify_intent", "requestId": "from-a-page", "escalation": True}
        answer = await page.play("generate", "Where is my parcel? 👩\u200d👧", wishes)
        assert answer["id"] == "from-a-page"
        assert answer["text"]
        assert float(answer["usd"]) > 0
        naive = await page.play("naive", "Hi")
        assert naive["text"]
        statuses = [
            s.attributes["rpc.response.status_code"]
            for s in served.spans.spans()
            if s.kind == "SERVER"
        ]
        assert statuses == ["OK"] * 3


async def test_a_page_gets_text_as_it_comes(bundle: Path) -> None:
    drip = {"chunks": ["word "] * 20, "delta_interval_s": 0.05}
    async with browsing(bundle, {"rules": [drip]}) as (_, page):
        streamed = await page.play("stream", "Hi", {"taskType": "classify_intent"})
    assert "".join(streamed["texts"]) == streamed["answer"] == "word " * 20
    assert len(streamed["texts"]) > 5
    assert streamed["tookMs"] > 0


async def test_a_page_that_leaves_closes_the_upstream(bundle: Path) -> None:
    drip = {"chunks": ["word "] * 500, "delta_interval_s": 0.02}
    async with browsing(bundle, {"rules": [drip]}) as (served, page):
        left = await page.play("leave", "Hi", {"taskType": "classify_intent"})
        assert left["kinds"] == ["started", "attemptStarted", "textDelta"]
        async with asyncio.timeout(10):
            await served.simulator.journal.settled()
        assert [entry.outcome for entry in served.simulator.journal] == ["client_left"]


async def test_a_page_gets_typed_errors(bundle: Path) -> None:
    fault = {"fault": {"kind": "status", "status": 401}}
    async with browsing(bundle, {"rules": [fault]}) as (_, page):
        refused = (await page.play("generate", "Hi", {"tier": "cheapest"}))["error"]
        assert (refused["name"], refused["reason"]) == ("InvalidRequestError", "UNKNOWN_TIER")
        failed = (await page.play("generate", "Hi", {"taskType": "classify_intent"}))["error"]
        assert (failed["name"], failed["reason"]) == ("ServerSetupError", "UPSTREAM_AUTH")
        assert failed["started"]
        late = (await page.play("generate", "Hi", {"timeoutMs": 1}))["error"]
        assert late["name"] == "DeadlineExceededError"


async def test_a_page_of_another_origin_is_kept_out_by_default(bundle: Path) -> None:
    async with browsing(bundle, allowed=False) as (served, page):
        error = (await page.play("generate", "Hi", {}))["error"]
        assert (error["status"], error["started"]) != ("OK", True)
        assert len(served.simulator.journal) == 0
        assert not served.spans.spans()
