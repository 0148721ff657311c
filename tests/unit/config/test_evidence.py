"""A measured row is loaded as it was measured, or not at all."""

from __future__ import annotations

import pytest

from tests.unit.config.reading import examined
from tierwise_server.config.evidence import row_hash
from tierwise_server.config.layers import RowSettings

ROW = """
[[routing.rows]]
task_types = ["a"]
cascade = ["efficient", "frontier"]
threshold = 0.83

[routing.rows.calibration.efficient]
model = "claude-haiku-4-5-20251001"
intercept = -0.5
slope = 1.25

[routing.rows.evidence]
sample_size = 40
quality = 0.9
quality_low = 0.8
quality_high = 0.95
mean_cost_nano_usd = 1000
judge = "check"
dataset_hash = "d"
price_book_version = "p"
measured_at = 2026-11-01T00:00:00Z
expires_at = 2027-05-01T00:00:00Z
escalation_rate = 0.2
"""
CLAUDE_4 = 'profile = "claude-4"\n'


def hash_of(toml: str) -> str:
    found = examined(CLAUDE_4 + toml).config
    assert found is not None
    return row_hash(found.routing.rows[0])


def faults(toml: str) -> list[str]:
    return [str(fault) for fault in examined(CLAUDE_4 + toml).faults]


def sealed(toml: str = ROW) -> str:
    return f'{toml}row_hash = "{hash_of(toml)}"\n'


def test_a_sealed_row_is_loaded_with_calibration_and_evidence() -> None:
    config = examined(CLAUDE_4 + sealed()).config
    assert config is not None
    policy = config.routing_table().rows["a"]
    assert policy.threshold == 0.83
    assert policy.calibration is not None
    assert policy.calibration["efficient"].slope == 1.25
    assert policy.evidence is not None
    assert policy.evidence.escalation_rate == 0.2


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        ("threshold = 0.83", "threshold = 0.82"),
        ("intercept = -0.5", "intercept = 0.5"),
        ("quality = 0.9\n", "quality = 0.91\n"),
        ('task_types = ["a"]', 'task_types = ["a", "b"]'),
        ("2027-05-01", "2029-05-01"),
    ],
)
def test_a_row_changed_after_it_was_measured_is_refused(written: str, changed: str) -> None:
    toml = sealed()
    assert written in toml
    (fault,) = faults(toml.replace(written, changed))
    assert "row_hash" in fault
    assert "changed after it was measured" in fault


def test_spacing_order_and_comments_do_not_break_the_seal() -> None:
    toml = (
        sealed()
        .replace("quality = 0.9\n", "")
        .replace("sample_size = 40", "# why\nquality   =   0.90\nsample_size = 40")
    )
    assert faults(toml) == []


def test_another_offset_for_the_same_moment_does_not_break_the_seal() -> None:
    assert faults(sealed().replace("2026-11-01T00:00:00Z", "2026-11-01T02:00:00+02:00")) == []


def test_a_row_measured_on_another_model_is_refused() -> None:
    toml = ROW + 'models = { efficient = "claude-haiku-5-5" }\n'
    (fault,) = faults(toml)
    assert "'claude-haiku-4-5-20251001' fills the tier now" in fault


@pytest.mark.parametrize(
    ("written", "changed", "said"),
    [
        ("threshold = 0.83\n", "", "needs one, 0 to 1"),
        ("threshold = 0.83", "threshold = 8", "a calibrated row's is from 0 to 1"),
        ("20251001", "20240101", "measure again"),
        ("calibration.efficient", "calibration.frontier", "drafts"),
        (
            '["efficient", "frontier"]',
            '["efficient", "frontier", "reasoning"]',
            "leaves out 'frontier'",
        ),
    ],
)
def test_a_calibration_that_does_not_fit_its_row_is_refused(
    written: str, changed: str, said: str
) -> None:
    assert any(said in fault for fault in faults(ROW.replace(written, changed)))


def test_expired_evidence_is_doubted_but_loaded() -> None:
    found = examined(CLAUDE_4 + ROW.replace("2027-05-01", "2026-11-02"))
    assert found.config is not None
    assert ["measure the row again" in str(warning) for warning in found.warnings] == [True]


def test_the_fingerprint_leaves_itself_out() -> None:
    row = RowSettings.model_validate({"task_types": ["a"], "tier": "efficient"})
    assert row_hash(row) == row_hash(row.model_copy())
