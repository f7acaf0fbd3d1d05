"""Bound a rate of failures from a sample: Wilson's score interval."""

from __future__ import annotations

import math

_Z_95 = 1.6449
"""One-sided: with 95 % confidence the true rate is below the bound."""


def bound(failed: int, count: int) -> float:
    """Return the rate below which the true one is with 95 % confidence, 0 to 1.

    Args:
        failed: failures seen.
        count: tries, at least 1.
    """
    share, square = failed / count, _Z_95**2
    centre = share + square / (2 * count)
    spread = _Z_95 * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return min(1.0, (centre + spread) / (1 + square / count))
