"""Decide for each rule, in order, whether any call is left for it.

Most rules are proven reachable by one example: a call that fits the rule and no earlier one. Only
where every example that was tried is taken the sets are compared: first with single earlier rules,
then with all of them together. What the ranges of rules with the same conditions take is kept as
stretches, so that a range is compared with any number of them at once. Deciding whether many other
patterns together take everything of another is as hard as the satisfiability of formulas, so that
is bounded by steps; what is given up on counts as reachable, and is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.dialplan.alike import RangesAlike
from edge.dialplan.bits import ascending, bits_of, count_of
from edge.dialplan.coverage import EVERYTHING, left_over
from edge.dialplan.covering import Covering, Spender, StepsSpentError
from edge.dialplan.examples import example_numbers, others_at
from edge.dialplan.rule import Rule
from edge.dialplan.rule_index import RuleIndex
from media.config.pattern import Part

_MOST_STEPS = 60_000
"""For all rules; a second's work."""
_MOST_FOR_ONE = 6_000
_CALLERS = 2
_ANY_NUMBERS = ["100", "+4930123456789"]
_ANY_CALLERS = ["anonymous"]
_MANY = 48
"""Earlier rules that share calls with one; up to so many are compared without a short cut."""
_MOST_TO_THIN = 12
"""Covering rules that are tried one by one for being needed."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one rule."""

    takers: int = 0
    """Earlier rules that take all of its calls, as bits; empty where it can match."""
    near: int = 0
    """Earlier rules that share calls with it."""


class Reach:
    """The rules of a plan; ask in their order.

    Args:
        index: of all of them.
        trunks: names of all trunks.
    """

    def __init__(self, index: RuleIndex, trunks: tuple[str, ...]) -> None:
        self.called = index.called
        self.caller = index.caller
        self.undecided: list[Rule] = []
        """Rules that were given up on."""
        self._rules = index.rules
        self._conditions = index.conditions
        self._trunks = trunks
        self._alike = RangesAlike()
        self._matching = 0
        """Earlier rules that can match; those that cannot take no call from anybody."""
        self._steps = _MOST_STEPS

    def ask(self, rule: Rule) -> Found:
        """Return what takes the next rule's calls."""
        near = self._conditions.touching(rule.cell, self._matching)
        near = self.called.sharing(rule.called, near)
        near = self.caller.sharing(rule.caller, near)
        takers = self._takers(rule, near) if near else 0
        if not takers:
            self._matching |= 1 << rule.index
            self._alike.add(rule)
        return Found(takers, near)

    def _taking_examples(self, rule: Rule, near: int) -> int | None:
        """Return those of some rules that take the number of every call that was tried.

        None where a call was found that the rule takes and no earlier one does.
        """
        common = near
        anyway = self._conditions.containing(rule.cell, near)
        elsewhere: list[int] | None = None
        for number in example_numbers(rule.called, rule.index) or _ANY_NUMBERS:
            taking = self.called.point(number, near)
            common &= taking
            for caller in example_numbers(rule.caller, rule.index)[:_CALLERS] or _ANY_CALLERS:
                left = self.caller.point(caller, taking)
                if not left:
                    return None
                if left & anyway:
                    continue
                if elsewhere is None:
                    elsewhere = list(others_at(rule.cell, self._conditions))
                if not all(left & each for each in elsewhere):
                    return None
        return common

    def _takers(self, rule: Rule, near: int) -> int:
        alike = self._alike.taking(rule) & near if count_of(near) > _MANY else 0
        common = near if alike else self._taking_examples(rule, near)
        if common is None:
            return 0
        within = self._conditions.containing(rule.cell, common)
        within = self.called.containing(rule.called, within)
        within = self.caller.containing(rule.caller, within)
        while within:
            last = within.bit_length() - 1
            if rule.cell.is_within(self._rules[last].cell):
                return 1 << last
            within ^= 1 << last
        if alike:
            return alike
        try:
            return self._together(rule, near)
        except StepsSpentError:
            self.undecided.append(rule)
            return 0

    def _together(self, rule: Rule, near: int) -> int:
        """Return earlier rules that take all calls of a rule between them."""
        spend = self._spender()
        near = self._taking_all_callers(rule, near, spend)
        covering = Covering(self.called, spend)
        wanted = rule.called or EVERYTHING
        if not near or covering.left_over(wanted, near) is not None:
            return 0
        spend(count_of(near))
        rules = [self._rules[each] for each in ascending(near)]
        cells = list(rule.cell.split([each.cell for each in rules], self._trunks))
        used = 0
        by_cell = []
        for cell in cells:
            spend(len(rules))
            covers = bits_of(
                (each.index for each in rules if cell.is_within(each.cell)), len(self._rules)
            )
            if covering.left_over(wanted, covers) is not None:
                return 0
            by_cell.append(covers)
            used |= covers
        if count_of(used) <= _MOST_TO_THIN:
            used = _thinned(used, by_cell, wanted, covering)
        return used

    def _taking_all_callers(self, rule: Rule, near: int, spend: Spender) -> int:
        taking = self.caller.containing(rule.caller, near)
        for each in ascending(near & self.caller.several & ~taking):
            spend(1)
            if left_over(rule.caller, self._rules[each].caller) is None:
                taking |= 1 << each
        return taking

    def _spender(self) -> Spender:
        left = min(self._steps, _MOST_FOR_ONE)

        def spend(steps: int) -> None:
            nonlocal left
            self._steps -= steps
            left -= steps
            if left < 0:
                raise StepsSpentError

        return spend


def _thinned(used: int, by_cell: list[int], wanted: Sequence[Part], covering: Covering) -> int:
    """Return a part of some covering rules none of which can be spared."""
    for each in reversed(list(ascending(used))):
        fewer = used & ~(1 << each)
        if all(covering.left_over(wanted, covers & fewer) is None for covers in by_cell):
            used = fewer
    return used
