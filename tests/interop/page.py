"""Writes the table language x case of build/interop.json into client/README.md.

Nothing is written after a run that left a language out. In CI a page that was not up to date is a failure.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from tests.house.tree import ROOT
from tests.interop.languages import BUILT, LANGUAGES, REQUIRED

PAGE: Final = ROOT / "client" / "README.md"
BEGIN: Final = "<!-- written by make interop: begin -->\n"
END: Final = "<!-- written by make interop: end -->\n"
MARKS: Final = {True: "yes", False: "**no**"}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table: one line to a case, one column to a language."""
    names = [language.name for language in LANGUAGES]
    passed = {(row["language"], row["case"]): row["passed"] for row in rows}
    cases = sorted({row["case"] for row in rows})
    lines = [["case", *names], ["---"] * (len(names) + 1)]
    lines += [[case, *(MARKS[passed[name, case]] for name in names)] for case in cases]
    return "".join(f"| {' | '.join(cells)} |\n".replace("| --- ", "|---") for cells in lines)


def main() -> int:
    """Write the table, if all languages ran; return 1 where it should have been there before."""
    rows = json.loads((BUILT.parent / "interop.json").read_text(encoding="utf-8"))
    left_out = {language.name for language in LANGUAGES} - {row["language"] for row in rows}
    if left_out:
        languages = ", ".join(sorted(left_out))
        sys.stdout.write(f"client/README.md stays as it is: {languages} did not run\n")
        return int(REQUIRED)
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    written = f"{before}{BEGIN}\n{table(rows)}\n{END}{after}"
    PAGE.write_text(written, encoding="utf-8")
    if written == page or not REQUIRED:
        return 0
    sys.stderr.write("client/README.md was stale; commit what `make interop` writes\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
