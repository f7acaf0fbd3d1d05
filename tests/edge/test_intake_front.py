from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from edge.trunks.connecting import REGISTERED_HEADER, Connector
from edge.trunks.intake import Intake, Taken, TurnedAway
from edge.trunks.limits import TrunkUse
from edge.trunks.routing import Routing
from edge.trunks.servers import REGISTERED
from edge.ua.messages import UaInvite
from media.config.load import parse_config
from media.messages import CallId

pytestmark = pytest.mark.unit

CONFIG = """\
sip: {address: 192.0.2.10, front: kamailio@POLICY@}
limits: {calls: 4}
phones: {anna: {password: one}}
trunks:
  known: {sources: 198.51.100.1}
  pbx: {digest: {username: pbx, password: two, accept_register: true}}
  both: {digest: {username: both, password: two}, sources: 198.51.100.2}
agents: {a: {greeting: Hello., instructions: Help.}}
dialplan: [{agent: a}]
"""
CALL = CallId("one")


def intake(policy: str = "") -> Intake:
    """Make the intake of a service behind the front."""
    loaded = parse_config(CONFIG.replace("@POLICY@", policy).encode(), Path("/srv/c.yaml")).config
    assert loaded is not None
    use = TrunkUse()
    use.set_trunks(loaded.trunks)
    nobody = cast(Any, None)
    connector = Connector(
        nobody, nobody, nobody, use, nobody, lambda: "192.0.2.10", lambda: 7, nobody
    )
    return Intake(Routing.compile(loaded), connector, lambda *_: "", lambda _: None)


def invite(**headers: str) -> UaInvite:
    """Make an INVITE of a stranger that the front passed on."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    told.setdefault("x-cordboard-source", "203.0.113.5:5060;transport=udp")
    uri = "sip:100@192.0.2.10"
    return UaInvite(1, "c", "sip:a@x", "", uri, uri, "", "127.0.0.1:5062", "UDP", "", "", told)


def taken(made: Intake, arrived: UaInvite) -> Taken | TurnedAway:
    """Take an INVITE in."""
    return made.take(made.seen(arrived), CALL, 0.0)


def test_who_has_proven_a_password_is_that_trunk_or_phone() -> None:
    """The front's word counts; a phone belongs to no trunk and is let in all the same."""
    trunk = taken(intake(), invite(x_cordboard_identity="trunk:pbx"))
    phone = taken(intake(), invite(x_cordboard_identity="phone:anna"))
    assert isinstance(trunk, Taken)
    assert isinstance(phone, Taken)
    assert (trunk.offered.trunk, phone.offered.trunk) == ("pbx", None)


def test_a_stranger_behind_the_front_does_not_reach_the_plan() -> None:
    """Whatever the front let through, it has asked for every password already: 403."""
    stranger = taken(intake(), invite())
    gone = taken(intake(), invite(x_cordboard_identity="trunk:unknown"))
    assert isinstance(stranger, TurnedAway)
    assert isinstance(gone, TurnedAway)
    assert (stranger.sip_status, gone.sip_status) == (403, 403)


def test_an_address_alone_is_not_enough_where_a_password_is_asked_too() -> None:
    """The true source is what the front says; its trunk with ``digest`` is challenged."""
    known = taken(intake(), invite(x_cordboard_source="198.51.100.1:5060;transport=udp"))
    both = taken(intake(), invite(x_cordboard_source="198.51.100.2:5060;transport=udp"))
    assert isinstance(known, Taken)
    assert known.offered.trunk == "known"
    assert isinstance(both, TurnedAway)
    assert both.sip_status == 401


def test_everybody_is_let_in_where_the_policy_says_so() -> None:
    """With ``accept`` a stranger is a caller of no trunk."""
    made = taken(intake(", unknown_source: accept"), invite())
    assert isinstance(made, Taken)
    assert made.offered.trunk is None


def test_a_call_to_a_trunk_that_registers_here_names_the_registration() -> None:
    """The number is in the URI at the front, whose registration in a header for the front."""
    made = intake()
    dialled = made.connector.dialled(made.routing, "pbx", "+4930123", REGISTERED, "", {}, {})
    assert dialled.uri == "sip:+4930123@192.0.2.10:5060"
    assert dialled.headers[REGISTERED_HEADER] == "pbx"
