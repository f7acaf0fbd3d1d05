"""Give out clip numbers that no process has used on a stream before.

Media refuses a number that was used, and a stream may outlive the agent process that spoke on it.
So numbers begin at the time: less than ten clips a second are said on a stream, and a later process
begins above them. Conversations and desk speech count in ranges of their own.
"""

from __future__ import annotations

_RANGE = 1 << 30
_TENTH_NS = 100_000_000
DESK_FIRST = 1 << 31
"""Numbers from here on belong to :mod:`agent.desk_speech`; edge's own are above 0xFFFF_0000."""


def conversation_base(now_ns: int) -> int:
    """Return the number below a new conversation's first clip."""
    return now_ns // _TENTH_NS % _RANGE


def desk_base(now_ns: int) -> int:
    """Return the number below the first clip of desk speech."""
    return DESK_FIRST + now_ns // _TENTH_NS % _RANGE
