from __future__ import annotations

import pytest

from agent.endpointing import PRESETS, Grasp
from agent.turn_taking import (
    WORDS_LIMIT_MS,
    Action,
    EndKey,
    Melody,
    Phase,
    SpeechBegan,
    SpeechPaused,
    SpeechWentOn,
    Tick,
    TurnEnded,
    TurnTaking,
    Window,
    Words,
)

pytestmark = pytest.mark.unit

MS = 1_000_000
BALANCED = PRESETS["balanced"]


class Line:
    """A caller's line: windows of 32 ms, one after the other."""

    def __init__(self, max_turn_ms: int = 60_000) -> None:
        self.turns = TurnTaking(BALANCED, max_turn_ms)
        self.now_ms = 1_000
        self.audible_ms = 0
        self.actions: list[Action] = []

    def run(self, ms: int, probability: float, *, audible: bool | None = None) -> None:
        """Let windows of one probability come in."""
        for _ in range(ms // 32):
            self.now_ms += 32
            if probability > 0.5 if audible is None else audible:
                self.audible_ms = self.now_ms
            window = Window(probability, self.now_ms * MS, self.audible_ms * MS)
            self.actions += self.turns.receive(window, self.now_ms * MS)

    def tell(self, event: Words | Melody | EndKey | Tick, after_ms: int = 0) -> None:
        """Let something else happen."""
        self.now_ms += after_ms
        self.actions += self.turns.receive(event, self.now_ms * MS)

    def pause(self) -> int:
        """Return the number of the last pause."""
        return next(a.pause for a in reversed(self.actions) if isinstance(a, SpeechPaused))

    def kinds(self) -> list[type[Action]]:
        """Return the kinds of the actions so far."""
        return [type(each) for each in self.actions]


def test_one_loud_window_is_no_speech() -> None:
    """A click of one window does not begin a turn."""
    line = Line()
    line.run(32, 0.9)
    line.run(320, 0.0)
    assert line.actions == []


def test_a_question_ends_when_the_silence_fits_its_words() -> None:
    """Provisional end, words, and the end at complete_ms from the last audible packet."""
    line = Line()
    line.run(1_024, 0.9)
    spoken_ms = line.now_ms
    line.run(224, 0.0)
    assert line.kinds() == [SpeechBegan, SpeechPaused]
    line.tell(Words("What is the warranty?", line.pause(), Grasp.SURE))
    assert line.turns.next_deadline_ns() == (spoken_ms + BALANCED.complete_ms) * MS
    line.tell(Tick(), BALANCED.complete_ms - 224)
    ended = line.actions[-1]
    assert isinstance(ended, TurnEnded)
    assert ended.text == "What is the warranty?"
    assert ended.ended_ns == spoken_ms * MS
    assert ended.decided_ns - ended.ended_ns == BALANCED.complete_ms * MS
    assert line.turns.phase is Phase.QUIET


def test_the_pause_begins_although_the_detector_still_hears_a_voice() -> None:
    """What cannot be heard for 80 ms is silence, and no going on either."""
    line = Line()
    line.run(1_024, 0.9)
    line.run(192, 0.9, audible=False)
    assert line.kinds() == [SpeechBegan, SpeechPaused]
    line.run(64, 0.9)
    assert line.kinds()[-1] is SpeechWentOn


def test_a_voice_below_the_noise_is_left_to_the_detector() -> None:
    """A turn of which no packet was audible goes on as long as the detector hears it."""
    line = Line()
    line.run(1_024, 0.9, audible=False)
    assert line.kinds() == [SpeechBegan]


def test_the_end_is_the_last_audible_packet_not_the_detectors_lag() -> None:
    """Windows that the detector still calls speech after the voice's end do not move the end."""
    line = Line()
    line.run(960, 0.9)
    spoken_ms = line.now_ms
    line.run(96, 0.9, audible=False)
    line.run(224, 0.0)
    paused = line.actions[-1]
    assert isinstance(paused, SpeechPaused) and paused.ended_ns == spoken_ms * MS


def test_an_unfinished_sentence_is_waited_for() -> None:
    """Words that go on ask for incomplete_ms; the voice may go on until then."""
    line = Line()
    line.run(960, 0.9)
    line.run(224, 0.0)
    line.tell(Words("I wanted to know how long the", line.pause()))
    line.tell(Melody(0.9, line.pause()))
    line.run(672, 0.0)
    assert SpeechWentOn not in line.kinds() and TurnEnded not in line.kinds()
    line.run(320, 0.9)
    assert line.kinds()[-1] is SpeechWentOn
    line.run(224, 0.0)
    line.tell(Words("I wanted to know how long the battery lasts.", line.pause()))
    line.tell(Melody(0.9, line.pause()))
    line.tell(Tick(), 1_200)
    ended = line.actions[-1]
    assert isinstance(ended, TurnEnded) and ended.pauses == 1
    assert ended.text.endswith("battery lasts.")


def test_words_of_an_older_pause_count_no_more() -> None:
    """A transcript from before the caller went on cannot end the turn."""
    line = Line()
    line.run(960, 0.9)
    line.run(224, 0.0)
    old = line.pause()
    line.run(320, 0.9)
    line.run(224, 0.0)
    line.tell(Words("What is the warranty?", old))
    line.tell(Tick(), 2_000)
    assert TurnEnded not in line.kinds()


def test_a_recogniser_that_never_answers_is_not_waited_for_forever() -> None:
    """Without words the turn ends at the limit, empty."""
    line = Line()
    line.run(960, 0.9)
    line.run(224, 0.0)
    line.tell(Tick(), WORDS_LIMIT_MS)
    ended = line.actions[-1]
    assert isinstance(ended, TurnEnded) and ended.text == ""


def test_the_key_ends_the_turn_as_soon_as_the_words_are_in() -> None:
    """After # no silence is asked for."""
    line = Line()
    line.run(960, 0.9)
    line.tell(EndKey())
    assert line.kinds()[-1] is SpeechPaused
    line.tell(Words("one two three", line.pause()))
    assert isinstance(line.actions[-1], TurnEnded)


def test_a_turn_that_never_ends_is_ended() -> None:
    """Speech longer than the limit is paused, and ends with its words."""
    line = Line(max_turn_ms=2_000)
    line.run(2_080, 0.9)
    assert line.kinds()[-1] is SpeechPaused
    line.tell(Words("and then and then", line.pause()))
    assert isinstance(line.actions[-1], TurnEnded)


def test_speech_stops_by_the_clock_when_packets_stop() -> None:
    """Where no audio comes any more, silence is counted all the same."""
    line = Line()
    line.run(960, 0.9)
    deadline_ns = line.turns.next_deadline_ns()
    assert deadline_ns is not None
    line.tell(Tick(), deadline_ns // MS - line.now_ms)
    assert line.kinds()[-1] is SpeechPaused


def test_an_abandoned_turn_leaves_nothing() -> None:
    """After a cough the next speech is a new turn with a new beginning."""
    line = Line()
    line.run(320, 0.9)
    line.run(224, 0.0)
    old = line.pause()
    line.turns.abandon()
    assert line.turns.next_deadline_ns() is None
    line.tell(Words("hm", old))
    line.run(320, 0.9)
    assert line.kinds() == [SpeechBegan, SpeechPaused, SpeechBegan]
