"""Run the benchmark: ``python -m tests.bench [--quick] [--calls 1,2,3]``.

Starts its own service, calls it with 1, 2 and 3 outside phones at once, prints a table and writes
table.txt, raw.json and response.svg to var/bench/TIME. Nothing here asserts: it measures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from typing import Any

from tests.bench.caller import Caller, Measured
from tests.bench.machine import describe
from tests.bench.plot import draw
from tests.bench.script import Kind, caller_script
from tests.harness.outside_phone import percentile
from tests.harness.service import ROOT, Service

STREAMS_BENCH = ROOT / "tests" / "media" / "bench_streams.py"
_SPOKEN_INTO = (Kind.INTERRUPTION, Kind.BACKCHANNEL, Kind.NOISE)


def main() -> int:
    """Measure and write everything down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one call, five steps")
    parser.add_argument("--calls", help="how many at once, such as 1,2,3")
    parser.add_argument("--loss", type=float, default=0.0, help="percent of packets, seeded")
    parser.add_argument("--no-streams", action="store_true", help="leave out the media streams")
    args = parser.parse_args()
    rounds = [int(each) for each in (args.calls or ("1" if args.quick else "1,2,3")).split(",")]
    folder = ROOT / "var" / "bench" / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    machine = describe()
    service = Service(folder, rtp_ports=(26_800, 26_999), sip_ports=(26_160, 26_199))
    print(f"bench: starting the service; its log is {service.log}", flush=True)
    results: list[dict[str, Any]] = []
    try:
        service.start()
        machine["engines"] = service.status()["engines"]
        for calls in rounds:
            results.append(_round(service, calls, args.quick, args.loss / 100))
    finally:
        service.stop()
    streams = "" if args.no_streams or args.quick else _streams()
    table = _table(machine, results, streams)
    (folder / "table.txt").write_text(table)
    raw = {"machine": machine, "rounds": results, "streams": streams}
    (folder / "raw.json").write_text(json.dumps(raw, indent=1, default=str))
    (folder / "response.svg").write_text(_picture(results, machine))
    print(table)
    print(f"bench: table.txt, raw.json and response.svg are in {folder}")
    return 0 if all(not each["errors"] for each in results) else 1


def _round(service: Service, calls: int, quick: bool, loss_ratio: float) -> dict[str, Any]:
    """Let ``calls`` callers talk at once and return everything measured."""
    callers = [Caller(service, number, calls, loss_ratio) for number in range(calls)]
    scripts = [caller_script(number, quick) for number in range(calls)]
    steps = sum(len(each) for each in scripts)
    print(f"bench: {calls} call(s) at once, {steps} steps", flush=True)
    before, began = service.usage(), time.monotonic()
    threads = [
        threading.Thread(target=caller.run, args=(script,))
        for caller, script in zip(callers, scripts, strict=True)
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.4)
    while any(thread.is_alive() for thread in threads):
        time.sleep(10)
        done = sum(len(caller.rows) for caller in callers)
        print(f"bench:   {done} of {steps} steps, {time.monotonic() - began:.0f} s", flush=True)
    after = service.usage()
    call_minutes = sum(each.seconds for each in callers) / 60
    return {
        "calls": calls,
        "rows": [row.as_json() for caller in callers for row in caller.rows],
        "ok_ms": [each.ok_ms for each in callers],
        "greeting_ms": [each.greeting_ms for each in callers],
        "lateness_p99_ms": percentile([ms for each in callers for ms in each.lateness_ms], 0.99),
        "cpu_s_per_call_minute": (after.cpu_s - before.cpu_s) / max(call_minutes, 1e-9),
        "resident_mb": after.resident_mb,
        "call_minutes": call_minutes,
        "errors": [each.error for each in callers if each.error],
    }


