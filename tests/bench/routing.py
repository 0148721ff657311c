"""`make bench-routing`: measure's learning and promises on real outcomes that others have published.

Every value is the mean over seeded draws, on tasks that were not learned from; the limits hold the middle 95% of the
draws. Nothing is tuned on the tasks that are tested on.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.bench.recorded import llm_router, mmlu, self_reports
from tests.bench.routing_confidence import calibration_rows, utility_rows
from tests.bench.routing_promises import promise_rows
from tests.bench.routing_table import llm_router_rows, mmlu_rows
from tests.bench.rows import publish

VARIABLE = "TIERWISE_BENCH_DATA"


def main() -> None:
    """Run the benchmark, or say why not."""
    named = os.environ.get(VARIABLE, "")
    if not named or not Path(named).is_dir():
        print(f"bench-routing skipped: {VARIABLE} names no folder of recorded outcomes")
        return
    folder = Path(named)
    start_s = time.perf_counter()
    subjects, router, reports = mmlu(folder), llm_router(folder), self_reports(folder)
    rows = [
        *mmlu_rows(subjects),
        *llm_router_rows(router),
        *calibration_rows(reports),
        *promise_rows(reports, (("MMLU", subjects, 100), ("LLMRouter", router, 100))),
        *utility_rows(reports),
    ]
    publish(rows, "routing.json")
    print(f"{time.perf_counter() - start_s:.0f} s")


if __name__ == "__main__":
    main()
