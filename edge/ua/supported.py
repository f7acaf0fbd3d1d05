"""Leave 100rel out of the Supported that goes out, where a trunk has it off. SIP thread only.

pjsip writes Supported from one list of the whole process, whatever an account says of reliable
answers. The list is short while a message of such a call is made, and whole at all other times:
while we ask for the message, and while pjsip answers a request of the dialog by itself, from our
seeing the request (:mod:`edge.ua.inspection`) to the end of the poll or to the next request. What
pjsip sends because a timer of its own ran out, a session refresh, still lists it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from edge.ua import pjsip
from edge.ua.refresher import asked

_SUPPORTED = 36
"""``PJSIP_H_SUPPORTED`` of pjsip/sip_msg.h."""
_MOST_VALUES = 32
"""``PJSIP_GENERIC_ARRAY_MAX_COUNT``."""
_TOKEN = b"100rel"
_COUNT_BYTES = ctypes.sizeof(ctypes.c_uint)
"""In front of the values; the two lists differ in it."""


class _Text(ctypes.Structure):
    """``pj_str_t`` of pj/types.h, its octets not copied."""

    _fields_ = (("ptr", ctypes.c_void_p), ("slen", ctypes.c_ssize_t))

    def read(self) -> bytes:
        """Return the octets."""
        return ctypes.string_at(self.ptr, self.slen)


class _Array(ctypes.Structure):
    """``pjsip_generic_array_hdr`` of pjsip/sip_msg.h."""

    _fields_ = (
        ("prev", ctypes.c_void_p),
        ("next", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("name", _Text),
        ("sname", _Text),
        ("vptr", ctypes.c_void_p),
        ("count", ctypes.c_uint),
        ("values", _Text * _MOST_VALUES),
    )


@dataclass(frozen=True, slots=True)
class _Lists:
    """Where pjsip keeps the list, from its number of values on, and what may stand there."""

    address: int
    whole: bytes
    short: bytes


class ExtensionCall(pj.Call):  # type: ignore[misc]  # pjsua2 has no types
    """A call whose messages say what its trunk lets us support."""

    rel100 = True
    """Whether 100rel is among it."""
    refresher = b""
    """Who is asked to refresh the session, ``uac`` or ``uas``; empty leaves it to the called."""

    def makeCall(self, uri: str, prm: Any) -> None:  # noqa: N802
        """Send INVITE."""
        with _said(self.rel100), asked(self.refresher):
            super().makeCall(uri, prm)

    def answer(self, prm: Any) -> None:
        """Answer the INVITE."""
        with _said(self.rel100):
            super().answer(prm)

    def reinvite(self, prm: Any) -> None:
        """Send INVITE in the dialog."""
        with _said(self.rel100):
            super().reinvite(prm)

    def setHold(self, prm: Any) -> None:  # noqa: N802
        """Send INVITE in the dialog, for hold."""
        with _said(self.rel100):
            super().setHold(prm)


def say_100rel(said: bool) -> bool:
    """Have what pjsip writes from now on list 100rel or not; return whether it did so before."""
    lists = _lists()
    before = ctypes.string_at(lists.address, _COUNT_BYTES) == lists.whole[:_COUNT_BYTES]
    if said is not before:
        octets = lists.whole if said else lists.short
        ctypes.memmove(lists.address, octets, len(octets))
    return before


@contextmanager
def _said(said: bool) -> Iterator[None]:
    before = say_100rel(said)
    try:
        yield
    finally:
        say_100rel(before)


@functools.cache
def _lists() -> _Lists:
    header = _Array.from_address(pjsip.capability(_SUPPORTED))
    size = _Array.values.offset - _Array.count.offset + header.count * ctypes.sizeof(_Text)
    address = ctypes.addressof(header) + _Array.count.offset
    kept = [each for each in header.values[: header.count] if each.read() != _TOKEN]
    short = _Array(count=len(kept))
    short.values[: len(kept)] = kept
    start = ctypes.addressof(short) + _Array.count.offset
    return _Lists(address, ctypes.string_at(address, size), ctypes.string_at(start, size))
