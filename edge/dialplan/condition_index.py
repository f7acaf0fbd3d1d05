"""Find the rules whose trunk, headers, hours and load fit a call, or fit another rule's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edge.dialplan.bits import bits_of
from edge.dialplan.cell import Cell
from edge.dialplan.toggles import Toggles

_MOST_PARTS = 2_000
"""Parts of a header's value that are looked up; of a longer one every text is tried."""


class ConditionIndex:
    """What every rule asks for apart from numbers.

    Args:
        cells: one for each rule.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        count = len(cells)
        self.all = (1 << count) - 1
        asked: dict[tuple[str, str], list[int]] = {}
        conditions: dict[tuple[str, str], list[int]] = {}
        for rule, cell in enumerate(cells):
            for trunk in cell.trunks or ():
                asked.setdefault(("trunk", trunk), []).append(rule)
            for name in cell.open:
                asked.setdefault(("open", name), []).append(rule)
            for name in cell.closed:
                asked.setdefault(("closed", name), []).append(rule)
            for each in cell.headers:
                conditions.setdefault(each, []).append(rule)
        self._asked = {key: bits_of(rules, count) for key, rules in asked.items()}
        self._any = {
            kind: _union(bits for (each, _), bits in self._asked.items() if each == kind)
            for kind in ("trunk", "open", "closed")
        }
        self._conditions = {key: bits_of(rules, count) for key, rules in conditions.items()}
        self._headers: dict[str, int] = {}
        self._starred: dict[str, int] = {}
        self._parts: dict[tuple[str, str], int] = {}
        """By header and the longest of the parts that stars part."""
        self._lengths: dict[str, set[int]] = {}
        for (name, text), bits in self._conditions.items():
            self._headers[name] = self._headers.get(name, 0) | bits
            if "*" in text:
                self._starred[name] = self._starred.get(name, 0) | bits
                part = max(text.split("*"), key=len)
                self._parts[name, part] = self._parts.get((name, part), 0) | bits
                self._lengths.setdefault(name, set()).add(len(part))
        self._any_header = _union(self._headers.values())
        self._lows = Toggles([(each.load_low, rule) for rule, each in enumerate(cells)], count)
        self._highs = Toggles([(each.load_high, rule) for rule, each in enumerate(cells)], count)

    # ------------------------------------------------------------ for a call

    def point(self, trunk: str | None, percent: float, headers: Mapping[str, str]) -> int:
        """Return the rules that a call's trunk, load and headers do not rule out.

        Args:
            trunk: the call's.
            percent: load.
            headers: the call's, names in lower case.

        Rules whose header has a star, or that ask for two, may still not fit; hours are not looked
        at.
        """
        bits = self._lows.up_to(percent) & ~self._highs.up_to(percent)
        bits &= ~self._any["trunk"] | self._asked.get(("trunk", trunk or ""), 0)
        if self._any_header:
            present = 0
            for name, value in headers.items():
                asking = self._headers.get(name, 0)
                if asking:
                    present |= asking
                    bits &= ~asking | self._possible(name, value.strip().lower())
            bits &= ~self._any_header | present
        return bits

    def opened(self, name: str) -> int:
        """Return the rules that ask for hours to be open."""
        return self._asked.get(("open", name), 0)

    def closed(self, name: str) -> int:
        """Return the rules that ask for hours to be closed."""
        return self._asked.get(("closed", name), 0)

    def asking(self, name: str, text: str) -> int:
        """Return the rules that ask for a header by a text."""
        return self._conditions.get((name, text), 0)

    def at_hours(self, opened: frozenset[str], closed: frozenset[str], *, rest_open: bool) -> int:
        """Return the rules that fit when some hours are open, some closed, the rest alike."""
        kind, names = ("closed", closed) if rest_open else ("open", opened)
        bits = self.all & ~self._any[kind]
        for name in names:
            bits |= self._asked.get((kind, name), 0)
        for name in opened:
            bits &= ~self.closed(name)
        for name in closed:
            bits &= ~self.opened(name)
        return bits

    # ------------------------------------------------------------ for a rule

    def touching(self, cell: Cell, bits: int) -> int:
        """Return those of some rules that a call of the cell can fit, too."""
        if cell.trunks is not None:
            over = ~self._any["trunk"]
            for trunk in cell.trunks:
                over |= self._asked.get(("trunk", trunk), 0)
            bits &= over
        for name in cell.open:
            bits &= ~self.closed(name)
        for name in cell.closed:
            bits &= ~self.opened(name)
        for name, text in cell.headers:
            if "*" not in text:
                bits &= ~self._headers.get(name, 0) | self._fitting(name, text)
        return bits & self._lows.below(cell.load_high) & ~self._highs.up_to(cell.load_low)

    def containing(self, cell: Cell, bits: int) -> int:
        """Return those of some rules that every call of the cell fits.

        Rules that ask for several headers may still not fit.
        """
        over = ~self._any["trunk"]
        if cell.trunks is not None:
            shared = self.all
            for trunk in cell.trunks:
                shared &= self._asked.get(("trunk", trunk), 0)
            over |= shared
        bits &= over
        for kind, names in (("open", cell.open), ("closed", cell.closed)):
            over = ~self._any[kind]
            for name in names:
                over |= self._asked.get((kind, name), 0)
            bits &= over
        present = 0
        for name, text in cell.headers:
            present |= self._headers.get(name, 0)
            fitting = self.asking(name, text) | self.asking(name, "*")
            bits &= ~self._headers.get(name, 0) | fitting
        bits &= ~self._any_header | present
        return bits & self._lows.up_to(cell.load_low) & ~self._highs.below(cell.load_high)

    def _possible(self, name: str, value: str) -> int:
        """Return the rules whose text for a header is a value, or has its longest part there."""
        found = self._conditions.get((name, value), 0)
        lengths = self._lengths.get(name, ())
        if len(value) * len(lengths) > _MOST_PARTS:
            return found | self._starred[name]
        for length in lengths:
            for at in range(len(value) - length + 1):
                found |= self._parts.get((name, value[at : at + length]), 0)
        return found

    def _fitting(self, name: str, value: str) -> int:
        return self._starred.get(name, 0) | self._conditions.get((name, value), 0)


def _union(sets: Iterable[int]) -> int:
    found = 0
    for bits in sets:
        found |= bits
    return found
