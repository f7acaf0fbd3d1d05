"""Find calls that two dial plans send to different places.

The calls tried are representatives: for every pattern of either plan a number in it and numbers
just beside it, at every kind of time that the hours of either plan tell apart, over every trunk,
with every header and load that a rule asks for. Where that would be too many, each rule's numbers
are tried with what this rule asks for, and without.
Two plans that agree on all of them can still differ in how conditions combine; what is listed is
always a real difference.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edge.dialplan.coverage import example
from edge.dialplan.plan import Action, CallFacts, DialPlan
from edge.dialplan.rule import Rule
from media.config.pattern import DIGITS, Part, parse_pattern, words_of

_MOST_TIMES = 24
_MOST_CALLERS = 8
"""More, and each number is tried with the callers of its own rule only."""
_MOST_COMBINATIONS = 64
"""Of trunks, headers and loads, that every number is tried with."""
_DAYS_AHEAD = 370
_NOBODY = "anonymous"

_Way = tuple[str | None, str, dict[str, str], float]
"""Trunk, caller, headers and load of a call."""


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
    small = len(over) * len(headers) * len(loads) <= _MOST_COMBINATIONS
    for pattern, number, callers, rule, plan in _numbers(old, new, by_number=small):
        if small:
            ways: Iterable[_Way] = itertools.product(over, callers, headers, loads)
            at_times = times
        else:
            ways, at_times = _own(rule, callers), _fitting(rule, plan, times)
        for (trunk, caller, header, load), at in itertools.product(ways, at_times):
            facts = CallFacts(number, caller, at, trunk, header, load)
            before, after = old.route(facts).action, new.route(facts).action
            key = (pattern, str(before), str(after))
            if before != after and key not in seen:
                seen.add(key)
                yield Moved(pattern, facts, before, after)


def _asks_trunk(*plans: DialPlan) -> bool:
    return any(rule.match.trunk for plan in plans for rule in plan.rules)


def _own(rule: Rule, callers: list[str]) -> Iterator[_Way]:
    """Yield calls that ask for what a rule asks for, over each of its trunks, and ordinary ones."""
    match = rule.match
    headers = {name: text.replace("*", "") for name, text in match.headers.items()}
    load = (match.load_at_least or 0) / 100
    for caller in callers:
        yield None, caller, {}, 0.0
        for trunk in match.trunk or (None,):
            yield trunk, caller, headers, load


def _fitting(rule: Rule, plan: DialPlan, times: list[datetime.datetime]) -> list[datetime.datetime]:
    """Return one time at which a rule's hours fit, where there is one, and one at which not."""
    match = rule.match
    found: dict[bool, datetime.datetime] = {}
    for at in times:
        fits = match.hours is None or plan.hours[match.hours].is_open(at)
        fits = fits and not (match.outside is not None and plan.hours[match.outside].is_open(at))
        found.setdefault(fits, at)
        if len(found) == 2:
            break
    return list(found.values())


def _numbers(
    *plans: DialPlan, by_number: bool
) -> Iterator[tuple[str, str, list[str], Rule, DialPlan]]:
    """Yield each pattern with numbers of it, ends of ranges included, callers, and whose it is.

    Args:
        plans: whose rules.
        by_number: a number is tried once for all rules that ask for nothing of the caller.
    """
    few = _callers([rule for plan in plans for rule in plan.rules])
    seen: set[tuple[object, ...]] = set()
    for plan, rule in ((each, rule) for each in plans for rule in each.rules):
        callers = few if len(few) <= _MOST_CALLERS else _callers([rule])
        for pattern in rule.match.called or ("*",):
            for number in sorted(_edges_of(parse_pattern(pattern))):
                key = (number, rule.caller) if by_number else (number, rule.caller, rule.cell)
                if key not in seen:
                    seen.add(key)
                    yield pattern, number, callers, rule, plan


def _callers(rules: Sequence[Rule]) -> list[str]:
    return [_NOBODY, *sorted({example([word]) for rule in rules for word in rule.caller})]


def _edges_of(parts: Sequence[Part]) -> set[str]:
    found = set()
    for word in words_of(parts):
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
