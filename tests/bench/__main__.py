"""Run the benchmark: ``python -m tests.bench [--quick] [--calls 1,2,3] [--turns]``.

Starts its own service and calls it with outside phones over real SIP and RTP: one call after the
other, one with packet loss, then 2 and 3 at once; then the same sentences to every preset. Writes
table.txt, raw.json, response.svg (response time against false cut-offs), answers.svg and what the
phones heard of interrupted turns to var/bench/TIME. Voices, order, loss and noise are seeded: the
same command says the same to the same service. Nothing here asserts: it measures.

Takes about 20 minutes, ``--quick`` less than 4. ``--turns`` is another part, see
:mod:`tests.bench.turns`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.caller import Caller
from tests.bench.heard import check
from tests.bench.machine import describe, whisper_folder
from tests.bench.plot import Preset, draw_answers, draw_trade
from tests.bench.script import (
    ALONE,
    ASKED,
    PAIR,
    QUICK,
    TOGETHER,
    VOICED,
    Kind,
    Size,
    Step,
    caller_script,
    sweep_script,
)
from tests.bench.table import MODEL, REVIEWED, Round, machine_lines, rows_of, table
from tests.bench.truth import interrupted, judge, played_early
from tests.bench.turns import run_turns
from tests.harness.outside_phone import Samples, percentile
from tests.harness.service import ROOT, Service, cordboard
from tests.harness.wav import save_wav

LOSS_RATIO = 0.02
LADDER = {"ladder": "{enabled: true}"}
"""As it ships; tests keep the ladder from refusing calls."""
PRESETS = ("eager", "balanced", "patient")
SWEEP_VOICES = ("slt",)
_PROGRESS_S = 15
WARM_UP_S = 180
"""Longest wait for the service's warm-up."""


def main() -> int:
    """Measure and write everything down."""
    args = _arguments()
    folder = ROOT / "var" / "bench" / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    machine = describe()
    service = Service(
        folder, rtp_ports=(26_800, 26_999), sip_ports=(26_160, 26_199), overrides=LADDER
    )
    print(f"bench: starting the service; its log is {service.log}", flush=True)
    bench = Bench(service, folder)
    try:
        service.start()
        _wait_warm(service)
        machine["engines"] = service.status()["engines"]
        if args.turns:
            return _judge_turns(service, folder, machine, args)
        results = [bench.round(*each) for each in _rounds(args).items()]
        presets = () if args.quick or args.no_sweep else PRESETS
        sweep = [bench.sweep(preset) for preset in presets]
    finally:
        service.stop()
    bench.check_heard(results)
    streams = "" if args.no_streams or args.quick else _streams()
    text = table(machine, results, sweep, streams)
    (folder / "table.txt").write_text(text)
    raw = {"machine": machine, "rounds": results, "sweep": sweep, "streams": streams}
    raw["command"] = sys.argv[1:]
    (folder / "raw.json").write_text(json.dumps(raw, indent=1, default=str))
    _draw(folder, results, sweep, f"Cordboard {machine['commit']}, {machine['cores']} cores")
    print(text)
    print(f"bench: table.txt, raw.json, response.svg and answers.svg are in {folder}")
    return 0 if all(not each["errors"] for each in (*results, *sweep)) else 1


def _judge_turns(
    service: Service, folder: Path, machine: dict[str, Any], args: argparse.Namespace
) -> int:
    """Run the part about judgement alone."""
    at_once = int(args.calls or "2")
    text, went_through = run_turns(service, folder, at_once, 4 if args.quick else 1)
    text = "\n".join(["", *machine_lines(machine), "", text])
    (folder / "turns.txt").write_text(text)
    print(text)
    print(f"bench: turns.txt and turns.jsonl are in {folder}")
    return 0 if went_through else 1


