from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.reading import config, examined, faults
from tierwise_server.config import Config, examine, load
from tierwise_server.core.model import ThinkingForm
from tierwise_server.core.table import Evidence, Policy
from tierwise_server.errors import ConfigurationError, Fault

MANY_MISTAKES = """\
profile = "claude-5.5"
colour = "red"

[server]
listn = "x"
listen = "0.0.0.0:99999"
keepalive_time_s = -1

[upstream.retry]
base_delay_s = 9

[routing]
default = "fronteir"

[routing.escalation]
cascade = ["frontier", "efficient"]
threshold = 0.8

[[routing.rows]]
task_types = ["a", "a"]
tier = "efficent"

[[routing.rows]]
tier = "frontier"

[[routing.rows]]
task_types = ["c"]

[[tiers]]
model = "claude-opus-5-5"

[[tiers]]
name = "reasoning"
thinking = "budget"
effort = "hihg"
max_output_tokens = 1_000_000

[prices.models.claude-sonnet-5-5]
input = 0.1
output = 1
"""

MANY_PLACES = [
    "colour",
    "server.listn",
    "server.listen",
    "server.keepalive_time_s",
    "upstream.retry.base_delay_s",
    "routing.default",
    "routing.escalation.cascade[1]",
    "routing.escalation.threshold",
    "routing.rows[0].task_types[1]",
    "routing.rows[0].tier",
    "routing.rows[1].task_types",
    "routing.rows[2]",
    "tiers[0].name",
    "tiers[1].thinking",
    "tiers[1].effort",
    "tiers[1].max_output_tokens",
    "prices.models.claude-sonnet-5-5.input",
    "TIERWISE_CHECK__TIMEOUT_S",
    "TIERWISE_SERVR__LISTEN",
]
MANY_VARIABLES = {"TIERWISE_SERVR__LISTEN": "x", "TIERWISE_CHECK__TIMEOUT_S": "soon"}


def test_load_finds_every_mistake_at_once_in_file_order(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_text(MANY_MISTAKES, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path, MANY_VARIABLES)
    assert [fault.path for fault in caught.value.faults] == MANY_PLACES


def test_load_says_the_line_of_each_mistake() -> None:
    found = {fault.path: fault.message for fault in examined(MANY_MISTAKES).faults}
    lines = MANY_MISTAKES.splitlines()
    for path, begins in (
        ("server.keepalive_time_s", "keepalive_time_s"),
        ("routing.rows[0].tier", 'tier = "efficent"'),
        ("tiers[1].effort", "effort"),
        ("prices.models.claude-sonnet-5-5.input", "input"),
    ):
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(begins))
        assert found[path].endswith(f"(line {number})")


def test_load_without_a_file_gives_the_defaults() -> None:
    assert load(None, {}) == Config()


def test_load_of_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_text("", encoding="utf-8")
    assert load(path, {}) == Config()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a = \n", "is not TOML: Invalid value (at line 1, column 5)"),
        (b"[server]\n[server]\n", "is not TOML: Cannot declare ('server',) twice"),
        (b"# \xff\n", "is not UTF-8 (line 1)"),
        (b"a = 1\n\n\xff", "is not UTF-8 (line 3)"),
        (b"a = " + b"[" * 5000, "is n"),
        (b"a." * 3000 + b"b = 1", "is nested too deeply"),
        (b'"a" . ' * 100 + b"b = 1", "is nested too deeply"),
        (b"a = " + b"[" * 100 + b"]" * 100, "is nested too deeply"),
        (b"a = " + b"{b = " * 100 + b"1" + b"}" * 100, "is nested too deeply"),
        (b"[" + b"a." * 50 + b"a]\n" + b"b." * 50 + b"b = 1", "is nested too deeply"),
        (b"#" * (4 * 1024 * 1024 + 1), "is longer than 4 MiB"),
    ],
    ids=[
        *("value", "table twice", "encoding", "encoding further down", "nesting"),
        *("dots", "quoted dots", "lists", "tables", "dots below dots", "length"),
    ],
)
def test_load_of_what_is_no_toml_names_the_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    (fault,) = caught.value.faults
    assert fault.path == str(path)
    assert fault.message.startswith(words)
    assert "\n" not in fault.message


def test_load_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "none.toml", {})
    expected = Fault(str(tmp_path / "none.toml"), "cannot be read: No such file or directory")
    assert caught.value.faults == (expected,)


def test_load_of_a_path_that_cannot_be_one_is_a_fault() -> None:
    with pytest.raises(ConfigurationError, match="is not a file's name"):
        load(Path("a\0b"), {})


