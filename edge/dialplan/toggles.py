"""Find the rules that begin or end along a row of values."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from edge.dialplan.bits import bits_of

_STRIDE = 8
"""Sets are kept for every eighth value only: for ten thousand rules 1.5 MB instead of 12."""


class Toggles:
    """Rules that are switched on, or off again, at values.

    Args:
        toggles: value and rule; a rule that stands twice is on between the two.
        count: how many rules there are.
    """

    def __init__(self, toggles: Sequence[tuple[int, int]], count: int) -> None:
        values, rules = zip(*toggles, strict=True) if toggles else ((), ())
        order = sorted(range(len(values)), key=values.__getitem__)
        self._values = [values[each] for each in order]
        self._rules = [rules[each] for each in order]
        self._kept = [0]
        """By how many strides of toggles are past: the rules that are on."""
        for at in range(0, len(order) - _STRIDE + 1, _STRIDE):
            on = self._kept[-1]
            stride = self._rules[at : at + _STRIDE]
            if len(set(stride)) == _STRIDE:
                on ^= bits_of(stride, count)
            else:
                for rule in stride:
                    on ^= 1 << rule
            self._kept.append(on)

    def up_to(self, value: float) -> int:
        """Return the rules that are on once a value is past."""
        return self._on(bisect.bisect_right(self._values, value))

    def below(self, value: float) -> int:
        """Return the rules that are on just before a value."""
        return self._on(bisect.bisect_left(self._values, value))

    def _on(self, past: int) -> int:
        at, more = divmod(past, _STRIDE)
        on = self._kept[at]
        for rule in self._rules[past - more : past]:
            on ^= 1 << rule
        return on
