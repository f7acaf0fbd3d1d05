"""Turn nodes into the model's dataclasses by their annotations, noting every problem on the way.

``str`` takes the text as it stands (0041, +441234, 22:30, no); ``int`` and ``float`` take decimal
digits; ``bool`` takes true and false only; a StrEnum takes its values; ``X | None`` also takes
null, ~ and nothing; ``tuple[X, ...]`` takes a list; ``dict[str, X]`` and dataclasses a mapping.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from media.config.checks import Check, EachKey, OnePlain
from media.config.nodes import FlawedNode, ListNode, MappingNode, Node, ScalarNode

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_FLOAT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_NAME = re.compile(r"[^\W]([\w .+-]*[\w+])?")
_NULLS = ("", "~", "null")
_LONGEST_NUMBER = 19
"""Digits of a 64-bit integer."""


class Flaw(Enum):
    """Stands for a value that could not be read."""

    FLAWED = "flawed"


FLAWED = Flaw.FLAWED


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with the file."""

    file: str
    line: int
    column: int
    path: str
    """``dialplan[2].agent``; empty for the file as a whole."""
    message: str
    """What is wrong, what was expected, and a hint."""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {path}{self.message}"


@dataclass(slots=True)
class Reading:
    """What was learnt while reading one file."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    positions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Line and column, both 1-based, of each value by its path."""
    names: dict[str, list[str]] = field(default_factory=dict)
    """Keys of every ``dict[str, X]`` by its path, the unusable entries included."""

    kept: dict[str, list[int]] = field(default_factory=dict)
    """Indices in the file of the usable items of every list by its path."""

    def note(self, node: Node, path: str, message: str) -> Flaw:
        """Record a problem at a node and return the flawed value."""
        self.problems.append(Problem(self.file, node.line, node.column, path, message))
        return FLAWED

    def note_at(self, path: str, message: str) -> None:
        """Record a problem at a path, or at the nearest thing around it that is in the file."""
        at = self.position(path)
        self.problems.append(Problem(self.file, *at, path, message))

    def is_flawed(self, path: str, *, below: bool = False) -> bool:
        """Say whether a problem stands at a path or, if asked, anywhere inside it."""
        inside = (f"{path}.", f"{path}[")
        return any(
            each.path == path or (below and each.path.startswith(inside)) for each in self.problems
        )

    def position(self, path: str) -> tuple[int, int]:
        """Return line and column of a path, or of the nearest thing around it in the file."""
        while path not in self.positions and path:
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.positions.get(path, (1, 1))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` when a known word is close, else nothing."""
    meant = closest(word, known)
    return f'; did you mean "{meant}"?' if meant is not None else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like another, None when none is much like it."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def read(hint: Any, node: Node, path: str, reading: Reading) -> Any:
    """Convert a node by an annotation; FLAWED when it cannot be, with the problem noted.

    Args:
        hint: the annotation, ``Annotated`` included.
        node: what stands in the file.
        path: where it stands, for messages.
        reading: takes problems and positions.
    """
    extras: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *rest = typing.get_args(hint)
        extras = tuple(rest)
    reading.positions[path] = (node.line, node.column)
    if isinstance(node, FlawedNode):
        return FLAWED
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if isinstance(node, ScalarNode) and node.plain and node.text in _NULLS:
            return None
        inner = next(each for each in typing.get_args(hint) if each is not type(None))
        value = read(inner, node, path, reading)
    elif origin is tuple:
        value = _read_tuple(typing.get_args(hint)[0], node, path, reading, extras)
    elif origin is dict:
        value = _read_dict(typing.get_args(hint)[1], node, path, reading, extras)
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        value = read_dataclass(hint, node, path, reading)
    else:
        value = _read_scalar(hint, node, path, reading)
    return _checked(value, extras, node, path, reading)


def _checked(value: Any, extras: tuple[Any, ...], node: Node, path: str, reading: Reading) -> Any:
    if value is FLAWED:
        return value
    for each in extras:
        if isinstance(each, Check) and (problem := each.problem(value)) is not None:
            hint = ""
            if "did you mean" not in problem and (choices := each.choices()):
                hint = did_you_mean(str(value), choices)
            return reading.note(node, path, problem + hint)
    return value


def _read_tuple(
    item_hint: Any, node: Node, path: str, reading: Reading, extras: tuple[Any, ...]
) -> Any:
    single = any(isinstance(each, OnePlain) for each in extras)
    if single and isinstance(node, ScalarNode) and not (node.plain and node.text in _NULLS):
        value = read(item_hint, node, path, reading)
        return value if value is FLAWED else (value,)
    if not isinstance(node, ListNode):
        text = node.text if isinstance(node, ScalarNode) else ""
        example = f"; write [{text}]" if text and "\n" not in text and len(text) < 40 else ""
        return reading.note(node, path, f"{_shown(node)} is not a list; expected a list{example}")
    items = [
        read(item_hint, each, f"{path}[{index}]", reading) for index, each in enumerate(node.items)
    ]
    if FLAWED in items:
        reading.kept[path] = [index for index, each in enumerate(items) if each is not FLAWED]
    return tuple(each for each in items if each is not FLAWED)


def _read_dict(
    item_hint: Any, node: Node, path: str, reading: Reading, extras: tuple[Any, ...]
) -> Any:
    if not isinstance(node, MappingNode):
        return reading.note(node, path, f"{_shown(node)} is not a mapping; {_lines_for(node)}")
    values = {}
    names = reading.names.setdefault(path, [])
    for key, value_node in _unique(node, path, reading):
        names.append(key.text)
        inner = f"{path}.{key.text}"
        if (problem := _key_problem(key.text, extras)) is not None:
            reading.note(key, inner, problem)
        value = read(item_hint, value_node, inner, reading)
        if value is not FLAWED:
            values[key.text] = value
    return values


def _lines_for(node: Node) -> str:
    """Say what a mapping of names would look like."""
    items = node.items if isinstance(node, ListNode) else []
    names = [each.text for each in items if isinstance(each, ScalarNode)]
    if names and len(names) == len(items) and all(map(_NAME.fullmatch, names)):
        return (
            f"expected a name on each line; write {{{', '.join(f'{n}: {{}}' for n in names[:6])}}}"
        )
    return "expected 'name: ...' lines"


def _key_problem(key: str, extras: tuple[Any, ...]) -> str | None:
    checks = [each.check for each in extras if isinstance(each, EachKey)]
    for check in checks:
        if (problem := check.problem(key)) is not None:
            return problem + did_you_mean(key, check.choices())
    if checks or _NAME.fullmatch(key):
        return None
    return f'"{key}" is no usable name; expected letters, digits, "-", "_" or spaces'


def _unique(node: MappingNode, path: str, reading: Reading) -> Iterable[tuple[ScalarNode, Node]]:
    seen: dict[str, ScalarNode] = {}
    for key, value in node.pairs:
        inner = f"{path}." if path else ""
        if isinstance(key, FlawedNode):
            continue
        if not isinstance(key, ScalarNode):
            reading.note(key, path, "a key must be plain text, not a list or mapping")
        elif key.text == "<<" and key.plain:
            reading.note(
                key,
                path,
                'merge keys ("<<") are not supported; repeat the keys, or alias a whole value',
            )
        elif key.text in seen:
            first = seen[key.text]
            reading.note(
                key,
                inner + key.text,
                f'key "{key.text}" is given twice; first at line {first.line}, keep one of them',
            )
        else:
            seen[key.text] = key
            yield key, value


@functools.cache
def fields_of(cls: type) -> dict[str, tuple[Any, bool]]:
    """Return a dataclass's fields: name to (annotation, required)."""
    hints = typing.get_type_hints(cls, include_extras=True)
    missing = dataclasses.MISSING
    return {
        each.name: (hints[each.name], each.default is missing and each.default_factory is missing)
        for each in dataclasses.fields(cls)
        if each.init
    }


def read_dataclass(cls: type, node: Node, path: str, reading: Reading) -> Any:
    """Convert a mapping into a dataclass; FLAWED when a required value is missing or flawed."""
    fields = fields_of(cls)
    if not isinstance(node, MappingNode):
        keys = ", ".join(list(fields)[:6]) + (", ..." if len(fields) > 6 else "")
        nothing = isinstance(node, ScalarNode) and node.plain and not node.text
        if nothing and not any(required for _, required in fields.values()):
            name = path.rpartition(".")[2]
            return reading.note(
                node, path, f"is empty; write {name}: {{}} for the defaults, or keys such as {keys}"
            )
        return reading.note(
            node, path, f"{_shown(node)} is not a mapping; expected keys such as {keys}"
        )
    values: dict[str, Any] = {}
    given = {key.text for key, _ in node.pairs if isinstance(key, ScalarNode)}
    for key, value_node in _unique(node, path, reading):
        name = key.text
        if name not in fields:
            inner = f"{path}.{name}" if path else name
            meant = closest(name, [each for each in fields if each not in given])
            known = f'did you mean "{meant}"?' if meant else f"known: {', '.join(fields)}"
            reading.note(key, inner, f'unknown key "{name}"; {known}')
            if meant is None:
                continue
            name = meant  # what is wrong inside it is said, too
            given.add(meant)
        inner = f"{path}.{name}" if path else name
        hint, required = fields[name]
        if not required and isinstance(value_node, ScalarNode) and _is_left_out(hint, value_node):
            continue  # "sip:" with all its lines commented out means the defaults
        value = read(hint, value_node, inner, reading)
        if value is not FLAWED:
            values[name] = value
    flawed = False
    for name, (_, required) in fields.items():
        if required and name not in given:
            first = node.pairs[0][0] if node.pairs else node
            reading.note(first, path, f'"{name}" is missing; expected {_wanted(cls, name)}')
        flawed = flawed or (required and name not in values)
    return FLAWED if flawed else cls(**values)


def _is_left_out(hint: Any, node: ScalarNode) -> bool:
    if not (node.plain and node.text == ""):
        return False
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return dataclasses.is_dataclass(hint) or typing.get_origin(hint) in (dict, tuple)


def _wanted(cls: type, name: str) -> str:
    hint = fields_of(cls)[name][0]
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is tuple:
        return f"{name}: with a list"
    if typing.get_origin(hint) is dict or dataclasses.is_dataclass(hint):
        return f"{name}: with keys below it"
    return f"{name}: with {_kind(hint)}"


def _read_scalar(hint: Any, node: Node, path: str, reading: Reading) -> Any:
    if not isinstance(node, ScalarNode):
        kind = "a list" if isinstance(node, ListNode) else "a mapping"
        return reading.note(node, path, f"is {kind}; expected {_kind(hint)}")
    text = node.text
    if node.plain and text in _NULLS:
        empty = "is empty" if text == "" else f"is {text}"
        return reading.note(
            node, path, f"{empty}; expected {_kind(hint)} (leave the key out for the default)"
        )
    if hint is str:
        return text
    if hint is bool:
        return _read_bool(node, path, reading)
    if hint is int:
        return _read_int(node, path, reading)
    if hint is float:
        if _FLOAT.fullmatch(text) and abs(float(text)) < float("inf"):
            return float(text)
        return reading.note(node, path, f'"{text}" is not a number; expected for example 1.5')
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _read_enum(hint, node, path, reading)
    raise TypeError(f"{path}: no way to read {hint!r}")


def _read_bool(node: ScalarNode, path: str, reading: Reading) -> Any:
    if node.text in ("true", "false"):
        return node.text == "true"
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(
        node.text.lower(), node.text.lower()
    )
    hint = f'; did you mean "{meant}"?' if meant in ("true", "false") else ""
    return reading.note(node, path, f'"{node.text}" is not true or false{hint}')


def _read_int(node: ScalarNode, path: str, reading: Reading) -> Any:
    text = node.text
    if len(text) <= _LONGEST_NUMBER and _INT.fullmatch(text):
        return int(text)
    hint = ""
    if re.fullmatch(r"0[0-9]{1,9}", text):
        hint = f'; did you mean "{int(text)}"?'
    elif unit := re.fullmatch(r"([0-9]{1,9}) ?(ms|s|sec|seconds|m|min|h|k|%)", text):
        hint = f'; the unit belongs to the key, write only "{unit[1]}" if that is meant'
    elif re.fullmatch(r"[0-9]+[.,][0-9]+", text):
        hint = "; no fractions here"
    return reading.note(node, path, f'"{text[:60]}" is not a whole number; expected digits{hint}')


def _read_enum(hint: type[StrEnum], node: ScalarNode, path: str, reading: Reading) -> Any:
    values = [each.value for each in hint]
    if node.text in values:
        return hint(node.text)
    close = did_you_mean(node.text, values)
    return reading.note(
        node, path, f'"{node.text}" is not known; expected one of {", ".join(values)}{close}'
    )


def _kind(hint: Any) -> str:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return f"one of {', '.join(each.value for each in hint)}"
    return {str: "text", int: "a whole number", float: "a number", bool: "true or false"}.get(
        hint, "a value"
    )


def _shown(node: Node) -> str:
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, ScalarNode) and node.text:
        text = node.text if len(node.text) <= 40 else node.text[:37] + "..."
        return f'"{text}"' if text.isprintable() else "the text"
    return "nothing"