def test_load_of_an_unreadable_file_still_judges_the_variables(tmp_path: Path) -> None:
    found = examine(tmp_path, {"TIERWISE_SERVR__LISTEN": "x", "TIERWISE_CHECK__TIMEOUT_S": "-1"})
    assert [fault.path for fault in found.faults] == [
        str(tmp_path),
        "TIERWISE_CHECK__TIMEOUT_S",
        "TIERWISE_SERVR__LISTEN",
    ]


def test_load_reads_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "tierwise.toml"
    path.write_bytes(b'\xef\xbb\xbfprofile = "claude-5.5"\r\n[server]\r\nlisten = "[::1]:0"\r\n')
    loaded = load(path, {})
    assert loaded.profile == "claude-5.5"
    assert loaded.server.listen == "[::1]:0"


def test_relative_paths_begin_at_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret-key", encoding="utf-8")
    path = tmp_path / "tierwise.toml"
    path.write_text('[upstream.anthropic]\napi_key_file = "key"\n', encoding="utf-8")
    assert load(path, {}).upstream.anthropic.api_key_file == tmp_path / "key"


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().server.listen = "0.0.0.0:1"  # type: ignore[misc]  # the point of the test


def test_a_file_changes_single_keys_of_a_tier_and_keeps_the_rest() -> None:
    table = config('[[tiers]]\nname = "frontier"\neffort = "low"').routing_table()
    frontier = table.tiers[1]
    assert (frontier.model.id, frontier.effort) == ("claude-sonnet-4-6", "low")
    assert frontier.max_output_tokens == 8192


def test_a_new_tier_is_the_strongest_unless_the_order_says_otherwise() -> None:
    genius = '[[tiers]]\nname = "genius"\nmodel = "claude-fable-5-1"\n'
    names = [tier.name for tier in config(genius).routing_table().tiers]
    assert names == ["efficient", "frontier", "reasoning", "genius"]
    order = '[routing]\ntiers = ["efficient", "genius", "frontier", "reasoning"]\n'
    names = [tier.name for tier in config(order + genius).routing_table().tiers]
    assert names == ["efficient", "genius", "frontier", "reasoning"]


def test_a_new_tier_takes_the_defaults_its_model_allows() -> None:
    genius = '[[tiers]]\nname = "genius"\nmodel = "claude-fable-5-1"\n'
    tier = config(genius).routing_table().tiers[-1]
    assert (tier.max_output_tokens, tier.headroom_s, tier.effort) == (4096, 5.0, "")
    assert tier.thinking is ThinkingForm.ADAPTIVE


def test_a_tier_may_name_its_model_by_an_alias() -> None:
    tiers = (
        config('[[tiers]]\nname = "efficient"\nmodel = "claude-haiku-4-5"').routing_table().tiers
    )
    assert tiers[0].model.id == "claude-haiku-4-5-20251001"


def test_a_tier_may_use_a_model_of_another_profile() -> None:
    table = config('[[tiers]]\nname = "efficient"\nmodel = "claude-haiku-5-5"').routing_table()
    assert table.tiers[0].model.context_tokens == 1_000_000


def test_a_budget_tier_carries_its_budget() -> None:
    toml = '[[tiers]]\nname = "efficient"\nthinking = "budget"\nthinking_budget_tokens = 2048'
    tier = config(toml).routing_table().tiers[0]
    assert (tier.thinking, tier.thinking_budget_tokens) == (ThinkingForm.BUDGET, 2048)


def test_a_file_changes_single_facts_of_a_model() -> None:
    toml = '[[models]]\nid = "claude-haiku-4-5"\ntakes_structured_output = false'
    model = config(toml).routing_table().tiers[0].model
    assert model.id == "claude-haiku-4-5-20251001"
    assert not model.takes_structured_output
    assert model.context_tokens == 200_000


def test_a_file_adds_a_model_with_its_price() -> None:
    loaded = config("""
        [[models]]
        id = "local"
        provider = "anthropic"
        context_tokens = 8000
        max_output_tokens = 4000
        [prices.models.local]
        input = "0.05"
        output = "0.2"
        [[tiers]]
        name = "efficient"
        model = "local"
        max_output_tokens = 2000
    """)
    assert loaded.routing_table().tiers[0].model.id == "local"
    rates = loaded.price_book().models["local"][0]
    assert (rates.input, rates.output, rates.cache_read) == (50_000, 200_000, 5_000)


