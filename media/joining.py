"""Let legs hear each other: who is joined to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.clocked import ClockedReader

if TYPE_CHECKING:
    from media.stream import Stream


def join(*together: Stream) -> None:
    """Let these legs hear each other and nobody else; who did already notices nothing."""
    for one in together:
        one.ear = None  # who is talked to was found to be a person
        for former in [each for each in one.joined_to if each not in together]:
            _part(one, former)
        for two in together:
            if two is not one and two not in one.joined_to:
                one.joined_to.append(two)
                one.voice_told = False
                one.outbound.voices[two.number] = ClockedReader()


def split(leg: Stream) -> None:
    """Take a leg out of what it is joined to; the others stay together."""
    for other in list(leg.joined_to):
        _part(leg, other)


def _part(one: Stream, two: Stream) -> None:
    one.joined_to.remove(two)
    two.joined_to.remove(one)
    del one.outbound.voices[two.number], two.outbound.voices[one.number]
