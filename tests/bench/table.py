"""Put what was measured into a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.bench.caller import Measured
from tests.bench.script import ASKED, Kind
from tests.bench.truth import STAGES
from tests.harness.outside_phone import percentile

MODEL = ("model",)
REVIEWED = ("fast_lane", "fact", "unknown", "goodbye")
"""Reviewed sentences and facts, spoken as they stand: no token of the model is waited for."""
SPEECH = (*ASKED, Kind.INTERRUPTION)
_PACKET = "first_packet_ms"
Round = dict[str, Any]
Cell = Callable[[Round], str]
TOTAL = "all calls"
"""The last column: what is counted, over every round."""


def rows_of(result: Round, *kinds: Kind) -> list[Measured]:
    """Return the rows of some kinds of a round."""
    return [Measured(**each) for each in result["rows"] if each["kind"] in kinds]


def table(machine: dict[str, Any], results: list[Round], sweep: list[Round], streams: str) -> str:
    """Return everything as text."""
    columns = [*results, total_of(results)] if len(results) > 1 else results
    lines = [
        "",
        *machine_lines(machine),
        "",
        f"{'':<46}" + "".join(f"{each['name']:>14}" for each in columns),
    ]
    for name, cell in figures():
        lines.append(f"{name:<46}" + "".join(f"{cell(each):>14}" for each in columns))
    lines += stage_lines(results[0])
    errors = [f"{each['name']}: {error}" for each in results for error in each["errors"]]
    if errors:
        lines += ["", "errors:", *(f"  {each}" for each in errors)]
    if sweep:
        lines += ["", *sweep_lines(sweep)]
    if streams:
        lines += ["", "media streams per core:", streams]
    return "\n".join([*lines, ""])


def machine_lines(machine: dict[str, Any]) -> list[str]:
    """Return what was measured, on what."""
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"kernel {machine['kernel']}, Python {machine['python']}, commit {machine['commit']}",
        ", ".join(f"{job}: {name}" for job, name in sorted(machine["engines"].items())),
        ", ".join(f"{name} {version}" for name, version in machine["packages"].items()),
    ]


def total_of(results: list[Round]) -> Round:
    """Return a round of all rounds' utterances; it has what is counted and nothing else."""
    rows = [row for each in results for row in each["rows"]]
    cut = [one for each in results for one in each["interrupted"]]
    early = sum(each["played_early"] for each in results)
    return {"name": TOTAL, "rows": rows, "interrupted": cut, "played_early": early}


def stage_lines(result: Round) -> list[str]:
    """Return where the time goes: p50 of each stage of a round's answers, from the last word."""
    lines = ["", f"{result['name']}: ms after the caller's last audible packet, p50 / p95"]
    lines.append(f"{'':<24}{'model answers':>16}{'reviewed':>16}")
    for name in (*STAGES, _PACKET):
        cells = []
        for sources in (MODEL, REVIEWED):
            rows = [each for each in rows_of(result, *ASKED) if each.source in sources]
            times = [ms for row in rows if (ms := _stage_ms(row, name)) is not None]
            cells.append(f"{_pair(times):>16}")
        lines.append(f"{name.removesuffix('_ms').replace('_', ' '):<24}{''.join(cells)}")
    return lines


def _stage_ms(row: Measured, name: str) -> float | None:
    return row.response_ms if name == _PACKET else row.stages.get(name)


def sweep_lines(sweep: list[Round]) -> list[str]:
    """Return the presets' lines: response time against false cut-offs."""
    lines = [f"{'preset':<12}{'response p50 / p95, ms':>26}{'cut off, inner pauses':>26}"]
    for each in sweep:
        times = _times(rows_of(each, *ASKED), lambda row: row.response_ms)
        cut = rows_of(each, Kind.PAUSE)
        lines.append(f"{each['name']:<12}{_pair(times):>26}{_share(cut, lambda r: r.cut_off):>26}")
    return lines


