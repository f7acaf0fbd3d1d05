"""Find calls that two dial plans send to different places.

The calls tried are representatives: for every pattern of either plan a number in it and numbers
just beside it, at every kind of time that the hours of either plan tell apart, over every trunk.
Two plans that agree on all of them can still differ in how conditions combine; what is listed is
always a real difference.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.dialplan.coverage import example
from edge.dialplan.plan import Action, CallFacts, DialPlan
from edge.dialplan.rule import Rule
from media.config.pattern import DIGITS, Word, parse_pattern

_MOST_TIMES = 24
_MOST_CALLERS = 8
"""More, and each number is tried with the callers of its own rule only."""
_DAYS_AHEAD = 370
_NOBODY = "anonymous"


@dataclass(frozen=True, slots=True)
class Moved:
    """One kind of call that goes elsewhere."""

    called: str
    """Pattern, as it stands in a plan."""
    facts: CallFacts
    """An example."""
    old: Action
    new: Action


def differences(
    old: DialPlan, new: DialPlan, trunks: Sequence[str], now: datetime.datetime
) -> Iterator[Moved]:
    """Yield representative calls that the plans treat differently, by called pattern.

    Args:
        old: the plan in force.
        new: the plan that may replace it.
        trunks: names of the trunks of both.
        now: where the search for times begins.
    """
    times = _times((old, new), now)
    over: list[str | None] = [None, *trunks] if _asks_trunk(old, new) else [None]
    headers = _headers(old, new)
    loads = _loads(old, new)
    seen: set[tuple[str, str, str]] = set()
    for pattern, number, callers in _numbers(old, new):
        for at, trunk, caller, header, load in itertools.product(
            times, over, callers, headers, loads
        ):
            facts = CallFacts(number, caller, at, trunk, header, load)
            before, after = old.route(facts).action, new.route(facts).action
            key = (pattern, str(before), str(after))
            if before != after and key not in seen:
                seen.add(key)
                yield Moved(pattern, facts, before, after)


def _asks_trunk(*plans: DialPlan) -> bool:
    return any(rule.match.trunk for plan in plans for rule in plan.rules)


def _numbers(*plans: DialPlan) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each pattern with numbers of it, ends of ranges included, and callers to try."""
    few = _callers([rule for plan in plans for rule in plan.rules])
    seen: set[tuple[str, tuple[Word, ...]]] = set()
    for rule in (rule for plan in plans for rule in plan.rules):
        callers = few if len(few) <= _MOST_CALLERS else _callers([rule])
        for pattern in rule.match.called or ("*",):
            for number in sorted(_edges_of(parse_pattern(pattern))):
                if (number, rule.caller) not in seen:
                    seen.add((number, rule.caller))
                    yield pattern, number, callers


def _callers(rules: Sequence[Rule]) -> list[str]:
    return [_NOBODY, *sorted({example([word]) for rule in rules for word in rule.caller})]


def _edges_of(words: Sequence[Word]) -> set[str]:
    found = set()
    for word in words:
        for pick in (min, max):
            number = "".join(
                pick(each & DIGITS) if each & DIGITS else min(each) for each in word.sets
            )
            if number:
                found.add(number)
            if word.open:
                found.add(number + "0000")
    return found


def _headers(*plans: DialPlan) -> list[dict[str, str]]:
    asked = {
        (name, text.replace("*", ""))
        for plan in plans
        for rule in plan.rules
        for name, text in rule.match.headers.items()
    }
    return [{}, *({name: text} for name, text in sorted(asked))]


def _loads(*plans: DialPlan) -> list[float]:
    edges = {0}
    for plan in plans:
        for rule in plan.rules:
            edges |= {rule.match.load_at_least or 0, rule.match.load_below or 0}
    return [each / 100 for each in sorted(edges)]


def _times(plans: Sequence[DialPlan], now: datetime.datetime) -> list[datetime.datetime]:
    """Return instants that differ in which hours are open, the nearest of each kind."""
    asked = [
        plan.hours[name]
        for plan in plans
        for name in sorted(
            {each for r in plan.rules for each in (r.match.hours, r.match.outside) if each}
        )
    ]
    found: dict[tuple[bool, ...], datetime.datetime] = {}
    at = now
    end = now + datetime.timedelta(days=_DAYS_AHEAD)
    while at < end and len(found) < min(_MOST_TIMES, 2 ** len(asked)):
        found.setdefault(tuple(each.is_open(at) for each in asked), at)
        changes = [change for each in asked if (change := each.next_change(at)) is not None]
        if not changes:
            break
        at = min(changes)
    return list(found.values())
