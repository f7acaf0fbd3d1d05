"""The benchmark's part about judgement: ``python -m tests.bench --turns [--calls 3]``.

Large samples of what a machine misjudges: backchannels, coughs and doors that must not stop the
agent, interruptions that must, one-word answers, sentences with inner pauses. Counts come with the
95 % bound, every failure with what was said, heard and done. No response time is judged.
"""

from __future__ import annotations

import json
import math
import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.bench.caller import Caller, Measured
from tests.bench.script import SPOKEN_INTO, Kind, Step
from tests.bench.truth import judge
from tests.bench.turns_script import turns_script
from tests.bench.wilson import bound
from tests.harness.service import Service

_PROGRESS_S = 30
OVERLAP_MS = 400.0
"""Of a turn that ends sooner after the caller's first packet nothing was left to interrupt."""

SOONEST_MS = 700.0
"""What begins so soon after the caller's first packet is a late answer to something before."""


@dataclass
class Judged:
    """One utterance and what became of it."""

    row: Measured
    into: str = ""
    """The agent's turn that it was spoken into."""
    failed: str = ""
    """What is wrong with that; empty where nothing is."""
    asked: bool = False
    """The agent had asked a question."""
    counts: bool = True
    """False where the agent had finished before: nothing was tested."""
    answered_by: str = ""


def run_turns(service: Service, folder: Path, at_once: int, portion: int) -> tuple[str, bool]:
    """Say everything, and return the table and whether every call went through.

    Args:
        service: running.
        folder: for turns.jsonl, each call as it ends.
        at_once: callers who talk at a time.
        portion: every so many-th call only; 1 is all of it.
    """
    calls: queue.SimpleQueue[list[Step]] = queue.SimpleQueue()
    scripts = turns_script()[::portion]
    for script in scripts:
        calls.put(script)
    judged: list[Judged] = []
    errors: list[str] = []
    lines = folder / "turns.jsonl"
    threads = [
        threading.Thread(target=_work, args=(service, calls, number, judged, errors, lines))
        for number in range(at_once)
    ]
    began, total = time.monotonic(), sum(len(each) for each in scripts)
    for thread in threads:
        thread.start()
        time.sleep(1.0)
    while any(each.is_alive() for each in threads):
        time.sleep(_PROGRESS_S)
        seconds = time.monotonic() - began
        print(f"bench:   {len(judged)} of {total} steps judged, {seconds:.0f} s", flush=True)
    return table(judged, errors), not errors


def _work(
    service: Service,
    calls: queue.SimpleQueue[list[Step]],
    number: int,
    judged: list[Judged],
    errors: list[str],
    lines: Path,
) -> None:
    while True:
        try:
            steps = calls.get_nowait()
        except queue.Empty:
            return
        try:
            _talk(service, steps, number, judged, errors, lines)
        except Exception as error:  # a caller who is lost must not look like one who was content
            traceback.print_exc()
            errors.append(f"caller {number}: {type(error).__name__}: {error}")


def _talk(
    service: Service,
    steps: list[Step],
    number: int,
    judged: list[Judged],
    errors: list[str],
    lines: Path,
) -> None:
    retries = 3
    while steps and retries:
        caller = Caller(service, number, 1)
        caller.run(steps)
        try:
            record = service.record(caller.sip_call_id)
        except AssertionError as error:
            errors.append(str(error).splitlines()[0])
            break
        judge(caller, record)
        mine = judge_turns(caller.rows, record["turns"])
        judged += mine
        with lines.open("a") as file:
            file.writelines(f"{json.dumps(asdict(each))}\n" for each in mine)
        if caller.error:
            errors.append(caller.error)
            retries -= 1
        # whoever was hung up on calls again; what is spoken into an answer needs its question
        steps = steps[len(caller.rows) :]
        while steps and steps[0].kind in SPOKEN_INTO:
            steps = steps[1:]


