"""Say what the matrix consists of: which scenario runs how, and what else must be true after it.

The scenarios are in ``sip-configs/sipp``; each says what it shows (its name) and where that is
written (the comment in its second line). ``uac_*`` call the service, ``uas_*`` are called.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.harness.service import ROOT
from tests.sip_matrix import scripts
from tests.sip_matrix.service import HANGUP_USER, SLOW_USER

SCENARIOS = ROOT / "sip-configs" / "sipp"
NO_ROWS = ("uac_flood", "uac_long_call", "uac_overload")
"""Scenarios that make load for other tests."""


@dataclass(frozen=True)
class Outcome:
    """What one run showed."""

    exit_code: int
    received: list[str]
    """Status codes and methods that SIPp received, in order."""
    seconds: float
    errors: str
    sip_call_id: str


Check = Callable[[Outcome, dict[str, Any] | None], None]


@dataclass(frozen=True)
class Row:
    """One scenario, run one way."""

    name: str
    scenario: str
    transport: str = "u1"
    """SIPp's ``-t``: ``u1`` for UDP, ``t1`` for TCP."""
    host: str = "127.0.0.1"
    user: str = "100"
    """Whom a caller calls; the scripted agent behaves accordingly."""
    script: scripts.Script | None = None
    """What we do in a call out; None for calls in."""
    dial: dict[str, Any] = field(default_factory=dict)
    """More fields of the UaDial."""
    patient: bool = False
    """Waits for a session timer of 90 s: runs beside the others."""
    full: bool = False
    """All lines are taken when it runs."""
    check: Check | None = None
    """Further assertions on the outcome and on the call record (None where there is none)."""
    front_log: str = ""
    """What Kamailio must have logged, where it answers instead of a worker."""
    why: str = ""
    """Why the answer through Kamailio is another one by design, in one line."""

    @property
    def path(self) -> Path:
        """The scenario file."""
        return SCENARIOS / f"{self.scenario}.xml"

    @property
    def title(self) -> str:
        """What it shows."""
        found = re.search(r'<scenario name="([^"]*)"', self.path.read_text())
        assert found, f"{self.path} has no name"
        over = {"t1": ", over TCP"}.get(self.transport, "")
        return found[1].replace("&quot;", '"') + over + (", IPv6" if ":" in self.host else "")

    @property
    def section(self) -> str:
        """Where it is written."""
        found = re.search(r"<!-- (.*?) -->", self.path.read_text().split("\n")[1])
        assert found, f"{self.path} names no RFC section"
        return found[1]

    @property
    def outbound(self) -> bool:
        """Whether we place the call."""
        return self.script is not None


def _ended_as(reason: str, cause: str = "") -> Check:
    def check(_: Outcome, record: dict[str, Any] | None) -> None:
        assert record is not None, "there is no call record"
        assert record["reason"] == reason, record
        assert cause in record["cause"], record

    return check


def _seen_often(what: str, least: int) -> Check:
    def check(outcome: Outcome, _: dict[str, Any] | None) -> None:
        assert outcome.received.count(what) >= least, outcome.received

    return check


