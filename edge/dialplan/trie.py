"""Index things by the characters that a number begins with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class PrefixTrie(Generic[T]):
    """A tree of characters whose nodes hold items."""

    __slots__ = ("_children", "_items")

    def __init__(self) -> None:
        self._children: dict[str, PrefixTrie[T]] = {}
        self._items: list[T] = []

    def add(self, prefix: str, item: T) -> None:
        """Keep an item under a prefix."""
        node = self
        for char in prefix:
            child = node._children.get(char)
            if child is None:
                child = node._children[char] = PrefixTrie()
            node = child
        node._items.append(item)

    def along(self, text: str) -> Iterator[T]:
        """Yield the items of every prefix of a text, the empty one first."""
        node: PrefixTrie[T] | None = self
        yield from self._items
        for char in text:
            node = node._children.get(char) if node is not None else None
            if node is None:
                return
            yield from node._items

    def below(self, prefix: str) -> Iterator[T]:
        """Yield the items of every longer prefix that begins with this one."""
        node: PrefixTrie[T] = self
        for char in prefix:
            child = node._children.get(char)
            if child is None:
                return
            node = child
        stack = list(node._children.values())
        while stack:
            each = stack.pop()
            yield from each._items
            stack.extend(each._children.values())
