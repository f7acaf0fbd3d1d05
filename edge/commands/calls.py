"""Show the call records: a table of the latest calls, or one call with everything said in it.

  cordboard calls                    the latest calls
  cordboard calls show last          the latest call with its turns
  cordboard calls show 4f2a9c        a call by the beginning or the end of its id
  cordboard calls stats --since 2h   response times by source, cut-offs, wasted work

Reads the database itself, so it works while the service is down.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from edge.commands import calls_stats
from edge.commands.options import add_config_argument, chosen_config
from edge.commands.terminal import printable
from edge.records.models import AttemptRow, CallRow, TurnRow
from edge.records.reader import RecordReader
from edge.records.statistics import answer_ms
from media.messages import Speaker

HELP = "show the call records"
DEFAULT_LIMIT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments; without a subcommand it lists."""
    _add_options(parser, first=True)
    parser.set_defaults(what="list")
    what = parser.add_subparsers(dest="what", metavar="list | show ID | stats")
    _add_options(what.add_parser("list", help="the latest calls (default)"), first=False)
    show = what.add_parser("show", help="one call with its turns")
    show.add_argument("id", metavar="ID", help="beginning or end of an id, or 'last'")
    _add_options(show, first=False)
    stats = what.add_parser("stats", help="response times by source, cut-offs, wasted work")
    stats.add_argument("--since", metavar="TIME", help="30m, 2h, 7d or a UTC time (default: all)")
    _add_options(stats, first=False)


def _add_options(parser: argparse.ArgumentParser, *, first: bool) -> None:
    # options may stand before or after the subcommand: what stands before must not be overwritten
    def default(value: object) -> object:
        return value if first else argparse.SUPPRESS

    parser.add_argument(
        "--limit",
        type=_positive,
        metavar="N",
        default=default(DEFAULT_LIMIT),
        help=f"rows of the list ({DEFAULT_LIMIT})",
    )
    parser.add_argument("--json", action="store_true", default=default(False), help="print JSON")
    add_config_argument(parser, default=default(None))


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def run(args: argparse.Namespace) -> int:
    """Print what was asked for.

    Raises:
        ConfigError: the configuration is wrong.
        RecordError: no records, or no such call.
    """
    reader = RecordReader(chosen_config(args).storage.url)
    try:
        if args.what == "show":
            row = reader.find(args.id)
            turns = list(reader.turns(row.call_id))
            attempts = list(reader.attempts(row.call_id))
            show = show_json if args.json else show_text
            print(show(row, turns, attempts))
        elif args.what == "stats":
            print(calls_stats.show(reader, args.since, args.json))
        else:
            rows = list(reader.recent(args.limit))
            counts = reader.turn_counts([each.call_id for each in rows])
            print(list_json(rows, counts) if args.json else list_text(rows, counts))
    finally:
        reader.close()
    return 0


# ---------------------------------------------------------------- list


def list_json(rows: list[CallRow], counts: dict[str, int]) -> str:
    """Return calls as a JSON array, newest first."""
    return json.dumps(
        [_columns(each) | {"turns": counts.get(each.call_id, 0)} for each in rows],
        ensure_ascii=False,
    )


