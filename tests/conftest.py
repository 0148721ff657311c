"""Fixtures and settings that every folder of tests shares."""

from __future__ import annotations

import os

from hypothesis import settings

# No example has a time limit: a busy machine must not fail a property. In CI the examples are the
# same in every run, so a red run is red for everybody.
settings.register_profile("laptop", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "laptop")