def test_a_row_stands_over_the_profiles_row_for_its_task_types() -> None:
    table = config("""
        [[routing.rows]]
        task_types = ["answer_faq", "translate"]
        cascade = ["efficient", "frontier", "reasoning"]
        threshold = 9
    """).routing_table()
    expected = Policy(("efficient", "frontier", "reasoning"), 0.9, "self_report")
    assert table.rows["answer_faq"] == expected
    assert table.rows["translate"] == expected
    assert table.rows["classify_intent"] == Policy(("efficient",))
    assert len(table.rows) == 13


def test_a_cascade_takes_threshold_and_method_from_the_escalation() -> None:
    table = config("""
        [routing]
        default = {cascade = ["efficient", "reasoning"]}
        [routing.escalation]
        threshold = 7
    """).routing_table()
    assert table.default == Policy(("efficient", "reasoning"), 0.7, "self_report")
    assert table.escalation == Policy(("efficient", "frontier"), 0.7, "self_report")


def test_a_threshold_equals_the_confidence_of_the_same_score() -> None:
    for score in range(1, 11):
        table = config(f"[routing.escalation]\nthreshold = {score}").routing_table()
        assert table.escalation.threshold == score / 10


def test_a_file_may_refuse_what_has_no_row() -> None:
    assert config('[routing]\ndefault = "refuse"').routing_table().default is None


def test_a_file_may_leave_the_profiles_rows_out() -> None:
    table = config("""
        [routing]
        profile_rows = false
        [[routing.rows]]
        task_types = ["a"]
        tier = "frontier"
    """).routing_table()
    assert table.rows == {"a": Policy(("frontier",))}


def test_a_row_carries_its_evidence() -> None:
    table = config("""
        [[routing.rows]]
        task_types = ["a"]
        tier = "efficient"
        [routing.rows.measured_output_tokens]
        efficient = 120
        frontier = 180
        [routing.rows.evidence]
        sample_size = 200
        quality = 0.93
        quality_low = 0.9
        quality_high = 0.96
        mean_cost_nano_usd = 1200000
        judge = "exact"
        dataset_hash = "abc"
        price_book_version = "anthropic-2026-11-23"
        measured_at = 2026-11-20T12:00:00Z
        expires_at = 2027-02-20T12:00:00+01:00
        row_hash = "0add15c0b7cbc25f"

        [routing.rows.evidence.tiers.efficient]
        model = "claude-haiku-4-5-20251001"
        max_output_tokens = 4096
        thinking = "none"
        effort = "default"
    """).routing_table()
    policy = table.rows["a"]
    assert policy.measured_output_tokens == {"efficient": 120, "frontier": 180}
    assert policy.evidence == Evidence(
        sample_size=200,
        quality=0.93,
        quality_low=0.9,
        quality_high=0.96,
        mean_cost_nano_usd=1_200_000,
        judge="exact",
        dataset_hash="abc",
        price_book_version="anthropic-2026-11-23",
        measured_at_s=1_795_176_000,
        expires_at_s=1_803_121_200,
    )


def test_a_mistake_in_one_key_does_not_hide_another_of_the_same_tier() -> None:
    found = faults("""
        [[tiers]]
        name = "efficient"
        thinking = "adaptve"
        max_output_tokens = 1000000
        headroom_s = -1
    """)
    assert [fault.split(":")[0] for fault in found] == [
        "tiers[0].thinking",
        "tiers[0].max_output_tokens",
        "tiers[0].headroom_s",
    ]


def test_a_tier_that_could_not_be_read_is_not_called_unknown() -> None:
    found = faults("""
        [[tiers]]
        model = "claude-fable-5-1"
        [[routing.rows]]
        task_types = ["a"]
        tier = "genius"
    """)
    assert found == ["tiers[0].name: is missing (line 2)"]


def test_an_unknown_profile_does_not_hide_faults_of_the_one_that_was_meant() -> None:
    toml = 'profile = "claude-5.4"\n[[tiers]]\nname = "efficient"\neffort = "max"'
    assert len(faults(toml)) == 2


def test_an_unknown_profile_without_a_likeness_judges_no_tiers_by_another() -> None:
    toml = 'profile = "gpt"\n[check]\ntimeout_s = 0\n[[tiers]]\nname = "efficient"\neffort = "max"'
    assert [fault.split(":")[0] for fault in faults(toml)] == ["profile", "check.timeout_s"]


def test_a_fault_shows_no_control_characters() -> None:
    found = faults('profile = "\\u001b[31mred"\n"\\u0007" = 1')
    assert len(found) == 2
    assert all(character.isprintable() for fault in found for character in fault)
