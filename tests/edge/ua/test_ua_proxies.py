from __future__ import annotations

import pjsua2 as pj
import pytest

from edge.ua.endpoint import Endpoint
from edge.ua.messages import UaSettings

pytestmark = pytest.mark.unit

FRONT = "sip:127.0.0.1:5062;lr"
SERVER = "sip:192.0.2.1:5060;lr;hide"


def proxies(settings: UaSettings, further: str) -> list[str]:
    """Return the proxies of an account."""
    config = pj.AccountConfig()
    Endpoint(settings, lambda _: None).add_proxies(config, further)
    return list(config.sipConfig.proxies)


def test_behind_the_front_everything_goes_through_it() -> None:
    """First the front, then the server of the trunk, which the front must be able to read."""
    fronted = UaSettings("127.0.0.1", proxy=FRONT)
    assert proxies(fronted, "") == [FRONT]
    assert proxies(fronted, SERVER) == [FRONT, "sip:192.0.2.1:5060;lr"]
    assert proxies(fronted, FRONT) == [FRONT]


def test_without_a_front_a_server_is_its_own_way() -> None:
    """The route is hidden from the server; without one there is none."""
    assert proxies(UaSettings("127.0.0.1"), SERVER) == [SERVER]
    assert proxies(UaSettings("127.0.0.1"), "") == []
