"""The benchmark's own judgements: what counts as an answer, a cut-off, an unheard word."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from tests.bench.caller import Measured
from tests.bench.heard import unheard_words
from tests.bench.plot import Preset, draw_answers, draw_trade
from tests.bench.script import QUICK, Kind, caller_script
from tests.bench.table import TOTAL, figures, stage_lines, table, total_of
from tests.bench.truth import judge, played_early

pytestmark = pytest.mark.unit


class Call:
    """A call that a phone has measured."""

    def __init__(self, rows: list[Measured], bursts: list[tuple[float, float]]) -> None:
        self.rows = rows
        self._bursts = bursts

    def bursts_ms(self) -> list[tuple[float, float]]:
        return self._bursts


def said(kind: Kind = Kind.QUESTION, begin: float = 1_000, end: float = 2_000) -> Measured:
    return Measured(1, 0, kind, "Question?", "slt", 1.0, said_at_ms=begin, ended_at_ms=end)


def turn(speaker: str, begin: int, end: int, source: str = "speech", **more: Any) -> dict[str, Any]:
    return {
        "speaker": speaker,
        "text": f"{source} words",
        "offset_ms": begin,
        "duration_ms": end - begin,
        "source": source,
        "interrupted": False,
        "response_ms": None,
        "endpointing_ms": None,
        "detail": "{}",
        **more,
    }


def judged(row: Measured, turns: list[dict[str, Any]], *bursts: tuple[float, float]) -> Measured:
    judge(Call([row], list(bursts)), {"turns": turns})  # type: ignore[arg-type]
    return row


def test_an_answer_has_the_records_source_and_the_phones_time() -> None:
    """The phone's burst is the measure; the record says who answered."""
    row = judged(
        said(),
        [turn("caller", 1_000, 2_000), turn("agent", 2_600, 4_000, "model", response_ms=600)],
        (2_607.0, 4_000.0),
    )
    assert (row.source, row.response_ms, row.service_ms) == ("model", 607.0, 600)
    assert row.answered
    assert not row.cut_off


def test_a_filler_is_not_the_answer() -> None:
    """The answer after a filler counts from the utterance, the filler is noted."""
    answer = turn("agent", 5_000, 6_000, "model", detail=json.dumps({"since_question_ms": 3_000}))
    row = judged(
        said(),
        [turn("agent", 3_700, 4_200, "filler", response_ms=1_700), answer],
        (3_700.0, 4_200.0),
        (5_000.0, 6_000.0),
    )
    assert (row.filler_ms, row.response_ms, row.service_ms) == (1_700.0, 3_000.0, 3_000)


def test_being_asked_again_is_no_answer() -> None:
    """A prompt that follows an unheard word leaves it missed."""
    row = judged(said(Kind.SHORT), [turn("agent", 9_000, 9_900, "prompt")], (9_000.0, 9_900.0))
    assert not row.answered
    assert row.heard == ""


def test_two_caller_turns_for_one_sentence_are_a_cut_off() -> None:
    """A sentence that was taken for over in its pause is cut off, heard or not."""
    row = judged(
        said(Kind.PAUSE),
        [turn("caller", 1_000, 1_400), turn("caller", 1_700, 2_000)],
    )
    assert row.split
    assert row.cut_off
    assert row.heard == "speech words | speech words"


def test_an_answer_before_the_decision_is_found() -> None:
    """Provisional work that was played before the end of the turn is counted."""
    early = turn("agent", 1, 2, "model", response_ms=300, endpointing_ms=450)
    right = turn("agent", 1, 2, "model", response_ms=470, endpointing_ms=450)
    assert played_early({"turns": [early, right]}) == 1


@pytest.mark.parametrize(
    ("recorded", "heard", "unheard"),
    [
        ("It lasts about six", "It lasts about 6-", 0),
        ("The warranty is two years from", "The warranty is two years", 0),
        ("The warranty is two years from the day", "The warranty is two years", 2),
        ("The warranty is two years", "The warranty is two years from the day", 0),
        ("Slide the battery out and plug in", "Slight the battery out and plug", 0),
        ("It works with 2.4 gigahertz Wi-Fi only", "It works with 2.4 GHz wifi only.", 0),
        ("We are open", "", 2),
    ],
)
def test_words_after_the_last_one_heard_are_counted(
    recorded: str, heard: str, unheard: int
) -> None:
    """The word being spoken when it was cut is heard; whatever the record has beyond is not."""
    assert unheard_words(recorded, heard) == unheard


def test_scripts_repeat_exactly_and_differ_between_callers() -> None:
    """The same number gives the same utterances, another number another order and voice."""
    first, again, other = caller_script(0), caller_script(0), caller_script(1)
    assert [each.text for each in first] == [each.text for each in again]
    assert all((a.samples == b.samples).all() for a, b in zip(first, again, strict=True))
    assert [each.text for each in first] != [each.text for each in other]
    assert {each.kind for each in caller_script(0, QUICK)} >= set(Kind) - {Kind.NOISE}
    assert {each.kind for each in first} == set(Kind)


def test_the_table_has_a_cell_for_every_figure() -> None:
    """A round in which nothing was said still makes a table."""
    empty = {
        "name": "1 call",
        "rows": [said().as_json()],
        "ok_ms": [None],
        "greeting_ms": [40.0],
        "lateness_p99_ms": 1.0,
        "cpu_s_per_call_minute": 20.0,
        "resident_mb": 900.0,
        "ladder": [],
        "load": ["0.1", "0.2"],
        "interrupted": [],
        "played_early": 0,
        "errors": ["something"],
    }
    machine = {
        **dict.fromkeys(("cpu", "cores", "memory_gb", "kernel", "python", "commit"), "x"),
        "engines": {"voice": "joe"},
        "packages": {"piper-tts": "1"},
    }
    text = table(machine, [empty], [empty], "40 streams")
    assert all(name in text for name, _ in figures())
    assert "something" in text
    assert TOTAL not in text


def test_counts_are_summed_over_all_rounds_and_times_are_not() -> None:
    """The last column has what is counted; a response time belongs to its number of calls."""
    row = said(Kind.SHORT)
    row.source, row.response_ms, row.answered, row.heard = "model", 700.0, True, "Yes."
    row.stages = {"first_token_ms": 450.0}
    one = {"name": "1 call", "rows": [row.as_json()], "interrupted": [], "played_early": 0}
    missed = one | {"name": "2 calls", "rows": [said(Kind.SHORT).as_json()] * 2}
    cells = dict(figures())
    total = total_of([one, missed])
    assert cells["one-word answers missed"](total) == "2/3"
    assert cells["response, model answers, p50 / p95, ms"](total) == ""
    assert cells["response, model answers, p50 / p95, ms"](one) == "700 / 700"
    assert cells["resident memory, MB"](total) == ""
    lines = stage_lines(one)
    assert any(each.split() == ["first", "token", "450", "/", "450", "-"] for each in lines)
    assert any(each.split() == ["first", "packet", "700", "/", "700", "-"] for each in lines)


def test_pictures_are_svg_with_every_series() -> None:
    """Both plots parse as XML and name what they show."""
    trade = draw_trade(
        [Preset("eager", 400, 900, 0.2), Preset("patient", 900, 1_600, 0.0)], "A & B"
    )
    assert ElementTree.fromstring(trade).tag.endswith("svg")
    assert "eager" in trade
    answers = draw_answers({"1 call, model": [500.0, 700.0], "none": []}, "A & B")
    assert ElementTree.fromstring(answers).tag.endswith("svg")
    assert "1 call, model (2)" in answers
    assert "none" not in answers.replace('fill="none"', "")
