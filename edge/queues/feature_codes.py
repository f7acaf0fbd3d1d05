"""Recognise what people dial from their own phones (sans-IO).

A code counts only from the phone's own address: behind the front the registration proves who
calls; a phone with a fixed address is known by user and host of its From, sent from that host.
"""

from __future__ import annotations

import re

from edge.queues.messages import ChangeDuty, Duty
from edge.ua.proxied import IDENTITY_HEADER
from media.config.model import Config
from media.config.queues import PersonConfig

LONGEST_WRAP_UP_S = 3_600
_SIP = re.compile(r"sips?:(?:([^@;>]*)@)?(\[[^\]]+\]|[^:;>?]+)", re.IGNORECASE)


def duty_of(dialled: str, config: Config) -> tuple[Duty, int] | None:
    """Return what a dialled code means and its seconds, None where it is no code."""
    codes = config.desk.codes
    plain = {
        codes.join: Duty.JOIN,
        codes.leave: Duty.LEAVE,
        codes.pause: Duty.PAUSE,
        codes.unpause: Duty.UNPAUSE,
    }
    if dialled in plain:
        return plain[dialled], 0
    rest = dialled.removeprefix(codes.wrap_up)
    if rest != dialled and re.fullmatch(r"[0-9]{0,4}", rest):
        return Duty.WRAP_UP, min(int(rest or 0), LONGEST_WRAP_UP_S)
    return None


def person_of(from_uri: str, source: str, headers: dict[str, str], config: Config) -> str | None:
    """Return whose phone calls, None where it is nobody's.

    Args:
        from_uri: of From.
        source: ``address:port`` that the INVITE came from.
        headers: by lower-case name.
        config: people and their phones.
    """
    kind, _, registered = headers.get(IDENTITY_HEADER.lower(), "").partition(":")
    for name, person in config.people.items():
        if kind == "phone" and config.sip.front != "none":
            if person.phone == registered:
                return name
        elif _is_phone(person, from_uri, source):
            return name
    return None


def recognise(
    request_uri: str, from_uri: str, source: str, headers: dict[str, str], config: Config
) -> ChangeDuty | None:
    """Return what an INVITE changes, None where it is an ordinary call."""
    found = _SIP.match(request_uri)
    meaning = duty_of((found[1] or "").replace("%23", "#"), config) if found else None
    person = person_of(from_uri, source, headers, config) if meaning else None
    if meaning is None or person is None:
        return None
    return ChangeDuty(person, *meaning)


def _is_phone(person: PersonConfig, from_uri: str, source: str) -> bool:
    phone, caller = _SIP.match(person.phone), _SIP.match(from_uri)
    if phone is None or caller is None:
        return False
    address = source.rpartition(":")[0].strip("[]")
    return (phone[1] or "", phone[2].strip("[]")) == (caller[1] or "", address)
