"""Requests with a word put into one of their fields: every field of the contract that holds text, found by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tierwise.v1 import router_pb2


def poisoned(
    request: router_pb2.GenerateRequest, word: str
) -> Iterator[tuple[str, router_pb2.GenerateRequest]]:
    """Each field by name, with a copy of the request in which it holds the word."""
    for path, put in _places(request, ""):
        copy = type(request)()
        copy.CopyFrom(request)
        put(copy, word)
        yield path, copy


class _Put:
    """How to put a word into one field: the fields that lead there, and how the last one takes it."""

    def __init__(self, steps: tuple[str, ...], last: str, form: str) -> None:
        self._steps, self._last, self._form = steps, last, form

    def __call__(self, message: Message, word: str) -> None:
        for step in self._steps:
            inner = getattr(message, step)
            message = inner[0] if hasattr(inner, "add") else inner
        match self._form:
            case "key":
                getattr(message, self._last)[word] = "value"
            case "value":
                getattr(message, self._last)["key"] = word
            case "item":
                getattr(message, self._last).append(word)
            case _:
                setattr(message, self._last, word)


def _places(message: Message, path: str, *steps: str) -> Iterator[tuple[str, _Put]]:
    for field in message.DESCRIPTOR.fields:
        here = f"{path}{field.name}"
        if field.type == FieldDescriptor.TYPE_STRING:
            yield here, _Put(steps, field.name, "item" if field.is_repeated else "text")
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                for form in ("key", "value"):
                    yield f"{here}.{form}", _Put(steps, field.name, form)
                continue
            inner = getattr(message, field.name)
            inner = (inner[0] if inner else None) if field.is_repeated else inner
            assert inner is not None, f"a request to poison needs a {here}"
            yield from _places(inner, f"{here}.", *steps, field.name)
