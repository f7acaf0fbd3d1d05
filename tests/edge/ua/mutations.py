"""Make broken SIP and SDP from whole messages, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

_NASTY = (
    b"",
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"%00",
    b"%n%s%x",
    b"-1",
    b"0",
    b"4294967296",
    b"99999999999999999999",
    b"\xff\xfe",
    b"\xc3\x28",
    b'"',
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"a" * 300,
    b"[::1]",
    b"255.255.255.255",
    b"sip:" * 40,
    b";tag=x" * 30,
)


def mutate(whole: bytes, dice: random.Random) -> bytes:
    """Return a message with one to six faults."""
    octets = bytearray(whole)
    for _ in range(dice.randint(1, 6)):
        fault = dice.randrange(9)
        at = dice.randrange(len(octets) + 1)
        end = min(len(octets), at + dice.randint(1, 40))
        if fault == 0:
            octets[at:end] = b""
        elif fault == 1:
            octets[at:at] = dice.choice(_NASTY)
        elif fault == 2:
            octets[at:end] = dice.choice(_NASTY)
        elif fault == 3:
            octets[at:at] = octets[at:end] * dice.randint(1, 8)
        elif fault == 4 and octets:
            octets[min(at, len(octets) - 1)] = dice.randrange(256)
        else:
            octets = _by_line(octets, dice, fault)
    return bytes(octets[:60_000])


def _by_line(octets: bytearray, dice: random.Random, fault: int) -> bytearray:
    lines = bytes(octets).split(b"\r\n")
    at = dice.randrange(len(lines))
    if fault == 5:
        del lines[at]
    elif fault == 6:
        lines.insert(at, dice.choice(lines))
    elif fault == 7:
        name, colon, _ = lines[at].partition(b":")
        lines[at] = name + colon + dice.choice(_NASTY)
    else:
        other = dice.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return bytearray(b"\r\n".join(lines))


def messages(seed: int, count: int, bases: list[bytes]) -> Iterator[bytes]:
    """Yield ``count`` mutated messages; Call-ID and branch differ, so that each is a new one."""
    dice = random.Random(seed)
    for number in range(count):
        base = dice.choice(bases)
        yield mutate(base.replace(b"{n}", f"{seed}x{number}".encode()), dice)
