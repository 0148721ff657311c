from __future__ import annotations

from tierwise_server.config.lines import line_numbers

TOML = '''\
# [server] is not a table here
profile = "x"

[server]   # a comment
listen = "a"
tls.cert_file = "c"

[[tiers]]
name = "efficient"

[[ tiers ]]
"name" = "frontier"

[prices.models."claude-x"]
input = 1

[[routing.rows]]
task_types = [
    "a",
]

[[routing.rows]]
tier = """
name = 1
[server]
"""
[routing.rows.evidence]
quality = 1
'''


def test_keys_and_tables_are_found_on_their_lines() -> None:
    assert line_numbers(TOML) == {
        ("profile",): 2,
        ("server",): 4,
        ("server", "listen"): 5,
        ("server", "tls", "cert_file"): 6,
        ("tiers", 0): 8,
        ("tiers", 0, "name"): 9,
        ("tiers", 1): 11,
        ("tiers", 1, "name"): 12,
        ("prices", "models", "claude-x"): 14,
        ("prices", "models", "claude-x", "input"): 15,
        ("routing", "rows", 0): 17,
        ("routing", "rows", 0, "task_types"): 18,
        ("routing", "rows", 1): 22,
        ("routing", "rows", 1, "tier"): 23,
        ("routing", "rows", 1, "evidence"): 27,
        ("routing", "rows", 1, "evidence", "quality"): 28,
    }


def test_a_place_that_occurs_twice_is_left_out() -> None:
    assert line_numbers("a = 1\nb = 2\na = 3") == {("b",): 2}
