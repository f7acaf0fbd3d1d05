"""Checks of what was agreed."""

from __future__ import annotations

import socket

import pytest

from media.outbound import Outbound
from media.parameters import BadParametersError, check_parameters
from tests.media.bridge_process import parameters_for

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": "G722"},
        {"remote_address": "example.com"},
        {"remote_address": "2001:db8::1"},
        {"ptime_ms": 9},
        {"ptime_ms": 61},
        {"remote_port": 70_000},
        {"remote_rtcp_port": -1},
        {"payload_type": 128},
        {"payload_type": 73},
        {"dtmf_payload_type": 0},
    ],
)
def test_what_cannot_be_carried_is_488(changes: dict[str, object]) -> None:
    """Each is refused with the status that the SDP deserves."""
    with pytest.raises(BadParametersError) as caught:
        check_parameters(parameters_for(4_000, **changes), socket.AF_INET)
    assert caught.value.sip_status == 488


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 60])
def test_what_can_be_carried_is_taken(ptime_ms: int) -> None:
    """IPv4 on either family, IPv6 on its own."""
    for family, host in (
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "2001:db8::1"),
        (socket.AF_INET6, "127.0.0.1"),
    ):
        parameters = parameters_for(4_000, ptime_ms=ptime_ms, host=host)
        check_parameters(parameters, family)
        outbound = Outbound(1, 2, 3)
        outbound.configure(parameters)
        assert outbound.packet_samples == ptime_ms * 8
