"""Sum up what the records say of attempts to reach people: how they ended, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge.records.models import AttemptRow
from edge.records.statistics import Spread, spread_of


@dataclass(frozen=True, slots=True)
class TransferStatistics:
    """What some attempts were like; times in ms."""

    attempts: int
    outcomes: dict[str, int]
    music: Spread | None
    """Decision to the first packet of the music, one value for each call."""
    two_way: Spread | None
    """Accept to the moment from which both voices are sent, where media joins the two."""
    first_rings: int
    """Calls for which a phone rang."""
    summarized: int
    """Of those, calls whose summary was there when the first phone rang."""


def summarize_transfers(attempts: Sequence[AttemptRow]) -> TransferStatistics:
    """Sum up attempts, all of each call."""
    first: dict[str, AttemptRow] = {}
    rang: dict[str, AttemptRow] = {}
    for each in sorted(attempts, key=lambda row: (row.call_id, row.number)):
        first.setdefault(each.call_id, each)
        if each.ringing_ms is not None:
            rang.setdefault(each.call_id, each)
    return TransferStatistics(
        attempts=len(attempts),
        outcomes=dict(Counter(each.outcome for each in attempts).most_common()),
        music=spread_of([each.music_ms for each in first.values() if each.music_ms is not None]),
        two_way=spread_of([ms for each in attempts if (ms := two_way_ms(each)) is not None]),
        first_rings=len(rang),
        summarized=sum(map(summary_in_time, rang.values())),
    )


def two_way_ms(row: AttemptRow) -> int | None:
    """Return accept to two-way audio, None where media did not join the two."""
    heard = (row.caller_hears_ms, row.person_hears_ms)
    if row.accepted_ms is None or heard[0] is None or heard[1] is None:
        return None
    return max(heard[0], heard[1]) - row.accepted_ms


def summary_in_time(row: AttemptRow) -> bool:
    """Say whether the summary was there when the phone rang."""
    return row.summary_ms is not None and row.summary_ms <= (row.ringing_ms or 0)
