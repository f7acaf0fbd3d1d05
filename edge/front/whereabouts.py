"""Say from where the audio of a phone that is registered at the front is to be spoken to (sans-IO).

Kamailio alone knows where a phone has registered from. Its answer to ``ul.lookup`` names every
place of one name; the audio of a call has one address of ours, so one place decides: the first that
is of the family that media speaks anyway, else the first of all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from edge.ua.route import local_address_toward

_HOST = re.compile(r"sips?:(?:[^@;>]*@)?(?:\[([^\]]+)\]|([^:;>?]+))")


def places(answer: Any) -> list[str]:
    """Return the IP addresses at which a name is registered, in Kamailio's order.

    Args:
        answer: of ``ul.lookup``.
    """
    contacts = answer.get("Contacts", ()) if isinstance(answer, dict) else ()
    return [found for each in contacts for found in _addresses(each)]


def audio_address(found: list[str], own: str) -> str | None:
    """Return our address toward a phone, None where media's own is right or there is no way.

    Args:
        found: where the phone is.
        own: ``media.address``.
    """
    six = ":" in own
    place = next((each for each in found if (":" in each) == six), found[0] if found else None)
    if place is None or (own not in ("0.0.0.0", "::") and (":" in place) == six):
        return None
    try:
        return local_address_toward(place)
    except OSError:
        return None


def _addresses(contact: Any) -> Iterator[str]:
    """Yield where one phone is: where it was heard from, rather than what it says of itself."""
    told = contact.get("Contact", {}) if isinstance(contact, dict) else {}
    for name in ("Received", "Address"):
        found = _HOST.match(str(told.get(name, "")))
        host = (found[1] or found[2]) if found else ""
        try:
            yield str(ipaddress.ip_address(host))
        except ValueError:
            continue  # not set, or a name
        return
