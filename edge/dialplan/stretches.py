"""Keep a set of whole numbers as the stretches it is made of."""

from __future__ import annotations

import bisect
from collections.abc import Iterator


class Stretches:
    """Whole numbers; adding and asking take the logarithm of how many stretches there are."""

    def __init__(self) -> None:
        self._edges: list[int] = []
        """Where stretches begin and, after each, where they have ended."""

    def __len__(self) -> int:
        return len(self._edges) // 2

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield first and last number of each stretch, ascending."""
        return ((low, end - 1) for low, end in zip(*[iter(self._edges)] * 2, strict=True))

    def add(self, low: int, high: int) -> None:
        """Add the numbers from low to high."""
        edges, end = self._edges, high + 1
        first, last = bisect.bisect_left(edges, low), bisect.bisect_right(edges, end)
        begins = [] if first % 2 else [low]
        ends = [] if last % 2 else [end]
        edges[first:last] = begins + ends

    def holds(self, low: int, high: int) -> bool:
        """Say whether it has every number from low to high."""
        at = bisect.bisect_right(self._edges, low)
        return at % 2 == 1 and self._edges[at] > high

    def touches(self, low: int, high: int) -> bool:
        """Say whether it has any number from low to high."""
        at = bisect.bisect_right(self._edges, low)
        return at % 2 == 1 or (at < len(self._edges) and self._edges[at] <= high)

    def gaps(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches between low and high that it does not have, ascending."""
        at = bisect.bisect_right(self._edges, low)
        begin = low if at % 2 == 0 else self._edges[at]
        at += at % 2
        while begin <= high:
            end = self._edges[at] if at < len(self._edges) else high + 1
            yield begin, min(end - 1, high)
            if end > high:
                return
            begin = self._edges[at + 1]
            at += 2
