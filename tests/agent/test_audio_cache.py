from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agent.engines.audio_cache import AudioCache

pytestmark = pytest.mark.unit

CLIP = np.arange(-400, 400, dtype=np.int16)


def test_a_clip_survives_a_restart(tmp_path: Path) -> None:
    """What one cache stored another one finds, sample for sample."""
    key = AudioCache.key("voice", "settings", "Hello.")
    AudioCache(tmp_path / "new").put(key, CLIP)
    found = AudioCache(tmp_path / "new").get(key)
    assert found is not None
    np.testing.assert_array_equal(found, CLIP)
    assert found.dtype == np.int16


def test_keys_tell_everything_apart() -> None:
    """Voice, settings and text all count, and their borders too."""
    keys = {
        AudioCache.key(*each)
        for each in [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("a", "b", "d")]
    }
    assert len(keys) == 4


def test_absent(tmp_path: Path) -> None:
    """A clip that was never stored is absent."""
    assert AudioCache(tmp_path).get("0" * 64) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-2],
        lambda raw: raw[:-1] + b"\x55",
        lambda raw: b"",
        lambda raw: b"XXXX" + raw[4:],
    ],
)
def test_a_damaged_file_is_absent(tmp_path: Path, damage: object) -> None:
    """A file that is cut, changed, empty or not ours counts as absent and can be stored anew."""
    cache = AudioCache(tmp_path)
    cache.put("k", CLIP)
    path = next(tmp_path.glob("*.pcm"))
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("k") is None
    cache.put("k", CLIP)
    assert cache.get("k") is not None


def test_the_longest_unused_go(tmp_path: Path) -> None:
    """Beyond the limit the clips that were used longest ago go, and no partial file is left."""
    cache = AudioCache(tmp_path, limit_bytes=3 * (CLIP.nbytes + 20))
    for index in range(3):
        cache.put(f"k{index}", CLIP)
        os.utime(tmp_path / f"k{index}.pcm", ns=(index, index))
    assert cache.get("k0") is not None
    cache.put("k3", CLIP)
    assert cache.get("k1") is None
    assert cache.get("k0") is not None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["k0.pcm", "k2.pcm", "k3.pcm"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Where nothing can be stored, nothing is stored and nobody fails."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = AudioCache(blocked / "cache")
    cache.put("k", CLIP)
    assert cache.get("k") is None
