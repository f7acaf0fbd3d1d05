"""Estimate how a call sounded: ITU-T G.107 E-model for G.711 with loss concealment."""

from __future__ import annotations

import math

_R_DEFAULT = 93.2
"""R with every parameter at its default and no loss or delay (ITU-T G.107)."""
_IE_G711 = 0.0
_BPL_G711_PLC = 25.1
"""Packet-loss robustness of G.711 with concealment (ITU-T G.113 Appendix I)."""


def rating(loss_ratio: float, delay_ms: float = 0.0, burst_ratio: float = 1.0) -> float:
    """Return the transmission rating R, 0 to 93.2.

    Args:
        loss_ratio: packets that could not be played, lost or late, 0 to 1.
        delay_ms: one way, mouth to ear.
        burst_ratio: 1 where losses are random (G.107 section 7.2.4).
    """
    loss_percent = 100 * min(max(loss_ratio, 0.0), 1.0)
    loss = _IE_G711
    if loss_percent:
        loss += (95 - _IE_G711) * loss_percent / (loss_percent / burst_ratio + _BPL_G711_PLC)
    return max(0.0, _R_DEFAULT - _delay_impairment(delay_ms) - loss)


def mos(r: float) -> float:
    """Map a rating to a mean opinion score, 1 to 4.5 (G.107 Annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def _delay_impairment(delay_ms: float) -> float:
    """Return Idd (G.107 section 7.4): nothing below 100 ms."""
    if delay_ms <= 100:
        return 0.0
    x = math.log2(delay_ms / 100)
    return float(25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2))
