from __future__ import annotations

import json

import pytest

from edge.phone.hearing import MS, Burst
from edge.phone.report import CallReport, summary_lines, utterance_reports
from edge.phone.script import Item, ItemKind
from edge.phone.stopwatch import Spoken

pytestmark = pytest.mark.unit

ITEMS = [Item(ItemKind.SAY, "one"), Item(ItemKind.INTERRUPT, "two", 1_000)]
SPOKEN = {0: Spoken(2_000 * MS, 3_000 * MS), 1: Spoken(4_500 * MS, 5_000 * MS, True)}


def _report(*bursts: Burst) -> CallReport:
    report = CallReport("sip:100@127.0.0.1", "PCMU", answered=True, ended_by="phone")
    report.utterances = utterance_reports(ITEMS, SPOKEN, bursts, 1_000 * MS)
    return report


def test_every_utterance_is_measured_since_the_ack() -> None:
    """Times in the report begin at the ACK."""
    report = _report(Burst(3_600 * MS, 4_640 * MS), Burst(5_800 * MS, 6_000 * MS))
    first, second = report.utterances
    assert (first.began_ms, first.ended_ms, first.response_ms) == (1_000, 2_000, 600)
    assert (second.barge_in_ms, second.response_ms) == (140, 800)
    assert report.complete


def test_one_missing_answer_makes_the_call_incomplete() -> None:
    """Exit code 0 is for calls in which everything was answered."""
    report = _report(Burst(3_600 * MS, 4_640 * MS))
    assert not report.complete
    assert "no answer to utterance 2" in "\n".join(summary_lines(report))


def test_digits_need_no_answer() -> None:
    """A key press counts as answered."""
    items = [Item(ItemKind.DTMF, "1")]
    reports = utterance_reports(items, {0: Spoken(0, 100 * MS)}, (), 0)
    assert reports[0].answered
    assert reports[0].response_ms is None


def test_items_that_were_never_said_make_the_call_incomplete() -> None:
    """A call that ended early is no success."""
    report = _report(Burst(3_600 * MS, 4_640 * MS), Burst(5_800 * MS, 6_000 * MS))
    report.unsaid = 1
    assert not report.complete


def test_a_refusal_tells_its_retry_after() -> None:
    """503 with Retry-After is readable."""
    report = CallReport("sip:1@h", "PCMU", sip_status=503, reason="Busy", retry_after_s=10)
    assert summary_lines(report) == ["not answered: 503 Busy, Retry-After 10 s"]


def test_json_is_one_document_that_says_whether_it_is_complete() -> None:
    """The document holds every figure."""
    document = json.loads(_report(Burst(3_600 * MS, 4_640 * MS)).to_json())
    assert document["complete"] is False
    assert document["utterances"][0]["response_ms"] == 600