_INBOUND: dict[str, dict[str, Any]] = {
    "uac_basic": {"check": _ended_as("caller_hangup")},
    "uac_bye_from_us": {"user": HANGUP_USER, "check": _ended_as("agent_goodbye")},
    "uac_record_route": {"user": HANGUP_USER, "check": _ended_as("agent_goodbye")},
    "uac_bye_reason": {"check": _ended_as("caller_hangup", "cause=31")},
    "uac_cancel": {"user": SLOW_USER, "check": _ended_as("caller_cancelled")},
    "uac_prack_required": {"user": SLOW_USER},
    "uac_merged_482": {"user": SLOW_USER, "check": _ended_as("caller_hangup")},
    "uac_retransmit": {"user": SLOW_USER, "check": _ended_as("caller_hangup")},
    "uac_late_ack": {"check": _seen_often("200", 3)},
    "uac_no_codec_488": {"check": _ended_as("unacceptable")},
    "uac_full_503": {"full": True, "check": _ended_as("full")},
    "uac_timer_uas": {"patient": True},
    "uac_timer_uas_reinvite": {"patient": True},
    "uac_timer_expired": {"patient": True},
}
_OUTBOUND: dict[str, dict[str, Any]] = {
    "uas_basic": {"script": scripts.talk},
    "uas_bye_from_them": {"script": scripts.wait_for_their_end},
    "uas_early_media": {"script": scripts.hear_early_media},
    "uas_repeated_180": {"script": scripts.talk},
    "uas_forked_early": {"script": scripts.talk},
    "uas_forked_other_answers": {"script": scripts.talk},
    "uas_forked_200": {"script": scripts.talk},
    "uas_prack": {"script": scripts.talk},
    "uas_302": {"script": scripts.refused(302)},
    "uas_cancel": {"script": scripts.give_up},
    "uas_late_200": {"script": scripts.give_up},
    "uas_401": {"script": scripts.talk, "dial": {"user": "cord", "password": "board"}},
    "uas_407": {"script": scripts.talk, "dial": {"user": "cord", "password": "board"}},
    "uas_401_again": {
        "script": scripts.refused(401),
        "dial": {"user": "cord", "password": "wrong"},
    },
    "uas_422": {"script": scripts.talk},
    "uas_timer_refresher_uac": {"script": scripts.outlast_timer, "patient": True},
    "uas_timer_refresher_uas": {"script": scripts.talk_after_update},
    "uas_hold_by_us": {"script": scripts.hold_and_resume},
    "uas_reinvite_by_us": {"script": scripts.move_media},
    "uas_hold_by_them": {"script": scripts.hear_rounds(3)},
    "uas_update_by_them": {"script": scripts.hear_rounds(2)},
    "uas_late_reinvite": {"script": scripts.hear_rounds(2)},
    "uas_glare_491": {"script": scripts.hold_once},
    "uas_glare_retry": {"script": scripts.hold_once},
    "uas_reinvite_refused": {"script": scripts.fail_to_hold},
    "uas_reinvite_481": {"script": scripts.hold_gone},
    "uas_refer": {"script": scripts.transfer(200)},
    "uas_refer_refused": {"script": scripts.transfer(405)},
    "uas_refer_by_them": {"script": scripts.be_asked_to_refer},
    "uas_no_sdp": {"script": scripts.wait_for_any_end},
    "uas_bad_sdp": {"script": scripts.wait_for_any_end},
    "uas_declined_audio": {"script": scripts.wait_for_any_end},
    "uas_several_codecs": {"script": scripts.talk},
    "uas_record_route": {"script": scripts.talk},
    "uas_options_by_them": {"script": scripts.talk_a_while},
    "uas_info_by_them": {"script": scripts.hear_digit("1")},
    **{
        f"uas_{status}": {"script": scripts.refused(status)}
        for status in (404, 408, 480, 483, 486, 488, 500, 503, 600, 603)
    },
}


def _rows() -> list[Row]:
    names = sorted(path.stem for path in SCENARIOS.glob("uac_*.xml"))
    rows = [Row(name, name, **_INBOUND.get(name, {})) for name in names if name not in NO_ROWS]
    for name in ("uac_basic", "uac_late_offer", "uac_reinvite_port", "uac_hold_sendonly"):
        rows.append(Row(f"{name}_tcp", name, transport="t1"))
    rows.append(Row("uac_bye_from_us_tcp", "uac_bye_from_us", transport="t1", user=HANGUP_USER))
    rows += [Row(name, name, **fields) for name, fields in _OUTBOUND.items()]
    rows.append(Row("uas_basic_tcp", "uas_basic", transport="t1", script=scripts.talk))
    # those that wait come last; they began first
    return sorted(rows, key=lambda row: (row.patient, row.outbound))


ROWS = _rows()

_THROUGH_FRONT: dict[str, dict[str, Any]] = {
    "uac_max_forwards_0": {
        "scenario": "front_max_forwards_0",
        "why": "the front is a proxy, which passes nothing on with 0 hops left (RFC 3261 16.3)",
    },
    "uac_register": {
        "scenario": "front_register",
        "why": "the front is a registrar for desk phones and trunks and asks for the password",
    },
    "uac_full_503": {"front_log": "call_refused source=127.0.0.1 status=503"},
}


def _through_front() -> list[Row]:
    return [replace(row, **_THROUGH_FRONT.get(row.name, {})) for row in ROWS]


FRONT_ROWS = _through_front()
"""The same rows through Kamailio; those that it answers by itself have an answer of its own."""