def _streams() -> str:
    """Return what the media bench says about streams per core, empty where there is none."""
    if not STREAMS_BENCH.exists():
        return ""
    print("bench: media streams per core", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.media.bench_streams"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return (done.stdout + done.stderr).strip()


def _table(machine: dict[str, Any], results: list[dict[str, Any]], streams: str) -> str:
    """Return the table for people."""
    engines = ", ".join(f"{job}: {name}" for job, name in sorted(machine["engines"].items()))
    lines = [
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"commit {machine['commit']}, load before {machine['load_before'][0]:.1f}",
        engines,
        "",
        f"{'calls at once':<44}" + "".join(f"{each['calls']:>10}" for each in results),
    ]
    for name, value in _figures():
        cells = "".join(f"{value(each):>10}" for each in results)
        lines.append(f"{name:<44}{cells}")
    errors = [error for each in results for error in each["errors"]]
    if errors:
        lines += ["", "errors:", *(f"  {each}" for each in errors)]
    if streams:
        lines += ["", "media streams per core:", streams]
    return "\n".join([*lines, ""])


def _figures() -> list[tuple[str, Any]]:
    def rows(result: dict[str, Any], *kinds: Kind) -> list[Measured]:
        return [Measured(**each) for each in result["rows"] if each["kind"] in kinds]

    def timed(share: float, field: str, *kinds: Kind) -> Any:
        def value(result: dict[str, Any]) -> str:
            found = [getattr(each, field) for each in rows(result, *kinds)]
            return _ms(percentile([each for each in found if each is not None], share))

        return value

    def counted(field: str, wanted: bool, *kinds: Kind) -> Any:
        def value(result: dict[str, Any]) -> str:
            found = [getattr(each, field) for each in rows(result, *kinds)]
            known = [each for each in found if each is not None]
            return f"{sum(each is wanted for each in known)}/{len(known)}"

        return value

    asked = [each for each in Kind if each not in _SPOKEN_INTO]
    speech = [*asked, Kind.INTERRUPTION]
    return [
        ("response to questions, p50, ms", timed(0.5, "response_ms", Kind.QUESTION)),
        ("response to questions, p95, ms", timed(0.95, "response_ms", Kind.QUESTION)),
        ("response to everything, p50, ms", timed(0.5, "response_ms", *speech)),
        ("response to everything, p95, ms", timed(0.95, "response_ms", *speech)),
        ("no answer", counted("answered", False, *speech)),
        ("barge-in to silence, p50, ms", timed(0.5, "barge_in_ms", Kind.INTERRUPTION)),
        ("barge-in to silence, p95, ms", timed(0.95, "barge_in_ms", Kind.INTERRUPTION)),
        ("cut off: inner pauses of 300-700 ms", counted("cut_off", True, Kind.PAUSE)),
        ("cut off: digits with pauses", counted("cut_off", True, Kind.DIGITS)),
        ("cut off: questions", counted("cut_off", True, Kind.QUESTION)),
        ("one-word answers missed", counted("answered", False, Kind.SHORT)),
        ("backchannels that stop the agent", counted("stopped_for_good", True, Kind.BACKCHANNEL)),
        ("noises that stop the agent", counted("stopped_for_good", True, Kind.NOISE)),
        ("200 after INVITE, worst, ms", lambda each: _ms(_worst(each["ok_ms"]))),
        ("greeting after ACK, worst, ms", lambda each: _ms(_worst(each["greeting_ms"]))),
        ("agent packets' lateness, p99, ms", lambda each: f"{each['lateness_p99_ms']:.1f}"),
        ("CPU seconds per call minute", lambda each: f"{each['cpu_s_per_call_minute']:.1f}"),
        ("resident memory, MB", lambda each: f"{each['resident_mb']:.0f}"),
    ]


def _ms(value: float) -> str:
    return "-" if value != value else f"{value:.0f}"


def _worst(values: list[float | None]) -> float:
    return max((each for each in values if each is not None), default=float("nan"))


def _picture(results: list[dict[str, Any]], machine: dict[str, Any]) -> str:
    series = {
        f"{each['calls']} call(s)": [
            (row["response_ms"], bool(row["cut_off"]))
            for row in each["rows"]
            if row["response_ms"] is not None and row["kind"] not in _SPOKEN_INTO
        ]
        for each in results
    }
    return draw(series, f"Cordboard {machine['commit']} on {machine['cores']} cores")


if __name__ == "__main__":
    sys.exit(main())
