"""Find what is wrong with the rules as a whole, before a call does.

- a rule whose calls are all taken by earlier rules can never match: an error;
- two rules that share calls while neither takes all of the other's: a note, since their order
  decides and nobody may have noticed;
- actions that can lead back to themselves through rules, queues and numbers: an error.

Called and caller numbers are compared exactly. Hours are open or closed independently of each
other, trunks are compared by name, headers by their text, load by its bounds.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from edge.dialplan.bits import ascending, count_of
from edge.dialplan.coverage import EVERYTHING, common, left_over
from edge.dialplan.loops import find_loops
from edge.dialplan.reach import Reach
from edge.dialplan.rule import Rule
from edge.dialplan.rule_index import RuleIndex
from media.config.consistency import rules_with_paths
from media.config.model import Config
from media.config.pattern import Part, Span, words_of
from media.config.read import Problem, Reading
from media.config.routing import ActionConfig

_MOST_NOTES = 50
_MOST_PAIRS = 50_000
"""Pairs of patterns that are compared for notes where rules have several each."""


@dataclass(slots=True)
class Analysis:
    """What was found."""

    index: RuleIndex
    """Of the rules that were looked at."""
    errors: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)


def analyse(config: Config, reading: Reading) -> Analysis:
    """Find unreachable rules, surprising overlaps and loops.

    Args:
        config: a configuration or the usable part of a flawed one.
        reading: where everything stands in the file.
    """
    numbered = rules_with_paths(config, reading)
    rules = [Rule.compile(index, rule) for index, (_, rule) in enumerate(numbered)]
    analysis = Analysis(RuleIndex(rules))
    paths = [path for path, _ in numbered]

    def problem(path: str, message: str) -> Problem:
        return Problem(reading.file, *reading.position(path), path, message)

    lines = [reading.position(path)[0] for path in paths]
    reach = Reach(analysis.index, tuple(config.trunks))
    surprises = _Surprises(reach, rules)
    unclear = _with_flawed_matches(reading)
    for rule in rules:
        if paths[rule.index] in unclear:
            continue  # what it takes is not known: it must not seem to take everything
        found = reach.ask(rule)
        if found.takers:
            shown = _named(found.takers, rules, lines)
            message = f"can never match: {shown} everything it would take; move it up or delete it"
            analysis.errors.append(problem(paths[rule.index], message))
            continue
        if len(analysis.notes) < _MOST_NOTES:
            analysis.notes += [
                problem(
                    paths[rule.index],
                    f"shares calls with {other.label} (line {lines[other.index]}), for example to "
                    f"{number}; that rule comes first and takes them",
                )
                for other, number in surprises.of(rule, found.near)
            ]
        surprises.add(rule)
    del analysis.notes[_MOST_NOTES:]
    analysis.notes += [
        problem(paths[each.index], "too many rules share calls with it to say if any is left")
        for each in reach.undecided[:1]
    ]
    analysis.errors += [
        problem(path, message)
        for path, message in find_loops(config, rules, paths, reach.called)
        if not reading.is_flawed(path)
    ]
    return analysis


def _with_flawed_matches(reading: Reading) -> set[str]:
    found = (re.match(r"(dialplan\[\d+\])\.match", each.path) for each in reading.problems)
    return {each[1] for each in found if each is not None}


def _named(takers: int, rules: list[Rule], lines: list[int]) -> str:
    count = count_of(takers)
    first = [rules[each] for each in itertools.islice(ascending(takers), 4)]
    shown = [f"{each.label} (line {lines[each.index]})" for each in first]
    more = f" and {count - 4} more" if count > 4 else ""
    if count == 1:
        return f"{shown[0]} takes"
    return f"{', '.join(shown)}{more} together take"


class _Surprises:
    """Earlier rules that cross a rule in their numbers and do something else with the call."""

    def __init__(self, reach: Reach, rules: list[Rule]) -> None:
        self._reach = reach
        self._rules = rules
        self._alike: dict[Hashable, int] = {}
        """By what they do: earlier rules."""
        self._pairs = _MOST_PAIRS

    def add(self, rule: Rule) -> None:
        """Take a rule that later ones may cross."""
        key = _action_key(rule.config)
        self._alike[key] = self._alike.get(key, 0) | 1 << rule.index

    def of(self, rule: Rule, near: int) -> Iterator[tuple[Rule, str]]:
        """Yield each rule that crosses this one, with a number both take."""
        near &= ~self._alike.get(_action_key(rule.config), 0)
        if not near or self._pairs < 0:
            return
        plain = self._reach.called.containing(rule.called, near)
        plain |= self._reach.called.contained(rule.called, near)
        nested = self._reach.caller.containing(rule.caller, plain)
        nested |= self._reach.caller.contained(rule.caller, plain)
        for each in ascending(near & ~nested):
            other = self._rules[each]
            self._pairs -= _effort(rule.called) * _effort(other.called)
            if self._pairs < 0:
                return
            if _cross(rule.called, other.called) or _cross(rule.caller, other.caller):
                number = common(rule.called, other.called)
                if number is not None:
                    yield other, number


def _effort(parts: Sequence[Part]) -> int:
    """Return how many words are compared where parts are."""
    if len(parts) == 1 and isinstance(parts[0], Span):
        return 1
    return max(1, len(words_of(parts)))


def _cross(ours: Sequence[Part], theirs: Sequence[Part]) -> bool:
    """Say whether neither takes all of the other's numbers."""
    return (
        left_over(ours, theirs or EVERYTHING) is not None
        and left_over(theirs, ours or EVERYTHING) is not None
    )


def _action_key(action: ActionConfig) -> Hashable:
    failing = _action_key(action.on_failure) if action.on_failure is not None else None
    return (
        action.agent,
        action.queue,
        action.number,
        action.trunk,
        action.announce,
        action.reject,
        action.reason,
        action.rule,
        tuple(sorted(action.variables.items())),
        failing,
    )