def judge_turns(rows: list[Measured], turns: list[dict[str, Any]]) -> list[Judged]:
    """Judge one call's utterances by its record.

    Args:
        rows: judged by :func:`tests.bench.truth.judge`.
        turns: of the record.
    """
    agent = [each for each in turns if each["speaker"] == "agent"]
    found = []
    for row, following in zip_longest(rows, rows[1:]):
        if not row.said_at_ms:
            continue
        each = Judged(row)
        before = [turn for turn in agent if turn["offset_ms"] < row.said_at_ms]
        after = [turn for turn in agent if turn["offset_ms"] >= row.ended_at_ms]
        each.answered_by = f"{after[0]['source']}: {after[0]['text']}" if after else ""
        if row.kind in SPOKEN_INTO:
            next_ms = following.said_at_ms if following else 0.0
            _judge_into(each, before[-1] if before else None, next_ms or math.inf)
        elif row.kind == Kind.SHORT:
            each.asked = bool(before) and before[-1]["text"].rstrip().endswith("?")
            # a filler says that the word was taken up; how late the answer is is judged elsewhere
            taken_up = row.answered or row.filler_ms is not None
            each.failed = "" if row.heard and taken_up else "missed"
        elif row.split or any(_answers_into(row, turn) for turn in agent):
            each.failed = "cut off"
        found.append(each)
    return found


def _answers_into(row: Measured, turn: dict[str, Any]) -> bool:
    """Say whether a turn of the agent began inside an utterance and because of it."""
    begins_ms: float = turn["offset_ms"]
    return row.said_at_ms + SOONEST_MS < begins_ms < row.ended_at_ms


def _judge_into(each: Judged, turn: dict[str, Any] | None, next_ms: float) -> None:
    row = each.row
    end_ms = turn["offset_ms"] + turn["duration_ms"] if turn else 0.0
    each.into = turn["text"] if turn else ""
    # what sounded into the next utterance was stopped by that one
    stopped = bool(turn and turn["interrupted"]) and end_ms < next_ms
    each.counts = end_ms > row.said_at_ms + OVERLAP_MS or stopped
    # "are you still there?" wants the words that let an answer go on
    if turn is None or turn["source"] == "prompt" or not each.counts:
        each.counts = False
        return
    if row.kind == Kind.INTERRUPTION:
        each.failed = "" if stopped else "did not stop the agent"
    elif stopped:
        each.failed = "stopped the agent for good"


Pick = Callable[[Judged], bool]


def _kinds(kind: Kind, also: Pick = lambda each: True) -> Pick:
    return lambda each: each.row.kind == kind and each.counts and also(each)


LINES: tuple[tuple[str, Pick, float | None], ...] = (
    ("backchannels that stopped the agent for good", _kinds(Kind.BACKCHANNEL), 0.05),
    ("coughs and doors that stopped it for good", _kinds(Kind.NOISE), 0.05),
    ("interruptions that did not stop it", _kinds(Kind.INTERRUPTION), None),
    ("one-word answers missed", _kinds(Kind.SHORT), 0.01),
    ("  of these, asked for", _kinds(Kind.SHORT, lambda each: each.asked), 0.01),
    ("  of these, unasked", _kinds(Kind.SHORT, lambda each: not each.asked), 0.01),
    ("cut off: sentences with 300-700 ms pauses", _kinds(Kind.PAUSE), 0.05),
    ("cut off: sentences without pauses", _kinds(Kind.QUESTION), 0.05),
)
"""Name, what belongs to it, the most that is wanted."""


def table(judged: list[Judged], errors: list[str]) -> str:
    """Return counts, bounds and every failure as text."""
    lines = [f"{'':<46}{'failed':>10}{'share':>9}{'95 % below':>12}{'wanted':>9}"]
    for name, pick, wanted in LINES:
        mine = [each for each in judged if pick(each)]
        failed = sum(bool(each.failed) for each in mine)
        share = f"{failed / len(mine):.1%}" if mine else "-"
        most = f"{bound(failed, len(mine)):.1%}" if mine else "-"
        limit = f"{wanted:.0%}" if wanted is not None else ""
        lines.append(f"{name:<46}{f'{failed}/{len(mine)}':>10}{share:>9}{most:>12}{limit:>9}")
    late = sum(not each.counts for each in judged)
    lines += ["", f"not counted, the agent had finished before: {late}"]
    lines += ["", "failures: said (voice) | heard | into or answered by"]
    lines += [f"  {each.failed}: {_told(each)}" for each in judged if each.failed and each.counts]
    if errors:
        lines += ["", "errors:", *(f"  {each}" for each in errors)]
    return "\n".join([*lines, ""])


def _told(each: Judged) -> str:
    row = each.row
    about = each.into if row.kind in SPOKEN_INTO else each.answered_by
    return f"{row.text!r} ({row.voice}) | {row.heard!r} | {about!r}"
