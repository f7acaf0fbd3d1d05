"""Say what is given up as load grows, and where figures are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from media.config.checks import Address, Between, Port


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Figures for Prometheus, at http://ADDRESS:PORT/metrics."""

    address: Address = "127.0.0.1"
    """Local address of the page; it has no password."""
    port: Port | None = 9464
    """TCP port; none shows no figures."""


@dataclass(frozen=True, slots=True)
class RungConfig:
    """How much load one step needs; the worst of the three counts. 0 never, none the default."""

    engine_wait_ms: Annotated[int, Between(0, 60_000, "ms")] | None = None
    """How long calls wait for an engine's words: mean of the last 5 s, or the longest wait now."""
    loop_lag_ms: Annotated[int, Between(0, 60_000, "ms")] | None = None
    """How late the agent process gets to what it has to do, mean of the last 2 s."""
    cpu_pressure: Annotated[int, Between(0, 100, "%")] | None = None
    """Share of the last 10 s in which something waited for a processor (/proc/pressure/cpu)."""


@dataclass(frozen=True, slots=True)
class LadderConfig:
    """What is given up as load grows, one step after the other; calls in progress never."""

    enabled: bool = True
    no_provisional: RungConfig = field(default_factory=RungConfig)
    """Answers are no longer prepared in pauses that may not be the end of the turn."""
    short_answers: RungConfig = field(default_factory=RungConfig)
    """Answers have at most ``short_words`` words."""
    fast_lane_only: RungConfig = field(default_factory=RungConfig)
    """Only reviewed sentences and facts as they stand, no language model."""
    refuse_calls: RungConfig = field(default_factory=RungConfig)
    """New calls get 503 with Retry-After."""
    short_words: Annotated[int, Between(3, 500)] = 12
    climb_ms: Annotated[int, Between(100, 60_000, "ms")] = 2_000
    """Load must last so long for one step up."""
    descend_ms: Annotated[int, Between(100, 600_000, "ms")] = 8_000
    """Load must be gone for so long for one step down."""
    release: Annotated[int, Between(10, 100, "%")] = 75
    """Load is gone below this share of what the present step needs."""
