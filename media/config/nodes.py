"""Compose YAML text into nodes that know their line and column, within bounds.

Values are never resolved here: YAML 1.1 would turn ``0041`` into 33, ``22:30`` into 1350 and
``no`` into False. Duplicate keys stay visible. The composition is iterative and bounded in size,
depth and alias expansion, so that no file can exhaust the stack or the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

LARGEST_FILE_BYTES = 16 * 1024 * 1024
DEEPEST_NESTING = 64
MOST_VALUES = 2_000_000
"""Values after aliases are followed; ten thousand dial rules are about a tenth of it."""

_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = (
    yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
)


@dataclass(slots=True)
class Node:
    """One value of the file."""

    line: int
    """1-based."""
    column: int
    """1-based."""
    size: int = 1
    """Values in it, aliases followed."""


@dataclass(slots=True)
class ScalarNode(Node):
    """Text as it stands in the file."""

    text: str = ""
    plain: bool = True
    """Not quoted, not a block."""


@dataclass(slots=True)
class ListNode(Node):
    """A sequence."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MappingNode(Node):
    """A mapping; keys may repeat."""

    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    pending_key: Node | None = None


@dataclass(slots=True)
class FlawedNode(Node):
    """What a problem was noted for already."""


class NodeError(Exception):
    """The text is no usable YAML.

    Args:
        message: what is wrong and what was expected.
        line: 1-based.
        column: 1-based.
    """

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def decode(content: bytes) -> str:
    """Decode a file's bytes as UTF-8, with or without a byte order mark.

    Raises:
        NodeError: too large, not UTF-8, or with a character YAML does not allow.
    """
    if len(content) > LARGEST_FILE_BYTES:
        raise NodeError(f"the file is larger than {LARGEST_FILE_BYTES // 2**20} MiB", 1, 1)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        found = f"byte 0x{content[error.start]:02x}"
        raise NodeError(f"{found} is not UTF-8; save the file as UTF-8", line, column) from error


def compose(text: str, flaws: list[NodeError]) -> Node | None:
    """Compose the one document in the text; None when it is empty.

    Args:
        text: of the file.
        flaws: takes tags and unknown aliases, which do not hide what else is wrong.

    Raises:
        NodeError: not YAML, several documents, or beyond a bound.
    """
    try:
        return _Composition(flaws).run(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise _from_marked(error, text) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        code = error.character if isinstance(error.character, int) else ord(error.character[0])
        raise NodeError(
            f"character U+{code:04X} is not allowed in YAML; delete it",
            before.count("\n") + 1,
            column,
        ) from error
    except yaml.YAMLError as error:
        raise NodeError(f"is not YAML: {error}", 1, 1) from error
    except RecursionError as error:
        raise NodeError(f"is nested deeper than {DEEPEST_NESTING} levels", 1, 1) from error


class _Composition:
    """Builds nodes from the parser's events."""

    def __init__(self, flaws: list[NodeError]) -> None:
        self._flaws = flaws
        self._anchors: dict[str, Node] = {}
        self._open: list[tuple[Node, str | None]] = []
        self._root: Node | None = None

    def run(self, events: Iterator[yaml.Event]) -> Node | None:
        documents = 0
        for event in events:
            line, column = _place(event)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    message = "a second document begins; the file holds exactly one"
                    raise NodeError(message, line, column)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                node: Node = ScalarNode(line, column, 1, event.value, not event.style)
                if event.tag is not None:
                    self._note_tag(event)
                    node = FlawedNode(line, column)
                self._finish(node, event.anchor)
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                if event.tag is not None:
                    self._note_tag(event)
                self._start(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                node_, anchor = self._open.pop()
                self._finish(node_, anchor)
        return self._root

    def _note_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        shown = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        message = f"the tag {shown} is not supported; write the value alone"
        flaw = NodeError(f"{message}, in quotes if it is text", *_place(event))
        self._flaws.append(flaw)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        line, column = _place(event)
        if len(self._open) >= DEEPEST_NESTING:
            raise NodeError(f"is nested deeper than {DEEPEST_NESTING} levels", line, column)
        kind = MappingNode if isinstance(event, yaml.MappingStartEvent) else ListNode
        self._open.append((kind(line, column), event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        target = self._anchors.get(event.anchor or "")
        if target is None:
            known = ", ".join(f"*{each}" for each in self._anchors) or "none so far"
            message = f"alias *{event.anchor} has no finished anchor before it; known: {known}"
            self._flaws.append(NodeError(message, *_place(event)))
            target = FlawedNode(*_place(event))
        self._finish(target, None, _place(event))

    def _finish(self, node: Node, anchor: str | None, at: tuple[int, int] | None = None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return
        parent = self._open[-1][0]
        parent.size += node.size
        if parent.size > MOST_VALUES:
            line, column = at or (node.line, node.column)
            raise NodeError(f"aliases make this more than {MOST_VALUES:,} values", line, column)
        if isinstance(parent, ListNode):
            parent.items.append(node)
        elif isinstance(parent, MappingNode):
            if parent.pending_key is None:
                parent.pending_key = node
            else:
                parent.pairs.append((parent.pending_key, node))
                parent.pending_key = None


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _from_marked(error: yaml.MarkedYAMLError, text: str) -> NodeError:
    mark = error.problem_mark or error.context_mark
    if "quoted scalar" in (error.context or "") and "end of stream" in (error.problem or ""):
        mark = error.context_mark or mark  # where the quote opens, not where the file ends
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = (error.problem or "is not YAML").strip()
    lines = text.split("\n")
    at = lines[line - 1] if line <= len(lines) else ""
    if "\t" in at[: max(column, len(at) - len(at.lstrip()))] and ("token" in what or "tab" in what):
        column = at.index("\t") + 1
        return NodeError("a tab stands in the indentation; YAML wants spaces", line, column)
    context = f" {error.context.strip()}" if error.context else ""
    begun = error.context_mark.line + 1 if error.context_mark else line
    hint = _hint(f"{context} {what}", at[column - 1 :], begun)
    return NodeError(f"YAML syntax{context}: {what}{hint}", line, column)


def _hint(what: str, rest: str, begun: int) -> str:
    """Say what to do about a syntax error.

    Args:
        what: is wrong.
        rest: of the line, from where it is.
        begun: line on which the list or mapping around it begins.
    """
    if "parsing a flow" in what:
        return f"; a comma, or the closing bracket of what begins in line {begun}, is missing"
    if "expected '-' indicator" in what:
        return "; items of one list must begin in the same column"
    if "mapping values are not allowed" in what:
        return "; put text that holds ': ' into quotes, or check the indentation"
    if "could not find expected ':'" in what:
        return "; write 'key: value' with a space after the colon"
    if "did not find expected key" in what or "expected <block end>" in what:
        return "; keys of one mapping must begin in the same column"
    if "start any token" in what and rest[:1] in ("@", "`", "%"):
        return "; put text that begins with that character into quotes"
    if "quoted scalar" in what:
        return "; a closing quote is missing"
    return ""
