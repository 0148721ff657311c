"""A PostgreSQL cluster of the tests' own, on a loopback port, in a temporary folder.

It runs as an unprivileged user, because PostgreSQL refuses to run as root. Where the programs are missing, the tests
that need them are skipped; in CI they fail.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

USER = "tierwise"
PATIENCE_S = 60


@dataclass
class Cluster:
    """A running cluster: it has room for every test, and can be stopped and started."""

    programs: Path
    folder: Path
    port: int
    account: str | None
    flushes: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def space(self) -> str:
        """Make an empty schema, as good as a database of its own and a hundred times cheaper; return its URL."""
        name = f"test_{next(self.numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url}?options=-csearch_path%3D{name}"

    @property
    def url(self) -> str:
        """The URL of the cluster's first database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = (
            f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=40 "
            f"-c shared_buffers=16MB -c autovacuum=off -c fsync={'on' if self.flushes else 'off'}"
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-t", str(PATIENCE_S), "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop, and cut every connection."""
        self._run("pg_ctl", "stop", "-w", "-t", str(PATIENCE_S), "-m", "fast")

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Stop the cluster and remove its files when the context ends, or this process does, killed or not."""
        script = 'read -r _; "$0" -D "$1/data" stop -w -m immediate; cd /; rm -rf "$1"'
        guard = subprocess.Popen(
            ["/bin/sh", "-c", script, str(self.programs / "pg_ctl"), str(self.folder)],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._as_account(),
        )
        try:
            yield
        finally:
            guard.communicate(timeout=2 * PATIENCE_S)

    def initialise(self) -> None:
        """Make the cluster's files."""
        self._run("initdb", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync")

    def _run(self, program: str, *words: str) -> None:
        with (self.folder / "output").open("ab") as output:
            done = subprocess.run(
                [str(self.programs / program), "-D", str(self.folder / "data"), *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=2 * PATIENCE_S,
                check=False,
                **self._as_account(),
            )
        if done.returncode:
            said = (self.folder / "output").read_text(errors="replace")
            raise RuntimeError(f"{program}: {said[-2000:]}")

    def _as_account(self) -> dict[str, Any]:
        """Whom to run a program as, in subprocess's words."""
        if self.account is None:
            return {}
        account = pwd.getpwnam(self.account)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def programs() -> Path | None:
    """Find the folder of PostgreSQL's programs, the newest version's first."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    return debian[-1].parent if debian else None


def _version(initdb: Path) -> int:
    return int(initdb.parent.parent.name)


@contextmanager
def running_cluster(*, flushes: bool = False) -> Iterator[Cluster]:
    """Run a cluster until the context ends; it flushes to the disk, as for users, only when that is measured."""
    found = programs()
    if found is None:
        text = "PostgreSQL is not installed (Debian package postgresql)"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    folder = Path(tempfile.mkdtemp(prefix="tierwise-postgres-"))
    account = _account()
    if account is not None:
        shutil.chown(folder, account)
    cluster = Cluster(found, folder, _free_port(), account, flushes)
    with cluster.guarded():
        cluster.initialise()
        cluster.start()
        yield cluster


def _account() -> str | None:
    """Choose whom to run as: nobody else unless we are root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One cluster for the whole run."""
    with running_cluster() as cluster:
        yield cluster
