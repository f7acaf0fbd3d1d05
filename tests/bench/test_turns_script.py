"""What the judgement part of the benchmark says: enough, by everybody, and always the same."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.bench.script import SPOKEN_INTO, Kind
from tests.bench.turns_script import STEPS_A_CALL, turns_script
from tests.bench.voices import VOICES
from tests.harness.outside_phone import level_dbfs

pytestmark = pytest.mark.model


def test_the_samples_are_large_and_repeat() -> None:
    """Enough of each kind, from every voice, and the same the next time."""
    calls = turns_script()
    steps = [step for each in calls for step in each]
    counts = Counter(each.kind for each in steps)
    assert counts[Kind.BACKCHANNEL] >= 60 and counts[Kind.PAUSE] >= 60
    assert counts[Kind.SHORT] >= 100 and counts[Kind.NOISE] >= 20
    for kind in (Kind.BACKCHANNEL, Kind.SHORT, Kind.PAUSE, Kind.INTERRUPTION):
        assert {each.voice for each in steps if each.kind is kind} == set(VOICES)
    assert all(len(each) <= STEPS_A_CALL for each in calls)
    assert all(level_dbfs(each.samples) > -45 for each in steps)
    again = [step for each in turns_script() for step in each]
    assert all((a.samples == b.samples).all() for a, b in zip(steps, again, strict=True))
    for call in calls:
        assert call[0].kind not in SPOKEN_INTO
        for before, step in zip(call, call[1:], strict=False):
            assert step.kind not in SPOKEN_INTO or before.kind is Kind.QUESTION
