"""Count what each trunk carries and hold it to its limits (sans-IO).

Calls at once are counted in both directions. Calls per second are held by a token bucket that
holds one second's worth of calls, at least one: a burst of that size passes, the average is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from media.config.trunks import TrunkConfig, TrunkLimits

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Full:
    """Why a trunk takes no call now, and what is said about it."""

    sip_status: int
    retry_after_s: int | None
    """Of a 503; None takes the service's own."""
    reason: str

    def headers(self, retry_after_s: int) -> dict[str, str]:
        """Return the headers of the refusal.

        Args:
            retry_after_s: the service's own, where the trunk has none.
        """
        if self.sip_status != 503:
            return {}
        own = self.retry_after_s
        return {"Retry-After": str(retry_after_s if own is None else own)}


@dataclass(slots=True)
class _Use:
    calls: int = 0
    tokens: float | None = None
    """None until the first call, which finds the bucket full."""
    filled_ns: int = 0


class TrunkUse:
    """What every trunk carries now; outlives reloads, which only change the limits."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}
        self._limits: Mapping[str, TrunkConfig] = {}

    def set_trunks(self, trunks: Mapping[str, TrunkConfig]) -> None:
        """Take over the limits of a (re)loaded configuration."""
        self._limits = trunks
        self._uses = {k: v for k, v in self._uses.items() if k in trunks or v.calls}

    def calls(self, trunk: str) -> int:
        """Return the calls that a trunk carries now."""
        use = self._uses.get(trunk)
        return use.calls if use else 0

    def begin(self, trunk: str, now_ns: int) -> Full | None:
        """Count a call that begins; return why it must not, where the trunk is full.

        A refused call takes neither a line nor a token: those who retry too fast do not keep
        others out.
        """
        config = self._limits.get(trunk)
        limits = config.limits if config else TrunkLimits()
        use = self._uses.setdefault(trunk, _Use())
        if limits.calls is not None and use.calls >= limits.calls:
            return self._full(config, f"trunk {trunk} carries {use.calls} calls")
        rate = limits.calls_per_second
        if rate is not None and not self._take_token(use, rate, now_ns):
            return self._full(config, f"trunk {trunk} takes {rate:g} calls a second")
        use.calls += 1
        return None

    def end(self, trunk: str) -> None:
        """Count a call that ended, once for each that began."""
        use = self._uses.get(trunk)
        if use is not None and use.calls:
            use.calls -= 1

    def _take_token(self, use: _Use, rate: float, now_ns: int) -> bool:
        most = max(rate, 1.0)
        if use.tokens is None:
            use.tokens, use.filled_ns = most, now_ns
        grown = (now_ns - use.filled_ns) * rate / SECOND_NS
        use.tokens, use.filled_ns = min(use.tokens + grown, most), now_ns
        if use.tokens < 1.0:
            return False
        use.tokens -= 1.0
        return True

    def _full(self, config: TrunkConfig | None, reason: str) -> Full:
        assert config is not None
        return Full(config.full.status, config.full.retry_after_s, reason)
