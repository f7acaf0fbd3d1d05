"""Find what is wrong with the rules as a whole, before a call does.

- a rule whose calls are all taken by earlier rules can never match: an error;
- two rules that share calls while neither takes all of the other's: a note, since their order
  decides and nobody may have noticed;
- actions that can lead back to themselves through rules, queues and numbers: an error.

Called and caller numbers are compared exactly. Hours are open or closed independently of each
other, trunks are compared by name, headers by their text, load by its bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edge.dialplan.coverage import EVERYTHING, common, left_over
from edge.dialplan.loops import find_loops
from edge.dialplan.rule import Rule
from edge.dialplan.trie import PrefixTrie
from media.config.consistency import rules_with_paths
from media.config.model import Config
from media.config.pattern import Word
from media.config.read import Problem, Reading
from media.config.routing import MatchConfig, RuleConfig

_FEW = 8
_MOST_NOTES = 50
_MOST_PAIRS = 200_000
"""Pairs of rules compared for notes; ten thousand ordinary rules have far fewer in common."""


@dataclass(slots=True)
class Analysis:
    """What was found."""

    errors: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)


def analyse(config: Config, reading: Reading) -> Analysis:
    """Find unreachable rules, surprising overlaps and loops.

    Args:
        config: a configuration or the usable part of a flawed one.
        reading: where everything stands in the file.
    """
    analysis = Analysis()
    numbered = rules_with_paths(config, reading)
    rules = [Rule.compile(index, rule) for index, (_, rule) in enumerate(numbered)]
    paths = [path for path, _ in numbered]

    def problem(path: str, message: str) -> Problem:
        return Problem(reading.file, *reading.position(path), path, message)

    lines = [reading.position(path)[0] for path in paths]
    trunks = tuple(config.trunks)
    pairs_left = _MOST_PAIRS
    index = _Overlaps()
    for rule in rules:
        earlier = index.of(rule)
        takers = _takers(rule, earlier, trunks)
        if takers is not None:
            shown = _named(takers, lines)
            message = f"can never match: {shown} everything it would take; move it up or delete it"
            analysis.errors.append(problem(paths[rule.index], message))
        elif pairs_left > 0 and len(analysis.notes) < _MOST_NOTES:
            pairs_left -= len(earlier)
            for other, number in _surprises(rule, earlier):
                message = (
                    f"shares calls with {other.label} (line {lines[other.index]}), for example to "
                    f"{number}; that rule comes first and takes them"
                )
                analysis.notes.append(problem(paths[rule.index], message))
        index.add(rule)
    del analysis.notes[_MOST_NOTES:]
    analysis.errors += [
        problem(path, message) for path, message in find_loops(config, rules, paths)
    ]
    return analysis


def _named(takers: list[Rule], lines: list[int]) -> str:
    shown = [f"{each.label} (line {lines[each.index]})" for each in takers[:4]]
    more = f" and {len(takers) - 4} more" if len(takers) > 4 else ""
    if len(takers) == 1:
        return f"{shown[0]} takes"
    return f"{', '.join(shown)}{more} together take"


class _Overlaps:
    """Earlier rules by the beginning of their numbers."""

    def __init__(self) -> None:
        self._called: PrefixTrie[Rule] = PrefixTrie()
        self._caller: PrefixTrie[Rule] = PrefixTrie()

    def add(self, rule: Rule) -> None:
        for prefix in {each.literal_prefix() for each in rule.called} or {""}:
            self._called.add(prefix, rule)
        for prefix in {each.literal_prefix() for each in rule.caller} or {""}:
            self._caller.add(prefix, rule)

    def of(self, rule: Rule) -> list[Rule]:
        """Return earlier rules whose numbers begin as this one's do, or the other way round."""
        called = {each.literal_prefix() for each in rule.called}
        caller = {each.literal_prefix() for each in rule.caller}
        if caller and "" not in caller:  # most plans have few rules for a caller
            found = self._find(self._caller, caller)
            if called and "" not in called and len(found) > _FEW:
                by_called = self._find(self._called, called)
                found = {each: found[each] for each in found.keys() & by_called.keys()}
        else:
            found = self._find(self._called, called)
        return [found[each] for each in sorted(found)]

    @staticmethod
    def _find(trie: PrefixTrie[Rule], prefixes: set[str]) -> dict[int, Rule]:
        found: dict[int, Rule] = {}
        for prefix in prefixes or {""}:
            found.update((each.index, each) for each in trie.along(prefix))
            found.update((each.index, each) for each in trie.below(prefix))
        return found


def _takers(rule: Rule, earlier: list[Rule], trunks: tuple[str, ...]) -> list[Rule] | None:
    """Return the earlier rules that together take all of a rule's calls, or None."""
    near = [each for each in earlier if rule.cell.touches(each.cell)]
    for each in reversed(near):
        if rule.cell.is_within(each.cell) and _takes_numbers(each, rule):
            return [each]
    if len(near) < 2 or left_over(rule.called, _called_by(near)) is not None:
        return None
    near = [each for each in near if left_over(rule.caller, each.caller or EVERYTHING) is None]
    near = [each for each in near if common(rule.called, each.called) is not None]
    used: dict[int, Rule] = {}
    for cell in rule.cell.split([each.cell for each in near], trunks):
        covers = [each for each in near if cell.is_within(each.cell)]
        if left_over(rule.called, _called_by(covers)) is not None:
            return None
        used.update((each.index, each) for each in covers)
    return [used[each] for each in sorted(used)]


def _called_by(rules: list[Rule]) -> list[Word]:
    return [word for each in rules for word in (each.called or EVERYTHING)]


def _takes_numbers(outer: Rule, inner: Rule) -> bool:
    """Say whether one rule's numbers, called and caller, include all of another's."""
    return (
        left_over(inner.called, outer.called or EVERYTHING) is None
        and left_over(inner.caller, outer.caller or EVERYTHING) is None
    )


def _surprises(rule: Rule, earlier: list[Rule]) -> Iterator[tuple[Rule, str]]:
    """Yield earlier rules that cross this one in their numbers, with a number both take."""
    for other in earlier:
        if not rule.cell.touches(other.cell):
            continue
        for ours, theirs in ((rule.called, other.called), (rule.caller, other.caller)):
            if left_over(ours, theirs or EVERYTHING) is None:
                continue
            if left_over(theirs, ours or EVERYTHING) is None:
                continue
            called = common(rule.called, other.called)
            shared = called is not None and common(rule.caller, other.caller) is not None
            if called is not None and shared and not _same_action(rule, other):
                yield other, called
            break


def _same_action(first: Rule, second: Rule) -> bool:
    return _plain(first) == _plain(second)


def _plain(rule: Rule) -> RuleConfig:
    return replace(rule.config, name=None, match=MatchConfig())
