"""The judgement part of the benchmark: what counts as failed, and what a sample proves."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.bench import turns
from tests.bench.caller import Measured
from tests.bench.script import Kind
from tests.bench.turns import Judged, judge_turns, run_turns, table
from tests.bench.wilson import bound

pytestmark = pytest.mark.unit


def said(kind: Kind, begin: float = 2_000, end: float = 2_400, **more: Any) -> Measured:
    row = Measured(1, 0, kind, "Mm-hm.", "slt", 0.4, said_at_ms=begin, ended_at_ms=end)
    for name, value in more.items():
        setattr(row, name, value)
    return row


def agent(begin: int, end: int, source: str = "fast_lane", **more: Any) -> dict[str, Any]:
    return {
        "speaker": "agent",
        "text": "Is that all?",
        "offset_ms": begin,
        "duration_ms": end - begin,
        "source": source,
        "interrupted": False,
        **more,
    }


def judged(row: Measured, *turns: dict[str, Any]) -> Judged:
    (found,) = judge_turns([row], list(turns))
    return found


def test_a_backchannel_fails_when_the_record_says_interrupted() -> None:
    """What the agent says after having given way does not hide that it did."""
    cut = judged(said(Kind.BACKCHANNEL), agent(1_000, 2_200, interrupted=True), agent(3_000, 4_000))
    assert cut.failed == "stopped the agent for good"
    assert not judged(said(Kind.BACKCHANNEL), agent(1_000, 5_000)).failed


def test_what_the_next_utterance_stopped_is_not_the_backchannels_fault() -> None:
    """A turn that still sounded when the next words came was stopped by those."""
    rows = [said(Kind.BACKCHANNEL), said(Kind.QUESTION, 4_000, 5_000)]
    assert not judge_turns(rows, [agent(1_000, 4_120, interrupted=True)])[0].failed
    assert judge_turns(rows, [agent(1_000, 3_900, interrupted=True)])[0].failed


def test_an_interruption_fails_when_the_agent_goes_on() -> None:
    """The same record that acquits a backchannel convicts an interruption."""
    assert judged(said(Kind.INTERRUPTION), agent(1_000, 5_000)).failed == "did not stop the agent"
    assert not judged(said(Kind.INTERRUPTION), agent(1_000, 2_200, interrupted=True)).failed


def test_what_came_too_late_or_into_a_prompt_does_not_count() -> None:
    """Where nothing was left to interrupt, or the words were an answer, nothing was tested."""
    assert not judged(said(Kind.BACKCHANNEL), agent(1_000, 2_100)).counts
    assert not judged(said(Kind.BACKCHANNEL), agent(1_000, 5_000, "prompt")).counts
    assert not judged(said(Kind.BACKCHANNEL)).counts


def test_a_sentence_is_cut_off_by_an_answer_into_it_and_by_being_split() -> None:
    """An answer that comes late and meets the caller's next sentence cuts nothing off."""
    sentence = said(Kind.PAUSE, 2_000, 5_000)
    assert judged(sentence, agent(3_500, 4_000)).failed == "cut off"
    assert not judged(sentence, agent(2_300, 2_500), agent(5_600, 7_000)).failed
    assert judged(said(Kind.PAUSE, 2_000, 5_000, split=True)).failed == "cut off"


def test_a_word_is_missed_when_it_was_not_heard_or_not_taken_up() -> None:
    """Being asked to say it again is no answer; a filler is a promise of one."""
    before = agent(500, 1_500)
    assert judged(said(Kind.SHORT), before).failed == "missed"
    assert judged(said(Kind.SHORT, heard="Yes."), before).failed == "missed"
    taken = judged(said(Kind.SHORT, heard="Yes.", answered=True), before)
    assert (taken.failed, taken.asked) == ("", True)
    assert not judged(said(Kind.SHORT, heard="Yes.", filler_ms=1_700.0), before).failed


@pytest.mark.parametrize(("failed", "count"), [(0, 60), (1, 17), (5, 100), (16, 17)])
def test_the_bound_is_the_rate_that_would_just_be_rejected(failed: int, count: int) -> None:
    """At the bound the share that was seen lies 1.645 standard errors below."""
    rate = bound(failed, count)
    error = math.sqrt(rate * (1 - rate) / count)
    assert failed / count == pytest.approx(rate - 1.6449 * error, abs=1e-9)


def test_a_sample_that_failed_throughout_bounds_nothing() -> None:
    """The rate may be 1."""
    assert bound(3, 3) == 1.0


def test_the_table_counts_and_lists_what_failed() -> None:
    """Every failure is told with what was said and heard; what does not count is not counted."""
    wrong = judged(said(Kind.BACKCHANNEL), agent(1_000, 2_200, interrupted=True))
    right = judged(said(Kind.BACKCHANNEL), agent(1_000, 5_000))
    late = judged(said(Kind.BACKCHANNEL))
    text = table([wrong, right, late], ["a call failed"])
    line = next(each for each in text.splitlines() if each.startswith("backchannels"))
    assert line.split()[-4:-2] == ["1/2", "50.0%"]
    assert "stopped the agent for good: 'Mm-hm.' (slt)" in text
    assert "not counted, the agent had finished before: 1" in text
    assert "a call failed" in text


def test_a_caller_who_is_lost_is_an_error_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the fault: it is told, the calls behind it are made, and the run did not succeed."""
    made: list[int] = []

    class Lost:
        def __init__(self, *_: Any) -> None:
            made.append(1)

        def run(self, steps: Any) -> None:
            raise KeyError("turns")

    monkeypatch.setattr(turns, "turns_script", lambda: [[], [object()], [object()]])
    monkeypatch.setattr(turns, "Caller", Lost)
    monkeypatch.setattr(turns, "_PROGRESS_S", 0.01)
    text, went_through = run_turns(None, tmp_path, 1, 1)  # type: ignore[arg-type]
    assert not went_through and len(made) == 2
    assert text.count("caller 0: KeyError: 'turns'") == 2
