from __future__ import annotations

import pytest

from media import ConfigError
from media.config.model import TurnConfig
from media.config.tuning import tuned

pytestmark = pytest.mark.unit


def test_named_values_change_and_the_others_stay() -> None:
    """Only what is named changes."""
    before = TurnConfig(preset="eager", digits_ms=2_000)
    after = tuned(before, {"complete_ms": "500", "barge_in": "false"})
    assert after == TurnConfig(preset="eager", digits_ms=2_000, complete_ms=500, barge_in=False)


def test_a_preset_replaces_timings_set_before() -> None:
    """A preset means its own timings, except for those named beside it."""
    before = TurnConfig(complete_ms=400, incomplete_ms=900)
    after = tuned(before, {"preset": "patient", "digits_ms": "3000"})
    assert after == TurnConfig(preset="patient", digits_ms=3_000)


def test_lists_are_written_as_in_the_file() -> None:
    """Backchannels may be given as a YAML list."""
    assert tuned(TurnConfig(), {"backchannels": "[sure, go on]"}).backchannels == ("sure", "go on")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"preset": "hasty"}, "eager"),
        ({"complete_ms": "5"}, "out of range"),
        ({"complete_ms": "half a second"}, "whole number"),
        ({"complet_ms": "500"}, "complete_ms"),
        ({"barge_in": "no"}, "false"),
        ({"complete_ms": "500\npreset: eager"}, "nothing to change"),
        ({}, "nothing to change"),
    ],
)
def test_what_the_file_would_refuse_is_refused(settings: dict[str, str], says: str) -> None:
    """The checks and their words are those of the YAML file."""
    with pytest.raises(ConfigError, match=says):
        tuned(TurnConfig(), settings)


def test_every_problem_is_told() -> None:
    """All that is wrong is said at once."""
    with pytest.raises(ConfigError) as caught:
        tuned(TurnConfig(), {"preset": "hasty", "digits_ms": "-1"})
    assert "preset" in str(caught.value)
    assert "digits_ms" in str(caught.value)
