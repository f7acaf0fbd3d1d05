"""Say in an INVITE of ours who shall refresh the session (RFC 4028 section 7.1). SIP thread only.

pjsip leaves that to whoever is called, and has no setting for it; the answer it takes as it comes.
So the parameter is put into the header when pjsip writes the message down: for as long as a call is
being made, the function that writes Session-Expires is one of ours, which goes on to pjsip's. What
it has put in stays in the message, should it be sent again with a password; after a 422 pjsip makes
the header anew, and the called side says again.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.ua import pjsip
from media import LocalError

REFRESHERS = {"uac": b"uac", "uas": b"uas"}
"""By the name in the configuration; ``auto`` is none."""
_Print = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Functions(ctypes.Structure):
    """``pjsip_hdr_vptr`` of pjsip/sip_msg.h."""

    _fields_ = (
        ("clone", ctypes.c_void_p),
        ("shallow_clone", ctypes.c_void_p),
        ("print_on", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """How pjsip writes Session-Expires."""

    functions: _Functions
    address: int
    """Of the original function."""
    original: Any


@contextmanager
def asked(refresher: bytes) -> Iterator[None]:
    """Have the Session-Expires that goes out meanwhile name a refresher.

    Args:
        refresher: ``uac`` or ``uas``, a constant: pjsip keeps where it is; empty leaves it open.

    Raises:
        LocalError: this build of pjsip does not let us.
    """
    if not refresher:
        yield
        return
    writer = _writer()

    def write(header: int, buffer: int, size: int) -> int:
        pjsip.name_refresher(header, refresher)
        return int(writer.original(header, buffer, size))

    ours = _Print(write)
    writer.functions.print_on = ctypes.cast(ours, ctypes.c_void_p).value
    try:
        yield
    finally:
        writer.functions.print_on = writer.address


@functools.cache
def _writer() -> _Writer:
    address = pjsip.session_expires_functions()
    if not _is_writable(address):
        raise LocalError("this build of pjsip does not let Session-Expires be changed")
    functions = _Functions.from_address(address)
    original = int(functions.print_on)
    return _Writer(functions, original, _Print(original))


def _is_writable(address: int) -> bool:
    for line in Path("/proc/self/maps").read_text().splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
        if found and int(found[1], 16) <= address < int(found[2], 16):
            return True
    return False
