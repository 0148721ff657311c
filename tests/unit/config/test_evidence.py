"""A measured row is loaded as it was measured, or not at all."""

from __future__ import annotations

import tomllib

import pytest

from tests.unit.config.reading import examined
from tests.unit.config.reading import faults as read_faults
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
price_book_version = "anthropic-2026-11-23"
measured_at = 2026-11-01T00:00:00Z
expires_at = 2027-05-01T00:00:00Z
escalation_rate = 0.2
tolerance = 0.05
confidence = 0.9
loss_bound = 0.03

[routing.rows.evidence.tiers]
efficient.model = "claude-haiku-4-5-20251001"
efficient.max_output_tokens = 4096
efficient.thinking = "none"
efficient.effort = "default"
efficient.check = "self-report-1 json"
frontier = {model = "claude-sonnet-4-6", max_output_tokens = 8192, thinking = "none", effort = "default"}
reasoning = {model = "claude-opus-4-8", max_output_tokens = 32000, thinking = "adaptive", effort = "high"}
"""
CLAUDE_4 = 'profile = "claude-4"\n'


def hash_of(toml: str) -> str:
    content = tomllib.loads(toml)["routing"]["rows"][0]
    return row_hash(RowSettings.model_validate(content))


def faults(toml: str) -> list[str]:
    return [str(fault) for fault in examined(CLAUDE_4 + toml).faults]


def sealed(toml: str = ROW) -> str:
    seal = f'row_hash = "{hash_of(toml)}"\n'
    return toml.replace("escalation_rate = 0.2\n", f"escalation_rate = 0.2\n{seal}")


def test_a_sealed_row_is_loaded_with_calibration_and_evidence() -> None:
    config = examined(CLAUDE_4 + sealed()).config
    assert config is not None
    policy = config.routing_table().rows["a"]
    assert policy.threshold == 0.83
    assert policy.calibration is not None
    assert policy.calibration["efficient"].slope == 1.25
    assert policy.evidence is not None
    found = policy.evidence
    assert (found.escalation_rate, found.tolerance, found.confidence, found.loss_bound) == (
        0.2,
        0.05,
        0.9,
        0.03,
    )


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


@pytest.mark.parametrize("changed", ["threshold = 0.2", "threshold = 0.83"])
def test_evidence_without_its_seal_is_refused(changed: str) -> None:
    (fault,) = faults(ROW.replace("threshold = 0.83", changed))
    assert fault.startswith("routing.rows[0].evidence")
    assert "has no row_hash" in fault


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (
            'name = "efficient"\nmodel = "claude-haiku-5-5"',
            "tiers.efficient.model: was 'claude-haiku-4-5-20251001' when the row was measured,"
            " but tier 'efficient' has 'claude-haiku-5-5' now",
        ),
        (
            'name = "efficient"\nmax_output_tokens = 16',
            "tiers.efficient.max_output_tokens: was 4096 when the row was measured, but tier 'efficient' has 16 now",
        ),
        (
            'name = "reasoning"\neffort = "low"',
            "tiers.reasoning.effort: was 'high' when the row was measured, but tier 'reasoning' has 'low' now",
        ),
        (
            'name = "reasoning"\nthinking = "none"',
            "tiers.reasoning.thinking: was 'adaptive' when the row was measured, but tier 'reasoning' has 'none' now",
        ),
    ],
)
def test_a_row_whose_tiers_are_no_longer_what_was_measured_is_refused(now: str, said: str) -> None:
    found = [fault for fault in faults(f"{sealed()}\n[[tiers]]\n{now}\n") if ".evidence." in fault]
    assert [said in fault for fault in found] == [True], found


def test_a_row_whose_drafts_are_checked_otherwise_now_is_refused() -> None:
    (fault,) = faults(sealed() + "\n[check]\nstructured = false\n")
    assert "tiers.efficient.check: was 'self-report-1 json'" in fault
    assert "'self-report-1 number' now" in fault


def test_another_budget_to_think_with_is_refused() -> None:
    then = 'efficient.thinking = "budget"\nefficient.thinking_budget_tokens = 2000'
    toml = ROW.replace('efficient.thinking = "none"', then)
    tier = '\n[[tiers]]\nname = "efficient"\nthinking = "budget"\nthinking_budget_tokens = {}\n'
    assert faults(sealed(toml) + tier.format(2000)) == []
    (fault,) = faults(sealed(toml) + tier.format(1024))
    assert "thinking_budget_tokens: was 2000" in fault


def test_a_row_held_against_a_tier_that_is_gone_is_refused() -> None:
    gone = '\n[routing]\ntiers = ["efficient", "frontier"]\nprofile_rows = false\n'
    (fault,) = faults(sealed() + gone)
    assert "tiers.reasoning: was measured, but there is no such tier" in fault


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("efficient.check", "how drafts of 'efficient' were checked"),
        ("frontier = {model", "what 'frontier' was"),
    ],
)
def test_evidence_says_what_every_tier_of_the_row_was(left_out: str, said: str) -> None:
    kept = [line for line in ROW.splitlines() if not line.startswith(left_out)]
    (fault,) = faults(sealed("\n".join(kept) + "\n"))
    assert f"does not say {said}" in fault


def test_waiting_times_prices_and_fallbacks_do_not_break_the_seal() -> None:
    tier = '\n[[tiers]]\nname = "efficient"\nheadroom_s = 1\nfallbacks = ["claude-sonnet-4-6"]\n'
    assert faults(sealed() + tier) == []


def test_other_prices_are_doubted_once_for_all_rows() -> None:
    price = '\n[prices.models.claude-haiku-4-5-20251001]\ninput = "9"\noutput = "90"\n'
    other = sealed(ROW.replace('["a"]', '["b"]'))
    assert [str(w) for w in examined(CLAUDE_4 + sealed()).warnings] == []
    found = examined(CLAUDE_4 + sealed() + other + price)
    assert not found.faults
    (said,) = [str(w) for w in found.warnings if "price_book_version" in str(w)]
    assert "is 'anthropic-2026-11-23', but the prices are 'anthropic-2026-11-23+" in said
    assert "(and that of 1 more) holds, its costs may not" in said


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
    assert any(said in fault for fault in faults(sealed().replace(written, changed)))


def test_expired_evidence_is_doubted_but_loaded() -> None:
    found = examined(CLAUDE_4 + sealed(ROW.replace("2027-05-01", "2026-11-02")))
    assert found.config is not None
    assert ["measure the row again" in str(warning) for warning in found.warnings] == [True]


def test_the_fingerprint_leaves_itself_out() -> None:
    row = RowSettings.model_validate({"task_types": ["a"], "tier": "efficient"})
    assert row_hash(row) == row_hash(row.model_copy())


def test_evidence_must_agree_with_itself() -> None:
    found = read_faults("""
        [[routing.rows]]
        task_types = ["a"]
        tier = "efficient"
        [routing.rows.evidence]
        sample_size = 200
        quality = 0.5
        quality_low = 0.9
        quality_high = 0.96
        mean_cost_nano_usd = 1
        judge = "exact"
        dataset_hash = "abc"
        price_book_version = "v"
        measured_at = 2026-11-20T12:00:00Z
        expires_at = 2026-11-19T12:00:00Z
        row_hash = "2f6eb78c59247a52"

        [routing.rows.evidence.tiers.efficient]
        model = "claude-haiku-4-5-20251001"
        max_output_tokens = 4096
        thinking = "none"
        effort = "default"
    """)
    assert len(found) == 2
    assert "quality lies outside" in found[0]
    assert "expires_at: is not after measured_at" in found[1]
