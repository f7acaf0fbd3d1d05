from __future__ import annotations

import statistics

import pytest
from fuzzing import Fuzzer, Report

pytestmark = pytest.mark.integration


def _assert_healthy(report: Report) -> None:
    grown_kb = report.after.resident_kb - report.before.resident_kb
    print(
        f"{report.sent} messages, {report.answered} answers, {report.offered} calls offered; "
        f"OPTIONS median {statistics.median(report.options_ms):.1f} ms, "
        f"worst {max(report.options_ms):.1f} ms; memory {grown_kb:+} kB, "
        f"descriptors {report.after.descriptors - report.before.descriptors:+}"
    )
    assert report.offered > 0
    assert report.answered > report.sent // 10
    assert report.legs_left == 0
    assert report.after.descriptors <= report.before.descriptors + 2
    assert grown_kb < 8_000 + report.sent  # fragmentation, and less than 1 kB a message


@pytest.mark.timeout(120)
def test_mutated_messages_do_no_harm() -> None:
    """2,000 mutated messages: no crash, no leak, OPTIONS answered throughout."""
    _assert_healthy(Fuzzer(31_890).run(seed=3, count=2_000))