def list_text(rows: list[CallRow], counts: dict[str, int]) -> str:
    """Return calls as a table, newest first."""
    if not rows:
        return "no calls yet"
    head = ("ID", "OFFERED (UTC)", "CALLER", "CALLED", "LENGTH", "TURNS", "MOS", "ENDED")
    table = [head] + [
        (
            each.call_id,
            each.offered_at[:19].replace("T", " "),
            printable(short_uri(each.caller)),
            printable(short_uri(each.called)),
            "-" if each.answered_at is None else _length(each.duration_ms),
            str(counts.get(each.call_id, 0)),
            "-" if each.mos is None else f"{each.mos:.1f}",
            _ending(each),
        )
        for each in rows
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def short_uri(uri: str) -> str:
    """Return the user part of a SIP URI, the host where it has none."""
    rest = uri.partition(":")[2] or uri
    user, at, host = rest.partition("@")
    return user if at else host or rest.partition(";")[0]


def _ending(row: CallRow) -> str:
    if row.reason is None:
        return "in progress"
    return f"{row.reason} ({row.sip_status}, by {row.ended_by})"


def _length(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "?"
    minutes, seconds = divmod(round(milliseconds / 1_000), 60)
    return f"{minutes}:{seconds:02}"


# ---------------------------------------------------------------- show


def show_json(row: CallRow, turns: list[TurnRow], attempts: Sequence[AttemptRow] = ()) -> str:
    """Return one call with its turns and attempts as a JSON object."""
    said = [_columns(each) | {"detail": json.loads(each.detail)} for each in turns]
    tried = [_columns(each) for each in attempts]
    return json.dumps(_columns(row) | {"turns": said, "attempts": tried}, ensure_ascii=False)


def show_text(row: CallRow, turns: list[TurnRow], attempts: Sequence[AttemptRow] = ()) -> str:
    """Return one call as a transcript for people."""
    facts = [
        ("call", f"{row.call_id}  ({row.direction}, {row.state})"),
        ("from", f"{row.caller} {row.caller_name}".rstrip() + f"  via {row.trunk} {row.source}"),
        ("to", f"{row.called}" + (f"  answered by {row.agent}" if row.agent else "")),
        ("offered", row.offered_at),
        ("ringing", row.ringing_at),
        ("answered", row.answered_at),
        ("ended", f"{row.ended_at}  after {_length(row.duration_ms)}" if row.ended_at else None),
        ("ending", _ending(row) + (f": {row.cause}" if row.cause else "")),
        ("quality", _quality(row)),
        ("recording", row.recording),
        ("Call-ID", row.sip_call_id),
    ]
    lines = [f"{name:<10} {printable(value)}" for name, value in facts if value]
    if turns:
        lines.append("")
    for turn in turns:
        lines += _turn_lines(turn)
    if attempts:
        lines += ["", "transfer (ms from the decision)"]
    lines += [_attempt_line(each) for each in attempts]
    return "\n".join(lines)


def _attempt_line(row: AttemptRow) -> str:
    stages = [
        ("music", row.music_ms),
        ("summary", row.summary_ms),
        ("dialed", row.dialed_ms),
        ("ringing", row.ringing_ms),
        ("answered", row.answered_ms),
        ("whispered", row.whisper_ended_ms),
        ("accepted", row.accepted_ms),
        ("joined", row.connected_ms),
        ("caller hears", row.caller_hears_ms),
        ("person hears", row.person_hears_ms),
        ("ended", row.ended_ms),
    ]
    known = ", ".join(f"{name} {value}" for name, value in stages if value is not None)
    status = f" ({row.sip_status})" if row.sip_status else ""
    who = row.member or "nobody rung"
    return printable(f"{row.number:>3}  {row.queue}: {who}  {row.outcome}{status}  {known}")


def _quality(row: CallRow) -> str | None:
    if row.packets_received is None:
        return None
    parts = [
        "nothing heard" if row.mos is None else f"MOS {row.mos:.2f}",
        f"loss {(row.loss_ratio or 0) * 100:.1f} %",
        f"jitter {row.jitter_ms or 0:.1f} ms (max {row.jitter_max_ms or 0:.1f})",
        f"concealed {row.concealed_ms or 0} ms",
        f"packets {row.packets_received} in, {row.packets_sent} out",
        f"lateness p99 {row.send_lateness_p99_ms or 0:.1f} ms",
    ]
    if row.codec:
        parts.insert(0, row.codec)
    if row.srtp_suite:
        parts.insert(1, f"SRTP {row.srtp_suite}")
    if row.packets_unauthentic:
        parts.append(f"{row.packets_unauthentic} packets of a wrong SRTP key")
    return ", ".join(parts)


def _turn_lines(turn: TurnRow) -> list[str]:
    mark = "" if turn.source in ("model", "speech") else f" [{turn.source}]"
    cut = " --" if turn.interrupted else ""
    minutes, seconds = divmod(turn.offset_ms / 1_000, 60)
    text = printable(turn.text)
    lines = [f"{int(minutes):>3}:{seconds:04.1f}  {turn.speaker:<6}  {text}{cut}{mark}"]
    detail = json.loads(turn.detail)
    response_ms = answer_ms(turn, detail) if turn.speaker == Speaker.AGENT else None
    if response_ms is not None:
        lines.append(f"{'':<17}response {response_ms:.0f} ms{_split(turn, detail)}")
    if turn.speaker == Speaker.CALLER and (costs := _costs(detail)):
        lines.append(f"{'':<17}{costs}")
    if turn.barge_in_ms is not None:
        lines.append(f"{'':<17}interrupted, silent after {turn.barge_in_ms} ms")
    return lines


def _costs(detail: dict[str, float]) -> str:
    parts = []
    if cut_offs := detail.get("cut_offs"):
        parts.append(f"was cut off {cut_offs:.0f} x: went on after the turn was taken for over")
    if wasted_ms := detail.get("wasted_provisional_ms"):
        parts.append(f"{wasted_ms:.0f} ms of work on answers thrown away")
    return "; ".join(parts)


def _split(turn: TurnRow, detail: dict[str, float]) -> str:
    parts: list[tuple[str, float | None]] = [
        ("work began", detail.get("begun_ms")),
        ("end of turn", turn.endpointing_ms),
        ("words", turn.recognition_ms),
        ("first token", turn.first_token_ms),
        ("first audio", turn.first_audio_ms),
    ]
    known = [f"{name} {value:.0f}" for name, value in parts if value is not None]
    return f"  (after the last word: {', '.join(known)})" if known else ""


def _columns(row: CallRow | TurnRow | AttemptRow) -> dict[str, Any]:
    return {each.name: getattr(row, each.name) for each in row.__table__.columns}
