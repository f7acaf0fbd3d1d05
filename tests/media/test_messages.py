import dataclasses
from typing import Any

import pytest

from media import messages as m

pytestmark = pytest.mark.unit

TURN = m.Turn(m.CallId("c1"), 3, m.Speaker.AGENT, "Yes.", 10, 20, response_ms=640)
CONFIGURE = m.ConfigureStream(
    5, m.StreamParameters("192.0.2.1", 4000, 4001, "PCMA", 8, direction=m.Direction.RECVONLY)
)


@pytest.mark.parametrize(
    "message",
    [
        m.Ping(),
        TURN,
        CONFIGURE,
        m.StreamClosed(5, m.StreamQuality(packets_sent=3, mos=4.2, round_trip_ms=None)),
        m.AgentStatus(True, "ready", {"voice": "joe"}, 2),
    ],
)
def test_messages_survive_the_round_trip(message: m.Message) -> None:
    """A message parsed from its own wire form equals it, nested parts included."""
    assert m.from_wire(m.to_wire(message)) == message


def test_the_request_id_is_not_a_field() -> None:
    """A request id travels beside the fields and is not mistaken for one."""
    assert m.from_wire(m.to_wire(TURN, 42)) == TURN


def broken(message: m.Message, **changes: Any) -> dict[str, Any]:
    return {**m.to_wire(message), **changes}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"type": "Nonsense"}, "unknown message type"),
        ({}, "unknown message type"),
        ({"type": "CloseStream"}, "has no stream"),
        (broken(TURN, number="3"), "Turn.number"),
        (broken(TURN, number=True), "Turn.number"),
        (broken(TURN, speaker="nobody"), "Turn.speaker"),
        (broken(TURN, text=None), "Turn.text"),
        (broken(CONFIGURE, parameters=[]), "not an object"),
        (broken(m.AgentStatus(True, ""), engines=[1]), "not an object"),
        (broken(m.AgentStatus(True, ""), engines={"a": 1}), "engines"),
    ],
)
def test_a_wrong_message_is_the_peers_fault(body: dict[str, Any], said: str) -> None:
    """A message that does not fit is refused with the field that is wrong."""
    with pytest.raises(m.MessageError, match=said):
        m.from_wire(body)


def test_unknown_fields_are_ignored() -> None:
    """A newer peer may say more than we know."""
    assert m.from_wire({**m.to_wire(m.CloseStream(3)), "later": 1}) == m.CloseStream(3)


def test_an_integer_is_a_number() -> None:
    """JSON does not tell 4 from 4.0; a float field takes both and holds a float."""
    quality = m.from_wire(m.to_wire(m.StreamClosed(1, m.StreamQuality(mos=4))))
    assert isinstance(quality, m.StreamClosed)
    assert isinstance(quality.quality.mos, float)


def test_every_message_is_frozen() -> None:
    """Nobody changes a message after it was made."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        m.CloseStream(1).stream = 2  # type: ignore[misc]  # the assignment is what is tested
