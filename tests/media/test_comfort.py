"""Comfort noise."""

from __future__ import annotations

import numpy as np
import pytest

from media.comfort import LEVEL_DBFS, ComfortNoise, noise_at
from media.resample import level_dbfs

pytestmark = pytest.mark.unit


def test_noise_has_its_level_and_never_ends() -> None:
    """A minute of it is as loud as it should be, everywhere."""
    noise = ComfortNoise()
    parts = [np.concatenate([noise.pop(160) for _ in range(50)]) for _ in range(60)]
    assert all(level_dbfs(part) == pytest.approx(LEVEL_DBFS, abs=1.5) for part in parts)


def test_level_127_is_digital_silence() -> None:
    """RFC 3389 has -127 dBov as the lowest level."""
    assert not np.any(noise_at(127, 160))


def test_no_far_end_can_shout_by_comfort_noise() -> None:
    """Level 0, full scale, is taken for -30 dBov."""
    assert level_dbfs(noise_at(0, 8_000)) == pytest.approx(-30, abs=1.5)
