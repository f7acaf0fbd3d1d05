"""Find rules by everything they ask for: one index for checking a plan and for routing by it."""

from __future__ import annotations

from collections.abc import Sequence

from edge.dialplan.condition_index import ConditionIndex
from edge.dialplan.number_index import FEW, NumberIndex
from edge.dialplan.rule import Rule


class RuleIndex:
    """The conditions of all rules of a plan.

    Args:
        rules: in order.
        few: how many words are looked at one by one, see NumberIndex.
    """

    def __init__(self, rules: Sequence[Rule], few: int = FEW) -> None:
        self.rules = tuple(rules)
        self.called = NumberIndex([each.called for each in rules], few)
        self.caller = NumberIndex([each.caller for each in rules], few)
        self.conditions = ConditionIndex([each.cell for each in rules])
