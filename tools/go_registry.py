"""Lay out one of our Go modules as a registry of files has it. Usage: go_registry.py REGISTRY MODULE VERSION FOLDER.

The layout is that of the GOPROXY protocol (https://go.dev/ref/mod#goproxy-protocol), which the go command also reads
from `file://`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path


def main(registry: str, module: str, version: str, folder: str) -> None:
    """Write the module's files: list, info, mod and zip."""
    place = Path(registry) / module / "@v"
    place.mkdir(parents=True)
    (place / "list").write_text(f"{version}\n", encoding="utf-8")
    info = {"Version": version, "Time": "2000-01-01T00:00:00Z"}
    (place / f"{version}.info").write_text(json.dumps(info), encoding="utf-8")
    (place / f"{version}.mod").write_bytes((Path(folder) / "go.mod").read_bytes())
    with zipfile.ZipFile(place / f"{version}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in _tracked(folder):
            packed.write(Path(folder) / name, f"{module}@{version}/{name}")


def _tracked(folder: str) -> list[str]:
    """Return the files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [name for name in listed.split("\0") if name and (Path(folder) / name).is_file()]


if __name__ == "__main__":
    main(*sys.argv[1:])
