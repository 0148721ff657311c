"""Messages of the contract as plain values, and expectations of them.

A plain message is a mapping from the contract's field names to values: whole numbers as such, a word of an enumeration
without the enumeration's name (`DRAFT` for CALL_KIND_DRAFT), None for a field with presence that is not set. An
expectation is part of such a mapping: every key it names must match, lists must match element by element.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from tierwise.v1 import router_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

Plain: TypeAlias = dict[str, Any]

# Protobuf's descriptors have two implementations and no type in common.
Descriptor: TypeAlias = Any
FieldDescriptor: TypeAlias = Any
EnumDescriptor: TypeAlias = Any

PACKAGE = "tierwise.v1"
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST_SHOWN = 160


def plain(message: Message) -> Plain:
    """Return a message as plain values; messages of other packages (durations, times) are left out."""
    return {
        field.name: _value(message, field)
        for field in message.DESCRIPTOR.fields
        if field.message_type is None or _is_ours(field.message_type)
    }


def _value(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_one(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _one(value, field)


def _one(value: Any, field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return plain(value)
    return words_of(field.enum_type).get(value, value) if field.enum_type is not None else value


def words_of(enum: EnumDescriptor) -> dict[int, str]:
    """Return the words of an enumeration, by their numbers."""
    prefix = _WORD_BEGINS.sub("_", enum.name).upper() + "_"
    return {value.number: value.name.removeprefix(prefix) for value in enum.values}


def _is_ours(descriptor: Descriptor) -> bool:
    # A map's entry belongs to the package of its message, and is no mapping of field names.
    return bool(descriptor.file.package == PACKAGE and not descriptor.GetOptions().map_entry)


def unknown_words(expected: Mapping[str, Any], descriptor: Descriptor) -> Iterator[str]:
    """Yield what an expectation names that a message of this kind can never have."""
    for name, value in expected.items():
        field = descriptor.fields_by_name.get(name)
        if field is None or (field.message_type is not None and not _is_ours(field.message_type)):
            yield f"{descriptor.name} has no plain field {name!r}"
            continue
        for item in value if field.is_repeated and isinstance(value, list) else [value]:
            yield from _unknown_in(item, field)


def _unknown_in(value: Any, field: FieldDescriptor) -> Iterator[str]:
    if field.message_type is not None and isinstance(value, Mapping):
        yield from unknown_words(value, field.message_type)
    elif (field.message_type is not None) is not isinstance(value, Mapping) and value is not None:
        yield f"{field.name} cannot be {value!r}"
    elif field.enum_type is not None and value not in words_of(field.enum_type).values():
        yield f"{field.enum_type.name} has no word {value!r}"


def differences(expected: Any, actual: Any, where: str = "") -> Iterator[str]:
    """Yield where `actual` is not what `expected` says of it."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name, value in expected.items():
            yield from differences(value, actual.get(name), f"{where}.{name}".lstrip("."))
    elif _is_list(expected) and _is_list(actual):
        if len(expected) != len(actual):
            yield f"{where}: {len(expected)} expected, {len(actual)} came: {_shown(actual)}"
        for place, (wanted, got) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(wanted, got, f"{where}[{place}]")
    elif expected != actual:
        yield f"{where}: expected {_shown(expected)}, got {_shown(actual)}"


def check(expected: Any, actual: Any, where: str = "") -> None:
    """Assert that `actual` is what `expected` says of it; says everything that is not."""
    found = list(differences(expected, actual, where))
    assert not found, "\n".join(found)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _shown(value: Any) -> str:
    text = repr(value)
    if len(text) <= _LONGEST_SHOWN:
        return text
    half = _LONGEST_SHOWN // 2
    return f"{text[:half]} ... {text[-half:]} ({len(text)} characters)"


def told(messages: Iterable[router_pb2.GenerateResponse]) -> list[tuple[str, Plain]]:
    """Return what a stream tells, as kind and plain event.

    How text is cut into messages, and when nothing happened, are not part of what it tells: neighbouring deltas of one
    attempt are joined, heartbeats left out.
    """
    events: list[tuple[str, Plain]] = []
    pieces: list[str] = []
    for message in messages:
        kind = message.WhichOneof("event") or ""
        if kind == "heartbeat":
            continue
        event = plain(getattr(message, kind)) if kind else {}
        text = event.pop("text", "")
        if kind == "text_delta" and events and events[-1] == (kind, event):
            pieces.append(text)
            continue
        _put_text(events, pieces)
        events.append((kind, event))
        pieces = [text]
    _put_text(events, pieces)
    return events


def _put_text(events: list[tuple[str, Plain]], pieces: list[str]) -> None:
    if events and events[-1][0] == "text_delta":
        events[-1][1]["text"] = "".join(pieces)
