"""The ways in which a caller may write a conversation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tierwise.v1 import message_pb2
from tierwise_client._enums import Role

MessageLike: TypeAlias = message_pb2.Message | Mapping[str, Any] | tuple[Role | str, str]
Prompt: TypeAlias = str | Sequence[MessageLike]

_ROLES = {Role.USER: message_pb2.ROLE_USER, Role.ASSISTANT: message_pb2.ROLE_ASSISTANT}


def messages_of(prompt: Prompt) -> list[message_pb2.Message]:
    """Return the messages of a prompt: a text is one message of the user's; an empty text is none.

    Raises:
        TypeError: a message is not `(role, text)`, `{"role": ..., "content": ...}` or a `Message`.
        ValueError: a role is not "user" or "assistant".
    """
    if isinstance(prompt, str):
        return [_message(Role.USER, prompt)] if prompt else []
    return [_message_of(item) for item in prompt]


def _message_of(item: MessageLike) -> message_pb2.Message:
    match item:
        case message_pb2.Message():
            return item
        case {"role": role, "content": content, **rest} if not rest:
            return _message(role, content)
        case (role, str(text)):
            return _message(role, text)
        case _:
            raise TypeError(
                f"a message is (role, text), {{'role': ..., 'content': ...}} or a Message, not {item!r}"
            )


def _message(role: str, content: object) -> message_pb2.Message:
    try:
        wire_role = _ROLES[Role(role)]
    except ValueError:
        raise ValueError(
            f"a message's role is 'user' or 'assistant', not {role!r}; a system prompt is given as system="
        ) from None
    return message_pb2.Message(role=wire_role, content=[_block(part) for part in _parts(content)])


def _parts(content: object) -> Sequence[object]:
    return content if isinstance(content, list | tuple) else [content]


def _block(part: object) -> message_pb2.ContentBlock:
    match part:
        case str(text) | {"type": "text", "text": str(text)}:
            return message_pb2.ContentBlock(text=message_pb2.TextBlock(text=text))
        case message_pb2.ContentBlock():
            return part
        case _:
            raise TypeError(
                f"a message's content is text or a list of {{'type': 'text', 'text': ...}}, not {part!r}"
            )