def _wait_warm(service: Service) -> None:
    """Wait until the reviewed sentences are in the audio cache, as they are after a restart."""
    deadline_s = time.monotonic() + WARM_UP_S
    while not service.log_events("warm_up_finished"):
        if time.monotonic() > deadline_s:
            print("bench: the service is not warm yet; it is measured as it is", flush=True)
            return
        time.sleep(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one call, something of everything")
    parser.add_argument(
        "--turns", action="store_true", help="judgement of turns only: large samples, no times"
    )
    parser.add_argument("--calls", help="how many at once, such as 1,2,3")
    parser.add_argument("--loss", type=float, help="percent of packets lost in every round")
    parser.add_argument("--no-streams", action="store_true", help="leave out the media streams")
    parser.add_argument("--no-sweep", action="store_true", help="leave out the presets")
    return parser.parse_args()


@dataclass(frozen=True)
class Pass:
    """Callers that talk at once."""

    callers: tuple[int, ...]
    size: Size
    loss_ratio: float = 0.0


def _rounds(args: argparse.Namespace) -> dict[str, list[Pass]]:
    """Return the passes of every round by its name."""
    loss = (args.loss or 0.0) / 100
    counts = [int(each) for each in (args.calls or ("1" if args.quick else "1,2,3")).split(",")]
    rounds: dict[str, list[Pass]] = {}
    for count in counts:
        if args.quick:
            passes = [Pass(tuple(range(count)), QUICK, loss)]
        elif count == 1:
            passes = [Pass((number,), ALONE, loss) for number in range(VOICED)]
        else:
            passes = [Pass(tuple(range(count)), PAIR if count == 2 else TOGETHER, loss)]
        rounds[f"{count} call" + "s" * (count > 1)] = passes
        if count == 1 and not args.quick and not args.calls and args.loss is None:
            rounds[f"1, {LOSS_RATIO:.0%} loss"] = [Pass((2,), QUICK, LOSS_RATIO)]
    return rounds


class Bench:
    """The rounds against one service.

    Args:
        service: running.
        folder: for what the phones heard.
    """

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._cuts: list[tuple[Round, str, Samples]] = []

    def round(self, name: str, passes: list[Pass]) -> Round:
        """Let the callers of each pass talk at once and return everything measured."""
        groups = []
        for each in passes:
            count = len(each.callers)
            callers = [Caller(self._service, no, count, each.loss_ratio) for no in each.callers]
            scripts = [caller_script(number, each.size) for number in each.callers]
            groups.append(list(zip(callers, scripts, strict=True)))
        return self._run(name, groups)

    def sweep(self, preset: str) -> Round:
        """Say the same to a preset, chosen while the service runs."""
        done = cordboard("tune", "--config", str(self._service.config), f"preset={preset}")
        if done.returncode:
            raise RuntimeError(f"cordboard tune: {done.stderr}")
        groups = [[(Caller(self._service, 0, 1), sweep_script(voice))] for voice in SWEEP_VOICES]
        return self._run(preset, groups)

    def _run(self, name: str, groups: list[list[tuple[Caller, list[Step]]]]) -> Round:
        steps = sum(len(script) for group in groups for _, script in group)
        print(f"bench: {name}: {steps} steps", flush=True)
        before, began, load = self._service.usage(), time.monotonic(), os.getloadavg()[0]
        climbed = len(self._service.log_events("ladder_changed"))
        for group in groups:
            threads = [threading.Thread(target=each.run, args=(script,)) for each, script in group]
            for thread in threads:
                thread.start()
                time.sleep(0.4)
            while any(thread.is_alive() for thread in threads):
                time.sleep(_PROGRESS_S)
                done = sum(len(each.rows) for some in groups for each, _ in some)
                seconds = time.monotonic() - began
                print(f"bench:   {done} of {steps} steps, {seconds:.0f} s", flush=True)
        after = self._service.usage()
        callers = [each for group in groups for each, _ in group]
        result: Round = {
            "name": name,
            "ladder": self._service.log_events("ladder_changed")[climbed:],
            "load": [f"{load:.1f}", f"{os.getloadavg()[0]:.1f}"],
            "cpu_s_per_call_minute": (after.cpu_s - before.cpu_s)
            / max(sum(each.seconds for each in callers) / 60, 1e-9),
            "resident_mb": after.resident_mb,
            "interrupted": [],
            "played_early": 0,
        }
        self._take(result, callers)
        return result

    def _take(self, result: Round, callers: list[Caller]) -> None:
        """Add what the phones and the records say; a run that is stopped leaves its rounds."""
        errors = [each.error for each in callers if each.error]
        for caller in callers:
            try:
                record = self._service.record(caller.sip_call_id)
            except AssertionError as error:
                errors.append(f"no record: {str(error).splitlines()[0]}")
                continue
            judge(caller, record)
            result["played_early"] += played_early(record)
            for cut in interrupted(record):
                audio = caller.audio_between(cut.begin_ms - 100, cut.end_ms + 100)
                self._cuts.append((result, cut.text, audio))
        result |= {
            "rows": [row.as_json() for caller in callers for row in caller.rows],
            "ok_ms": [each.ok_ms for each in callers],
            "greeting_ms": [each.greeting_ms for each in callers],
            "lateness_p99_ms": percentile(
                [ms for each in callers for ms in each.lateness_ms], 0.99
            ),
            "call_minutes": sum(each.seconds for each in callers) / 60,
            "errors": errors,
        }
        with (self._folder / "rounds.jsonl").open("a") as file:
            file.write(json.dumps(result, default=str) + "\n")

    def check_heard(self, results: list[Round]) -> None:
        """Hold the record of interrupted turns against what was heard of them."""
        folder = whisper_folder()
        mine = [each for each in self._cuts if each[0] in results]
        if folder is None or not mine:
            print("bench: no Whisper model: what was heard is not checked", flush=True)
            return
        print(f"bench: recognising {len(mine)} interrupted turns", flush=True)
        checked = check(folder, [(text, samples) for _, text, samples in mine])
        for number, ((result, _, samples), each) in enumerate(zip(mine, checked, strict=True)):
            name = f"interrupted-{number:02}.wav"
            save_wav(self._folder / name, samples)
            result["interrupted"].append({**asdict(each), "wav": name})


def _streams() -> str:
    """Return what the media bench says about streams per core."""
    print("bench: media streams per core", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.media.bench_streams"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return (done.stdout + done.stderr).strip()


def _draw(folder: Path, results: list[Round], sweep: list[Round], title: str) -> None:
    points = [_preset(each) for each in (sweep or results) if each["rows"]]
    points = [each for each in points if each.p50_ms == each.p50_ms]  # not NaN: answered at all
    (folder / "response.svg").write_text(draw_trade(points, title))
    series = {
        f"{each['name']}, {name}": [
            row.response_ms
            for row in rows_of(each, *ASKED)
            if row.source in sources and row.response_ms is not None
        ]
        for each in results
        for name, sources in (("model", MODEL), ("reviewed", REVIEWED))
        if "loss" not in each["name"]
    }
    (folder / "answers.svg").write_text(draw_answers(series, title))


def _preset(result: Round) -> Preset:
    rows = rows_of(result, *ASKED)
    times = [each.response_ms for each in rows if each.response_ms is not None]
    paused = rows_of(result, Kind.PAUSE)
    cut = sum(each.cut_off for each in paused) / max(1, len(paused))
    return Preset(result["name"], percentile(times, 0.5), percentile(times, 0.95), cut)


if __name__ == "__main__":
    sys.exit(main())
