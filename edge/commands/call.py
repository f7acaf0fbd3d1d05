r"""Place a call with a phone of its own: it speaks, records and measures.

Every value of --say, --interrupt and --dtmf is one item of the script, in the order given; name the
URI before them. TEXT is spoken by a synthetic voice; a name that ends in .wav is played. The phone
waits until the far end is silent before it says the next item; --interrupt speaks while the far end
is talking, SECONDS after its answer began (1.0 unless given).

  cordboard call sip:100@127.0.0.1:5060 --say "How long does the battery last?" \
      --interrupt "Sorry, what about the warranty?@1.5" --save call.wav

Response time is measured on the RTP: from the last audible packet sent to the first audible packet
of the answer. Exit code 0 only when every utterance got an answer.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from edge.commands.options import PROJECT_CONFIG
from edge.phone.audio import PhoneError
from edge.phone.call import CallPlan, PhoneCall, Progress, random_caller
from edge.phone.line_events import LineOptions
from edge.phone.live_turns import LiveTurns, edge_address
from edge.phone.report import summary_lines
from edge.phone.script import Item, ItemKind
from edge.phone.speech import FLITE_VOICES, PIPER, default_cache_dir

HELP = "place a call: speak, record, measure"
_DIGITS = set("0123456789*#ABCDabcd")
_USER = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/%]+")
"""RFC 3261 section 25.1."""
_LONGEST_S = 86_400
_SCRIPT_OPTIONS = {"--say": "TEXT|WAV", "--interrupt": "TEXT|WAV[@SECONDS]", "--dtmf": "DIGITS"}


class _Script(argparse.Action):
    """Collect items in the order of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        assert isinstance(values, list)
        kind = ItemKind(str(option_string).lstrip("-"))
        try:
            said = [_parse_item(kind, str(each)) for each in values]
        except ValueError as error:
            parser.error(str(error))
        namespace.items = [*(namespace.items or []), *said]


def _parse_item(kind: ItemKind, value: str) -> Item:
    if kind is ItemKind.DTMF:
        if not value or set(value) - _DIGITS:
            raise ValueError(f"--dtmf {value!r}: digits are 0-9 * # A-D")
        return Item(kind, value)
    if not value.strip():
        raise ValueError(f"--{kind}: nothing to say")
    if kind is ItemKind.SAY:
        return Item(kind, value)
    words, at, seconds = value.rpartition("@")
    if not at:
        return Item(kind, value, 1_000)
    try:
        after_s = float(seconds)
    except ValueError:
        return Item(kind, value, 1_000)
    if not 0 <= after_s <= _LONGEST_S:
        raise ValueError(f"--{kind} {value!r}: {seconds} is no number of seconds to wait")
    return Item(kind, words, round(after_s * 1_000))


def _within(lowest: float, highest: float) -> Callable[[str], float]:
    """Return what reads a number of a range."""

    def number(text: str) -> float:
        value = float(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not {lowest} to {highest}")
        return value

    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("uri", help="whom to call, such as sip:100@127.0.0.1:5060")
    script = parser.add_argument_group("what to say, in order")
    for option, metavar in _SCRIPT_OPTIONS.items():
        script.add_argument(option, action=_Script, dest="items", metavar=metavar, nargs="+")
    script.add_argument("--voice", default="slt", choices=(*FLITE_VOICES, PIPER))
    script.add_argument(
        "--wait-greeting", type=_within(0, _LONGEST_S), default=10.0, metavar="S",
        help="wait so long for a greeting before speaking; 0 speaks at once (default 10)",
    )  # fmt: skip
    script.add_argument(
        "--answer-timeout", type=_within(0, _LONGEST_S), default=15.0, metavar="S",
        help="an utterance without an answer for so long has none (default 15)",
    )  # fmt: skip
    script.add_argument(
        "--silence", type=_within(20, 60_000), default=1_200, metavar="MS",
        help="quiet that ends the far end's turn (default 1200)",
    )  # fmt: skip
    line = parser.add_argument_group("the line")
    line.add_argument("--from", dest="caller", metavar="USER", help="caller's number or name")
    line.add_argument("--codec", default="PCMU", choices=("PCMU", "PCMA"))
    line.add_argument(
        "--port", type=_within(0, 65_535), default=0, help="local SIP port (default: any)"
    )
    line.add_argument(
        "--loss", type=_within(0, 100), default=0.0, metavar="PERCENT", help="lose packets"
    )
    line.add_argument(
        "--jitter", type=_within(0, 10_000), default=0, metavar="MS", help="delay packets at random"
    )
    line.add_argument("--seed", type=int, default=1, help="of loss and jitter (default 1)")
    end = parser.add_argument_group("the end")
    end.add_argument(
        "--hangup-after", type=_within(0, _LONGEST_S), default=0.3, metavar="S",
        help="stay on the line after the last answer (default 0.3)",
    )  # fmt: skip
    end.add_argument(
        "--timeout", type=_within(0, _LONGEST_S), default=300.0, metavar="S", help="longest call"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--save", type=Path, metavar="WAV", help="stereo: phone left, agent right")
    output.add_argument("--json", action="store_true", help="one JSON document at the end")
    output.add_argument("--quiet", action="store_true", help="only the summary")
    output.add_argument(
        "--config", type=Path, metavar="F",
        help="show the words of each turn as the service with this configuration tells them "
        f"(default: {PROJECT_CONFIG}, if it is there)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Place the call; 0 when every utterance got an answer."""
    plan = _plan(args)
    silent = args.json or args.quiet

    def show(text: str) -> None:
        if not silent:
            print(text, flush=True)

    def progress(line: Progress) -> None:
        show(f"{line.at_ms / 1_000:8.2f} s  {line.text}")

    call = PhoneCall(plan, progress)
    turns = LiveTurns(
        edge_address(args.config or (PROJECT_CONFIG if PROJECT_CONFIG.exists() else None)),
        lambda: call.sip_call_id,
        lambda text: show(f"{'':12}{text}"),
    )
    turns.start()
    try:
        report = call.run()
    finally:
        turns.stop()
    report.turns, report.call_id = turns.turns, turns.call_id
    if args.json:
        print(report.to_json())
    else:
        for text in summary_lines(report):
            print(text)
    if not report.answered:
        wait = f" (Retry-After: {report.retry_after_s} s)" if report.retry_after_s else ""
        status = f"{report.sip_status} {report.reason}".strip() or "no answer"
        print(f"cordboard call: {plan.uri}: {status}{wait}", file=sys.stderr)
    return 0 if report.complete else 1


def _plan(args: argparse.Namespace) -> CallPlan:
    caller = args.caller or random_caller()
    if not _USER.fullmatch(caller):
        raise PhoneError(f"--from {caller!r} cannot be the user part of a SIP URI")
    return CallPlan(
        uri=args.uri,
        items=args.items or [],
        caller=caller,
        voice=args.voice,
        save=args.save,
        local_port=round(args.port),
        timeout_s=args.timeout,
        wait_greeting_ms=round(args.wait_greeting * 1_000),
        answer_ms=round(args.answer_timeout * 1_000),
        hangup_after_ms=round(args.hangup_after * 1_000),
        line=LineOptions(
            codec=args.codec,
            loss_ratio=args.loss / 100,
            jitter_ms=round(args.jitter),
            seed=args.seed,
            silence_ms=round(args.silence),
        ),
        cache_dir=default_cache_dir(),
    )
