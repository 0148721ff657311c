"""What the client's fake and the real server say of the same failure is the same."""

from __future__ import annotations

from tierwise_client import _status
from tierwise_client.testing._failures import STATUS_OF_REASON
from tierwise_server.rpc.status import CODES, DOMAIN


def test_the_fake_reports_each_reason_with_the_server_s_status() -> None:
    assert {reason.name: code for reason, code in CODES.items()} == STATUS_OF_REASON


def test_client_and_server_speak_of_one_domain() -> None:
    assert _status.DOMAIN == DOMAIN
