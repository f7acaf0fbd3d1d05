"""Route a call: the first rule whose every condition holds takes it.

Rules are indexed by every condition but hours (edge.dialplan.rule_index): a plan
of ten thousand rules looks at few of them whatever they have in common.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.dialplan.bits import lowest
from edge.dialplan.rule import Rule, fits
from edge.dialplan.rule_index import RuleIndex
from edge.hours import Hours
from media.config.model import Config
from media.config.routing import ActionConfig

_PLACE_HOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the dial plan knows about a call."""

    called: str
    """E.164 where it is a public number."""
    caller: str
    at: datetime.datetime
    """When, with a time zone."""
    trunk: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    load: float = 0.0
    """Calls in progress divided by the limit, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Action:
    """What to do with the call, place holders filled in."""

    agent: str | None = None
    queue: str | None = None
    number: str | None = None
    trunk: str | None = None
    announce: str | None = None
    reject: int | None = None
    reason: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    on_failure: Action | None = None

    def __str__(self) -> str:
        if self.number is not None:
            way = f"over {self.trunk}" if self.trunk else "by the dial plan"
            text = f"number {self.number} {way}"
        else:
            names = ("agent", "queue", "announce", "reject")
            given = [(each, getattr(self, each)) for each in names]
            text = next((f"{name} {value}" for name, value in given if value is not None), "none")
        if self.reason:
            text += f" ({self.reason})"
        if self.variables:
            shown = ", ".join(f"{key}={value}" for key, value in self.variables.items())
            text += f" with {shown}"
        return text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says to a call."""

    rule: Rule
    matched: bool
    reason: str
    """Why it matched, or the first condition that did not hold."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a call goes."""

    rule: Rule | None
    """None: no rule takes the call; it is answered with 404."""
    action: Action
    variables: Mapping[str, str]
    verdicts: tuple[Verdict, ...] = ()
    """One for each rule in order, when asked for."""


NOT_FOUND = Action(reject=404, reason="no dial rule takes this number")


class DialPlan:
    """The compiled rules; immutable, so that calls in progress keep the plan they began with."""

    def __init__(self, index: RuleIndex, hours: Mapping[str, Hours]) -> None:
        self.rules = index.rules
        self.hours = hours
        self._by_name = {each.name: each for each in self.rules if each.name}
        self._called = index.called
        self._caller = index.caller
        self._conditions = index.conditions

    @classmethod
    def compile(cls, config: Config, index: RuleIndex | None = None) -> DialPlan:
        """Compile the rules of a loaded configuration.

        Args:
            config: without problems.
            index: of its rules, where the check has made one.
        """
        if index is None:
            index = RuleIndex([Rule.compile(at, each) for at, each in enumerate(config.dialplan)])
        return cls(index, {name: Hours.compile(each) for name, each in config.hours.items()})

    def route(self, facts: CallFacts) -> Decision:
        """Return what is to be done with a call."""
        headers = _lowered(facts.headers)
        rule = self._first(facts, headers)
        return Decision(None, NOT_FOUND, {}) if rule is None else self._decide(rule, facts, ())

    def _first(self, facts: CallFacts, headers: Mapping[str, str]) -> Rule | None:
        """Return the first rule that takes a call: what the index leaves is looked at in order."""
        left = self._conditions.point(facts.trunk, min(facts.load * 100, 100), headers)
        left = self._caller.point(facts.caller, self._called.point(facts.called, left))
        while left:
            rule = self.rules[lowest(left)]
            if rule.obstacle(facts, headers, self.hours) is None:
                return rule
            left &= ~self._alike(rule, facts, headers)
        return None

    def _alike(self, rule: Rule, facts: CallFacts, headers: Mapping[str, str]) -> int:
        """Return a rule that does not take a call, and all others that do not for its reason."""
        alike = 1 << rule.index
        opened, closed = rule.match.hours, rule.match.outside
        if opened is not None and not self.hours[opened].is_open(facts.at):
            alike |= self._conditions.opened(opened)
        if closed is not None and self.hours[closed].is_open(facts.at):
            alike |= self._conditions.closed(closed)
        for name, text, parts in rule.headers:
            if not fits(parts, headers.get(name, "").strip().lower()):
                alike |= self._conditions.asking(name, text.strip().lower())
        return alike

    def explain(self, facts: CallFacts) -> Decision:
        """Return what is to be done with a call, and what each rule says to it."""
        headers = _lowered(facts.headers)
        verdicts: list[Verdict] = []
        taken: Rule | None = None
        for rule in self.rules:
            obstacle = rule.obstacle(facts, headers, self.hours)
            if obstacle is not None:
                verdicts.append(Verdict(rule, False, obstacle))
            elif taken is None:
                taken = rule
                verdicts.append(Verdict(rule, True, rule.conditions() or "takes every call"))
            else:
                reason = f"would match, but {taken.label} comes first"
                verdicts.append(Verdict(rule, False, reason))
        if taken is None:
            return Decision(None, NOT_FOUND, {}, tuple(verdicts))
        return self._decide(taken, facts, tuple(verdicts))

    def _decide(self, rule: Rule, facts: CallFacts, verdicts: tuple[Verdict, ...]) -> Decision:
        variables = {
            "called": facts.called,
            "caller": facts.caller,
            "trunk": facts.trunk or "",
            **rule.captured(facts),
        }
        action = self.fill(rule.config, variables)
        return Decision(rule, action, {**variables, **action.variables}, verdicts)

    def fill(self, action: ActionConfig, variables: Mapping[str, str]) -> Action:
        """Return an action with its place holders filled in and rule references followed.

        Args:
            action: from a rule or a queue; the check has proven that references end.
            variables: captures and call facts.
        """
        target = action
        seen: set[str] = set()
        while target.rule is not None and target.rule not in seen:
            seen.add(target.rule)
            target = self._by_name[target.rule].config
        if target.rule is not None:
            return NOT_FOUND

        def filled(text: str) -> str:
            return _PLACE_HOLDER.sub(lambda m: variables.get(m[1], ""), text)

        own = {name: filled(text) for name, text in target.variables.items()}
        return Action(
            agent=target.agent,
            queue=target.queue,
            number=filled(target.number) if target.number is not None else None,
            trunk=target.trunk,
            announce=target.announce,
            reject=target.reject,
            reason=target.reason,
            variables=own,
            on_failure=self.fill(target.on_failure, variables) if target.on_failure else None,
        )


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
