"""Find actions that can lead back to themselves: rule to rule, queue to queue, number to rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edge.dialplan.coverage import common
from edge.dialplan.rule import Rule
from media.config.model import Config
from media.config.pattern import ALPHABET, DIGITS, Word
from media.config.routing import ActionConfig

_PLACE_HOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class _Edge:
    """One step from an action to what it leads to."""

    path: str
    """The field in the file that says so."""
    target: str
    """Key of a rule or queue."""


def find_loops(config: Config, rules: list[Rule], paths: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each loop once, as the path of the step that closes it and a message.

    Args:
        config: where the queues are.
        rules: the compiled rules.
        paths: their paths in the file.
    """
    graph: dict[str, list[_Edge]] = {}
    labels: dict[str, str] = {}
    by_name = {each.name: f"rule {each.index}" for each in rules if each.name}
    for rule, path in zip(rules, paths, strict=True):
        key = f"rule {rule.index}"
        labels[key] = rule.label
        graph[key] = list(_edges(path, rule.config, rule, rules, by_name))
    for name, queue in config.queues.items():
        key = f"queue {name}"
        labels[key] = f'queue "{name}"'
        graph[key] = []
        if queue.on_failure is not None:
            path = f"queues.{name}.on_failure"
            graph[key] = list(_edges(path, queue.on_failure, None, rules, by_name))
    yield from _cycles(graph, labels)


def _edges(
    path: str, action: ActionConfig, rule: Rule | None, rules: list[Rule], by_name: dict[str, str]
) -> Iterator[_Edge]:
    if action.queue is not None:
        yield _Edge(f"{path}.queue", f"queue {action.queue}")
    if action.rule is not None and action.rule in by_name:
        yield _Edge(f"{path}.rule", by_name[action.rule])
    if action.number is not None and action.trunk is None:
        reached = _template_words(action.number, rule)
        for other in rules:
            if common(reached, other.called) is not None:
                yield _Edge(f"{path}.number", f"rule {other.index}")
                if not other.called and other.conditions() == "":
                    break  # nothing gets past a rule that takes every call
    if action.on_failure is not None:
        yield from _edges(f"{path}.on_failure", action.on_failure, rule, rules, by_name)


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


def _cycles(graph: dict[str, list[_Edge]], labels: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Walk the graph depth first, without recursion, and yield every step back into the way."""
    done: set[str] = set()
    for start in graph:
        if start in done or not graph[start]:
            continue
        way = [start]
        steps = [iter(graph[start])]
        while way:
            edge = next(steps[-1], None)
            if edge is None:
                done.add(way.pop())
                steps.pop()
            elif edge.target in way:
                circle = [*way[way.index(edge.target) :], edge.target]
                names = " -> ".join(labels[each] for each in circle)
                yield edge.path, f"can go round in circles: {names}"
            elif edge.target in graph and edge.target not in done:
                way.append(edge.target)
                steps.append(iter(graph[edge.target]))
