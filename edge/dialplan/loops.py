"""Find actions that can lead back to themselves: rule to rule, queue to queue, number to rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edge.dialplan.bits import lowest
from edge.dialplan.number_index import NumberIndex
from edge.dialplan.rule import Rule
from media.config.model import Config
from media.config.pattern import ALPHABET, DIGITS, Word
from media.config.queues import QueueConfig
from media.config.routing import ActionConfig

_PLACE_HOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class _Step:
    """What an action can lead to."""

    path: str
    """The field in the file that says so."""
    targets: int
    """Rules and, after them, queues, as bits."""


def find_loops(
    config: Config, rules: list[Rule], paths: list[str], called: NumberIndex
) -> Iterator[tuple[str, str]]:
    """Yield each loop once, as the path of the step that closes it and a message.

    Args:
        config: where the queues are.
        rules: the compiled rules.
        paths: their paths in the file.
        called: the rules by called number.
    """
    steps = _Steps(config, rules, called)
    labels = [each.label for each in rules] + [f'queue "{name}"' for name in config.queues]
    graph = [
        list(steps.of(path, rule.config, rule)) for rule, path in zip(rules, paths, strict=True)
    ]
    graph += [list(steps.of_queue(name, queue)) for name, queue in config.queues.items()]
    yield from _circles(graph, labels)


class _Steps:
    """Finds where actions lead."""

    def __init__(self, config: Config, rules: list[Rule], called: NumberIndex) -> None:
        self._called = called
        self._rules = {each.name: 1 << each.index for each in rules if each.name}
        self._queues = {name: 1 << len(rules) + at for at, name in enumerate(config.queues)}
        catch_all = next((at for at, each in enumerate(rules) if not each.conditions()), len(rules))
        self._before = (1 << min(catch_all + 1, len(rules))) - 1
        """Nothing gets past a rule that takes every call."""

    def of_queue(self, name: str, queue: QueueConfig) -> Iterator[_Step]:
        """Yield the steps of a queue that could not serve its caller.

        A ``number`` of ``on_nobody`` goes out over a trunk and is not asked of the plan.
        """
        for field, text in (("on_nobody", queue.on_nobody), ("on_no_answer", queue.on_no_answer)):
            kind, _, other = (text or "").partition(" ")
            if kind == "queue" and other.strip() in self._queues:
                yield _Step(f"queues.{name}.{field}", self._queues[other.strip()])
        if queue.on_failure is not None:
            yield from self.of(f"queues.{name}.on_failure", queue.on_failure, None)

    def of(self, path: str, action: ActionConfig, rule: Rule | None) -> Iterator[_Step]:
        """Yield the steps of an action and of what follows its failures."""
        if action.queue is not None and action.queue in self._queues:
            yield _Step(f"{path}.queue", self._queues[action.queue])
        if action.rule is not None and action.rule in self._rules:
            yield _Step(f"{path}.rule", self._rules[action.rule])
        if action.number is not None and action.trunk is None:
            reached = _template_words(action.number, rule)
            yield _Step(f"{path}.number", self._called.sharing_surely(reached, self._before))
        if action.on_failure is not None:
            yield from self.of(f"{path}.on_failure", action.on_failure, rule)


def _template_words(template: str, rule: Rule | None) -> tuple[Word, ...]:
    """Return every number that a template can become; captures of a fixed length keep it."""
    lengths: dict[str, set[int | None]] = {}
    for word in (*rule.called, *rule.caller) if rule is not None else ():
        for each in word.captures:
            lengths.setdefault(each.name, set()).add(each.length)
    words = [Word(())]
    for at, part in enumerate(_PLACE_HOLDER.split(template)):
        if at % 2 == 0:
            literal = tuple(frozenset(char) for char in re.sub(r"[\s\-/()]", "", part))
            words = [Word((*each.sets, *literal)) for each in words]
            continue
        known = lengths.get(part, {None})
        if None in known:
            return tuple(Word((*each.sets, ALPHABET), True) for each in words)
        words = [
            Word((*each.sets, *(DIGITS,) * count))
            for each in words
            for count in known
            if count is not None
        ]
    return tuple(words)


@dataclass(slots=True)
class _Place:
    """One place of the way that is being walked."""

    node: int
    steps: Iterator[_Step]
    left: int = 0
    """Targets of the current step that are still to be walked to."""


def _circles(graph: list[list[_Step]], labels: list[str]) -> Iterator[tuple[str, str]]:
    """Walk the graph depth first, without recursion, and yield every step back into the way."""
    done = 0
    for start, steps in enumerate(graph):
        if not steps or done >> start & 1:
            continue
        way, on_way = [_Place(start, iter(steps))], 1 << start
        while way:
            place = way[-1]
            place.left &= ~(done | on_way)
            if place.left:
                target = lowest(place.left)
                way.append(_Place(target, iter(graph[target])))
                on_way |= 1 << target
                continue
            step = next(place.steps, None)
            if step is None:
                on_way ^= 1 << place.node
                done |= 1 << place.node
                way.pop()
                continue
            place.left = step.targets
            if step.targets & on_way:
                names = " -> ".join(labels[each] for each in _circle(way, step.targets))
                yield step.path, f"can go round in circles: {names}"


def _circle(way: list[_Place], targets: int) -> list[int]:
    """Return the shortest way back: from the last of the targets to the end, and to it again."""
    nodes = [each.node for each in way]
    back = next(at for at in range(len(nodes) - 1, -1, -1) if targets >> nodes[at] & 1)
    return [*nodes[back:], nodes[back]]
