from __future__ import annotations

from typing import Any

from tierwise_server.config import config_schema, schema_text, shipped


def tables(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"": schema, **schema["$defs"]}


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = shipped.data_file("config.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), (
        "run: tierwise check --schema > server/tierwise_server/data/config.schema.json"
    )


def test_the_schema_describes_every_table_and_key() -> None:
    bare = [
        f"{name}.{key}"
        for name, table in tables(config_schema()).items()
        for key, described in (("", table), *table["properties"].items())
        if not described.get("description")
    ]
    assert not bare


def test_the_schema_forbids_unknown_keys_in_every_table() -> None:
    assert all(not table["additionalProperties"] for table in tables(config_schema()).values())


def test_the_schema_offers_nothing_that_toml_cannot_say() -> None:
    assert '"null"' not in schema_text()
    assert '"default": null' not in schema_text()


def test_the_schema_lists_the_words_that_a_key_can_have() -> None:
    schema = config_schema()
    assert schema["properties"]["profile"]["enum"] == list(shipped.PROFILES)
    thinking = schema["$defs"]["TierSettings"]["properties"]["thinking"]
    assert thinking["enum"] == ["none", "budget", "adaptive"]
