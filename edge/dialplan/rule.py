"""One compiled dial rule: its conditions, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.dialplan.cell import Cell
from edge.hours import Hours
from media.config.pattern import Part, parse_pattern
from media.config.routing import MatchConfig, RuleConfig

if TYPE_CHECKING:
    from edge.dialplan.plan import CallFacts


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule of the plan."""

    index: int
    """Place in the plan, from 0."""
    name: str | None
    match: MatchConfig
    config: RuleConfig
    cell: Cell
    """What it asks for apart from numbers."""
    called: tuple[Part, ...]
    """Empty takes every number."""
    caller: tuple[Part, ...]
    """Empty takes every caller."""
    headers: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Name in lower case, the text in the file, and its parts between the stars."""

    @classmethod
    def compile(cls, index: int, config: RuleConfig) -> Rule:
        """Compile a rule that the reader has checked."""
        match = config.match
        return cls(
            index=index,
            name=config.name,
            match=match,
            config=config,
            cell=Cell.of(match),
            called=tuple(part for each in match.called for part in parse_pattern(each)),
            caller=tuple(part for each in match.caller for part in parse_pattern(each)),
            headers=tuple(
                (name.lower(), text, tuple(text.strip().lower().split("*")))
                for name, text in match.headers.items()
            ),
        )

    @property
    def label(self) -> str:
        """Return the rule's name, or its number counted from 1."""
        return f'rule "{self.name}"' if self.name else f"rule {self.index + 1}"

    def obstacle(
        self, facts: CallFacts, headers: Mapping[str, str], hours: Mapping[str, Hours]
    ) -> str | None:
        """Return the first condition that does not hold, in words, or None when all do.

        Args:
            facts: the call.
            headers: its headers by lower-case name.
            hours: opening hours by name.
        """
        match = self.match
        if self.called and not any(each.match(facts.called) for each in self.called):
            return f"called {facts.called} is not {_listed(match.called)}"
        if self.caller and not any(each.match(facts.caller) for each in self.caller):
            return f"caller {facts.caller} is not {_listed(match.caller)}"
        if match.trunk and facts.trunk not in match.trunk:
            return f"trunk {facts.trunk or 'none'} is not {_listed(match.trunk)}"
        for name, text, parts in self.headers:
            value = headers.get(name)
            if value is None:
                return f"header {name} is absent"
            if not fits(parts, value.strip().lower()):
                return f'header {name} "{value}" is not "{text}"'
        if match.hours is not None and not hours[match.hours].is_open(facts.at):
            return f"hours {match.hours} are closed"
        if match.outside is not None and hours[match.outside].is_open(facts.at):
            return f"hours {match.outside} are open"
        percent = facts.load * 100
        if match.load_at_least is not None and percent < match.load_at_least:
            return f"load {percent:g} % is below {match.load_at_least} %"
        if match.load_below is not None and percent >= match.load_below:
            return f"load {percent:g} % is not below {match.load_below} %"
        return None

    def captured(self, facts: CallFacts) -> dict[str, str]:
        """Return the variables that the numbers of a matching call set."""
        variables: dict[str, str] = {}
        for words, number in ((self.caller, facts.caller), (self.called, facts.called)):
            word = next((each for each in words if each.match(number)), None)
            if word is not None:
                variables.update(word.captured(number))
        return variables

    def conditions(self) -> str:
        """Return what the rule asks for, in words; empty when it takes every call."""
        match = self.match
        parts = [
            f"{name} is {_listed(texts)}"
            for name, texts in (
                ("called", match.called),
                ("caller", match.caller),
                ("trunk", match.trunk),
            )
            if texts
        ]
        parts += [f'header {name} is "{text}"' for name, text in match.headers.items()]
        parts += [f"{match.hours} is open"] if match.hours else []
        parts += [f"{match.outside} is closed"] if match.outside else []
        parts += [f"load >= {match.load_at_least} %"] if match.load_at_least is not None else []
        parts += [f"load < {match.load_below} %"] if match.load_below is not None else []
        return ", ".join(parts)


def fits(parts: tuple[str, ...], value: str) -> bool:
    """Say whether a value is the parts with anything between them, in linear time."""
    first, *middle = parts
    if not middle:
        return value == first
    *middle, last = middle
    at = len(first)
    if not value.startswith(first):
        return False
    for each in middle:
        found = value.find(each, at)
        if found < 0:
            return False
        at = found + len(each)
    return len(value) - at >= len(last) and value.endswith(last)


def _listed(texts: tuple[str, ...]) -> str:
    shown = " or ".join(texts[:4])
    return f"{shown} or {len(texts) - 4} more" if len(texts) > 4 else shown
