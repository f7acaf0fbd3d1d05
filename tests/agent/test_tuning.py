from __future__ import annotations

from pathlib import Path

import pytest

from agent.endpointing import PRESETS, resolve_timing
from agent.loading import Engines
from agent.persona import Persona
from agent.reloading import reload_personas
from agent.speech import Speech
from agent.tuning import in_words, tune
from media import ConfigError
from media.config.load import load_config
from media.config.model import AgentConfig, TurnConfig
from media.load_messages import TuneTurns
from media.messages import CallId
from tests.agent.fakes import FakeActivity, FakeModel, FakeVoice

pytestmark = pytest.mark.unit


class Activity:
    """Opens fake voice activity."""

    def open(self) -> FakeActivity:
        return FakeActivity()


class Call:
    """A call in progress."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona
        self.turn = persona.config.turn

    def retune(self, turn: TurnConfig) -> None:
        self.turn = turn


def persona(name: str, turn: TurnConfig | None = None) -> Persona:
    config = AgentConfig(greeting="Hello.", instructions="Help.", turn=turn or TurnConfig())
    return Persona(name, config, Speech(FakeVoice()))


def test_a_persona_and_its_calls_change_together() -> None:
    """Calls in progress and to come change; other personas and their calls do not."""
    personas = {"support": persona("support"), "sales": persona("sales")}
    calls = {CallId("a"): Call(personas["support"]), CallId("b"): Call(personas["sales"])}
    done = tune(TuneTurns({"preset": "patient"}, agent="support"), personas, calls)
    assert (done.agents, done.calls) == (("support",), (CallId("a"),))
    assert personas["support"].config.turn.preset == "patient"
    assert personas["support"].timing.complete_ms == PRESETS["patient"].complete_ms
    assert calls[CallId("a")].turn.preset == "patient"
    assert personas["sales"].config.turn.preset == calls[CallId("b")].turn.preset == "balanced"


def test_one_call_changes_alone() -> None:
    """With a call named, its persona's calls to come keep their settings."""
    personas = {"support": persona("support")}
    calls = {CallId("a"): Call(personas["support"]), CallId("b"): Call(personas["support"])}
    tune(TuneTurns({"complete_ms": "333"}, call_id=CallId("a")), personas, calls)
    assert calls[CallId("a")].turn.complete_ms == 333
    assert calls[CallId("b")].turn.complete_ms is None
    assert personas["support"].config.turn.complete_ms is None


def test_without_a_name_everybody_changes() -> None:
    """No persona named means all of them."""
    personas = {"support": persona("support"), "sales": persona("sales")}
    assert tune(TuneTurns({"barge_in": "false"}), personas, {}).agents == ("support", "sales")


def test_changes_add_up() -> None:
    """A second change keeps what the first one changed."""
    personas = {"support": persona("support")}
    tune(TuneTurns({"complete_ms": "400"}), personas, {})
    tune(TuneTurns({"digits_ms": "2500"}), personas, {})
    turn = personas["support"].config.turn
    assert (turn.complete_ms, turn.digits_ms) == (400, 2_500)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (TuneTurns({"preset": "hasty"}), "eager"),
        (TuneTurns({"preset": "eager"}, agent="supprt"), "support"),
        (TuneTurns({"preset": "eager"}, call_id=CallId("gone")), "gone"),
    ],
)
def test_a_wrong_change_changes_nothing(wanted: TuneTurns, says: str) -> None:
    """What is impossible is refused as a whole, in words."""
    personas = {"support": persona("support")}
    with pytest.raises(ConfigError, match=says):
        tune(wanted, personas, {})
    assert personas["support"].config.turn == TurnConfig()


def test_settings_are_told_with_the_presets_values() -> None:
    """The answer says what holds, not only what was written."""
    said = in_words(TurnConfig(preset="patient", complete_ms=500))
    assert "preset=patient" in said
    assert "complete_ms=500" in said
    assert "incomplete_ms=1800" in said


async def test_a_reload_brings_the_files_settings_back(tmp_path: Path) -> None:
    """A persona that the file did not change loses what was tuned."""
    path = tmp_path / "cordboard.yaml"
    path.write_text(
        "agents:\n  desk: {greeting: Hello., instructions: Be brief.}\ndialplan: [{agent: desk}]\n"
    )
    config = load_config(path)
    personas = {"desk": persona("desk")}
    tune(TuneTurns({"preset": "patient"}), personas, {})

    async def make(name: str, config: AgentConfig) -> Persona:
        raise AssertionError(f"{name} has not changed")

    engines = Engines(Activity(), None, FakeModel({}))
    _, kept, _ = await reload_personas(path, config, engines, personas, make)
    assert kept["desk"].config.turn == TurnConfig()
    assert kept["desk"].timing.complete_ms == resolve_timing(TurnConfig()).complete_ms


def test_a_preset_takes_back_every_timing_and_weight() -> None:
    """Whatever was tuned before, a named preset is the preset; what is named beside it holds."""
    personas = {"support": persona("support")}
    tune(TuneTurns({"melody_weight": "0.5", "filler_ms": "900"}), personas, {})
    assert personas["support"].timing.melody_weight == 0.5
    tune(TuneTurns({"preset": "eager", "yield_ms": "700"}), personas, {})
    timing = personas["support"].timing
    assert (timing.melody_weight, timing.filler_ms, timing.yield_ms) == (1.0, 1_700, 700)