def figures() -> list[tuple[str, Cell]]:
    """Return the lines of the table: a name, and what makes its cell from a round."""
    return [
        ("response, model answers, p50 / p95, ms", _response(MODEL, *ASKED)),
        ("response, reviewed answers, p50 / p95, ms", _response(REVIEWED, *ASKED)),
        ("response, all answers, p50 / p95, ms", _response(None, *SPEECH)),
        ("answers measured: model / reviewed", _sources),
        ("fillers before an answer", _count(SPEECH, lambda row: row.filler_ms is not None)),
        ("given up for a reviewed sentence", _count(SPEECH, lambda r: r.source == "fallback")),
        ("no answer", _count(SPEECH, lambda row: not row.answered)),
        ("barge-in to silence, p50 / p95, ms", _barge_in),
        ("cut off: sentences with 300-700 ms pauses", _count((Kind.PAUSE,), _cut)),
        ("  of these with the agent audible", _count((Kind.PAUSE,), lambda r: r.spoken_into)),
        ("cut off: digits with pauses", _count((Kind.DIGITS,), _cut)),
        ("cut off: questions without pauses", _count((Kind.QUESTION,), _cut)),
        (
            "one-word answers missed",
            _count((Kind.SHORT,), lambda row: not row.answered or not row.heard),
        ),
        (
            "backchannels that stopped the agent for good",
            _count((Kind.BACKCHANNEL,), lambda row: row.stopped_for_good),
        ),
        (
            "noises that stopped the agent for good",
            _count((Kind.NOISE,), lambda row: row.stopped_for_good),
        ),
        ("answers played before the decision", lambda each: str(each["played_early"])),
        ("words in history that were not heard", _unheard),
        ("service's figure less the phone's, p50 / p95", _agreement),
        ("200 after INVITE, worst, ms", _one("ok_ms", _worst)),
        ("greeting after ACK, worst, ms", _one("greeting_ms", _worst)),
        ("agent packets' lateness, p99, ms", _one("lateness_p99_ms", "{:.1f}".format)),
        ("CPU seconds per call minute", _one("cpu_s_per_call_minute", "{:.1f}".format)),
        ("resident memory, MB", _one("resident_mb", "{:.0f}".format)),
        ("ladder steps taken", _one("ladder", lambda each: str(len(each)))),
        ("load of the machine before / after", _one("load", " / ".join)),
    ]


def _cut(row: Measured) -> bool:
    return row.cut_off


def _times(rows: Iterable[Measured], field: Callable[[Measured], float | None]) -> list[float]:
    return [value for row in rows if (value := field(row)) is not None]


def _one(name: str, form: Callable[[Any], str] = str) -> Cell:
    """Return a cell that only a round of its own has."""
    return lambda each: form(each[name]) if name in each else ""


def _response(sources: tuple[str, ...] | None, *kinds: Kind) -> Cell:
    def cell(result: Round) -> str:
        if result["name"] == TOTAL:
            return ""
        rows = rows_of(result, *kinds)
        if sources is not None:
            rows = [each for each in rows if each.source in sources]
        return _pair(_times(rows, lambda row: row.response_ms))

    return cell


def _barge_in(result: Round) -> str:
    return _pair(_times(rows_of(result, Kind.INTERRUPTION), lambda row: row.barge_in_ms))


def _sources(result: Round) -> str:
    rows = rows_of(result, *ASKED)
    model = sum(each.source in MODEL for each in rows)
    return f"{model} / {sum(each.source in REVIEWED for each in rows)}"


def _count(kinds: tuple[Kind, ...], wrong: Callable[[Measured], bool | None]) -> Cell:
    return lambda result: _share(rows_of(result, *kinds), wrong)


def _share(rows: list[Measured], wrong: Callable[[Measured], bool | None]) -> str:
    verdicts = [verdict for row in rows if (verdict := wrong(row)) is not None]
    return f"{sum(verdicts)}/{len(verdicts)}" if verdicts else "-"


def _agreement(result: Round) -> str:
    rows = [each for each in rows_of(result, *SPEECH) if each.service_ms is not None]
    gaps = [abs((each.service_ms or 0) - (each.response_ms or 0)) for each in rows]
    return _pair(gaps)


def _unheard(result: Round) -> str:
    checked = result["interrupted"]
    return f"{sum(each['unheard'] for each in checked)} in {len(checked)}" if checked else "-"


def _pair(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{percentile(values, 0.5):.0f} / {percentile(values, 0.95):.0f}"


def _worst(values: list[float | None]) -> str:
    known = [each for each in values if each is not None]
    return f"{max(known):.0f}" if known else "-"
