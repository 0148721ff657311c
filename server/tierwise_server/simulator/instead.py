"""Responses that take the place of an answer."""

from __future__ import annotations

import math
from typing import Final, assert_never

from tierwise_server.simulator.api_errors import error_body, error_type
from tierwise_server.simulator.render import PING
from tierwise_server.simulator.replies import (
    HTML_TYPE,
    STREAM_TYPE,
    Ending,
    Reply,
    Step,
    json_reply,
)
from tierwise_server.simulator.switches import (
    Drop,
    Empty,
    Hang,
    Html,
    Instead,
    PingsOnly,
    Redirect,
    Status,
)

_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Sign in to continue</h1></body></html>\n"


def instead_of_answer(switch: Instead, request_id: str) -> Reply:
    """The response that `switch` puts in an answer's place. It costs no tokens."""
    match switch:
        case Status():
            return _error(switch, request_id)
        case Redirect():
            return Reply(307, headers={"location": switch.location}, content_length=0)
        case Html():
            return Reply(content_type=HTML_TYPE, steps=(Step(_PAGE),), content_length=len(_PAGE))
        case Empty():
            return Reply(content_type=STREAM_TYPE, content_length=0)
        case Drop():
            return Reply(0, ending=Ending.RESET if switch.reset else Ending.CUT)
        case Hang():
            return Reply(0, wait_s=switch.for_s, ending=Ending.CUT)
        case PingsOnly():
            pings = math.ceil(switch.for_s / switch.interval_s)
            steps = (Step(PING, switch.interval_s),) * pings
            return Reply(content_type=STREAM_TYPE, steps=steps, ending=Ending.CUT)
        case _:
            assert_never(switch)


def _error(switch: Status, request_id: str) -> Reply:
    kind = switch.error_type or error_type(switch.status)
    message = switch.message or f"Simulated {kind}"
    headers = {} if switch.retry_after is None else {"retry-after": switch.retry_after}
    return json_reply(switch.status, error_body(kind, message, request_id), headers)
