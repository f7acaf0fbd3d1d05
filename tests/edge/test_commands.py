import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.call_events import EndReason, Party, Termination
from edge.call_parts import CallTimes
from edge.client_messages import CallStatus, ProcessStatus, Status, WorkerStatus
from edge.commands import calls, options, status
from edge.records.columns import Parties, WallClock, closing, opening, turn_columns
from edge.records.models import CallRow, TurnRow
from edge.records.reader import RecordError
from edge.records.writer import RecordWriter
from media import ConfigError
from media.cli import main
from media.messages import CallId, Speaker, StreamQuality, Turn

pytestmark = pytest.mark.unit

MS = 1_000_000
CLOCK = WallClock(1_769_860_800_000 * MS)
YAML = """home: .
dialplan:
  - agent: support
agents:
  support:
    greeting: Hello.
    instructions: Be brief.
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "cordboard.yaml"
    path.write_text(YAML)
    yield str(path)


@pytest.fixture
def recorded(tmp_path: Path, config: str) -> str:
    """A configuration whose database holds a talk and a refusal."""
    writer = RecordWriter(f"sqlite:///{tmp_path}/var/calls.db", tmp_path / "spool")
    writer.start()
    parties = Parties("abc@caller", "sip:alice@a.example", "sip:100@b", "127.0.0.1:5062")
    times = CallTimes(0, 10 * MS, 20 * MS, 30 * MS, 65_030 * MS)
    talk, refused = CallId("20260131-120000-000-aaaaaa"), CallId("20260131-120001-000-bbbbbb")
    said = (
        Turn(talk, 1, Speaker.AGENT, "Hello.", 130 * MS, 900 * MS, source="greeting"),
        Turn(talk, 2, Speaker.CALLER, "The battery?", 2_030 * MS, 3_000 * MS, source="speech"),
        Turn(
            talk,
            3,
            Speaker.AGENT,
            "Six months if",
            3_640 * MS,
            5_000 * MS,
            interrupted=True,
            endpointing_ms=300,
            recognition_ms=350,
            first_token_ms=450,
            first_audio_ms=600,
            response_ms=640,
            barge_in_ms=180,
        ),
    )
    writer.put(opening(talk, parties, times, CLOCK, "support"))
    over = Termination(Party.CALLER, 200, EndReason.CALLER_HANGUP, "Q.850;cause=16")
    quality = StreamQuality(packets_received=3_000, mos=4.41, loss_ratio=0.012, jitter_ms=1.5)
    columns = closing(talk, times, CLOCK, over, quality) | {"codec": "PCMA"}
    writer.put(columns, tuple(turn_columns(each, 30 * MS) for each in said))
    writer.put(opening(refused, parties, CallTimes(1_000 * MS), CLOCK, None))
    full = Termination(Party.SYSTEM, 503, EndReason.FULL, "full")
    writer.put(closing(refused, CallTimes(1_000 * MS, ended_ns=1_001 * MS), CLOCK, full, None))
    writer.stop()
    return config


def test_the_list_is_a_table(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first, one line a call: who, how long, how it ended."""
    assert main(["calls", "--config", recorded]) == 0
    head, refused, talk = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["ID", "OFFERED"]
    assert "full (503, by system)" in refused
    assert talk.split() == [
        *("20260131-120000-000-aaaaaa", "2026-01-31", "12:00:00", "alice", "100", "1:05", "3"),
        *("4.4", "caller_hangup", "(200,", "by", "caller)"),
    ]
    assert main(["calls", "list", "--limit", "1", "--json", "--config", recorded]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["reason"], only["turns"]) == ("full", 0)


def test_a_call_reads_as_a_transcript(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who said what and when, with the response time and its parts, quality and ending."""
    assert main(["calls", "show", "aaaaaa", "--config", recorded]) == 0
    shown = capsys.readouterr().out
    assert "caller_hangup (200, by caller): Q.850;cause=16" in shown
    assert "PCMA, MOS 4.41, loss 1.2 %" in shown
    assert "  0:00.1  agent   Hello. [greeting]" in shown
    assert "  0:02.0  caller  The battery?\n" in shown
    assert "  0:03.6  agent   Six months if --\n" in shown
    assert (
        "response 640 ms  "
        "(after the last word: end of turn 300, words 350, first token 450, first audio 600)"
    ) in shown
    assert "interrupted, silent after 180 ms" in shown


def test_a_call_as_json(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The object holds every column and the turns."""
    assert main(["calls", "show", "--json", "20260131-120000", "--config", recorded]) == 0
    call = json.loads(capsys.readouterr().out)
    assert call["mos"] == 4.41
    assert [turn["response_ms"] for turn in call["turns"]] == [None, None, 640]
    assert main(["calls", "--config", recorded, "--json", "show", "last"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "full"
    assert main(["calls", "--config", recorded, "--json", "show", "20260131-120000"]) == 0
    call = json.loads(capsys.readouterr().out)
    assert call["turns"][0]["detail"] == {}


def test_an_unknown_call_is_one_line(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and the reason."""
    assert main(["calls", "show", "zzz", "--config", recorded]) == 1
    assert capsys.readouterr().err == "cordboard calls: no call 'zzz'\n"


def test_a_call_in_which_nothing_was_heard_has_no_mos() -> None:
    """A grade would be made up: there was nothing to grade."""
    silent = {"packets_received": 0, "packets_sent": 90}
    row = CallRow(call_id="c", offered_at="", caller="a", called="b", direction="inbound", **silent)
    shown = calls.show_text(row, [])
    assert "nothing heard" in shown
    assert "MOS" not in shown


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_list_has_at_least_one_row(recorded: str, limit: str) -> None:
    """Usage is exit code 2; there are calls, so "no calls yet" would be a lie."""
    with pytest.raises(SystemExit, match="2"):
        main(["calls", "--limit", limit, "--config", recorded])


def test_no_records_yet(config: str) -> None:
    """Before the first call the reason is readable."""
    args = argparse.Namespace(config=Path(config), what="list", id="last", json=False, limit=5)
    with pytest.raises(RecordError, match="no call has been recorded yet"):
        calls.run(args)


@pytest.mark.parametrize(
    ("uri", "short"),
    [
        ("sip:alice@a.example", "alice"),
        ("sip:192.0.2.1", "192.0.2.1"),
        ("sips:+4930@b;user=phone", "+4930"),
        ("anonymous", "anonymous"),
    ],
)
def test_tables_show_the_user_part(uri: str, short: str) -> None:
    """A table has no room for whole URIs."""
    assert calls.short_uri(uri) == short


def test_status_of_a_service_that_does_not_run(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and exit code 1; with --wait the line says what it waited for."""
    assert main(["status", "--config", config]) == 1
    assert capsys.readouterr().out.startswith("not running")
    assert main(["status", "--json", "--config", config]) == 1
    assert json.loads(capsys.readouterr().out)["running"] is False
    assert main(["status", "--wait", "0.1", "--config", config]) == 1
    assert "waiting: the service is not running" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["trunks"],
        ["trunk", "probe", "carrier"],
        ["reload"],
        ["dial", "--agent", "a", "--to", "1", "--trunk", "t"],
        ["queue", "pause", "ann"],
    ],
    ids=lambda each: each[0],
)
def test_errors_say_which_command_speaks(
    command: list[str], config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that needs the service says so in the same words, with exit code 1."""
    assert main([*command, "--config", config]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"cordboard {command[0]}: the service is not running"
    assert said[1:] == (["nothing has changed"] if command[0] == "reload" else [])


def full_status(**changes: Any) -> Status:
    values: dict[str, Any] = {
        "ready": False,
        "reason": "all 1 lines are taken",
        "limit": 1,
        "uptime_s": 3_725,
        "processes": (ProcessStatus("media", True, 7), ProcessStatus("agent", False, 0)),
        "workers": (WorkerStatus(0, "ready", 9, 2, 1, 1, 2, 5060, "killed by SIGKILL"),),
        "calls": (CallStatus(CallId("c1"), "talking", "sip:a@b", "sip:c@d", "support", 12),),
        "engines": {"voice": "piper"},
        "records_failing": True,
    }
    return Status(**(values | changes))


def test_status_for_people() -> None:
    """Verdict first, then processes, workers with their past, engines, calls, troubles."""
    shown = status.as_text(full_status()).splitlines()
    assert shown[0] == "not ready: all 1 lines are taken  (up 1:02:05, 1 of 1 lines in use)"
    rest = "\n".join(shown)
    assert "media   up   pid 7" in rest
    assert "agent   down" in rest
    assert "legs 1/2, UDP 5060, start 2 (killed by SIGKILL)" in rest
    assert "voice   piper" in rest
    assert "kept in the spool file" in rest
    assert "c1  talking" in rest


def test_a_callers_name_has_no_power_over_the_terminal_of_ops() -> None:
    """Escape sequences and line ends in a From header do not come through the status."""
    evil = "sip:\x1b]0;owned\x07\r\nready@b"
    call = CallStatus(CallId("c1"), "talking", evil, evil, "support", 12)
    shown = status.as_text(full_status(calls=(call,)))
    assert all(line.isprintable() for line in shown.split("\n"))
    assert len(shown.split("\n")) == len(status.as_text(full_status()).split("\n"))


def test_status_for_programs() -> None:
    """JSON holds every field."""
    body = json.loads(status.as_json(full_status(ready=True, reason="")))
    assert (body["running"], body["ready"], body["limit"]) == (True, True, 1)
    assert body["workers"][0]["pid"] == 9


def test_a_configuration_is_found_or_its_absence_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The project's own file comes first, then the system's; else the error names both."""
    none = argparse.Namespace(config=None)
    project, system = tmp_path / "deploy.yaml", tmp_path / "etc.yaml"
    monkeypatch.setattr(options, "PROJECT_CONFIG", project)
    monkeypatch.setattr(options, "SYSTEM_CONFIG", system)
    with pytest.raises(ConfigError, match="no configuration"):
        options.config_path(none)
    system.write_text(YAML)
    assert options.config_path(none) == system
    project.write_text(YAML)
    assert options.config_path(none) == project
    assert options.chosen_config(none).dialplan[0].agent == "support"


def test_text_from_the_wire_has_no_power_over_the_terminal() -> None:
    """Escape sequences, line ends and direction marks in names, causes and words are not passed."""
    evil = "\x1b]0;owned\x07\u202e\r\nJürgen"
    row = CallRow(
        call_id="c1",
        state="closed",
        direction="inbound",
        trunk="default",
        source="127.0.0.1:5062",
        caller=f"sip:{evil}@a",
        caller_name=evil,
        called=f"sip:{evil}@b",
        sip_call_id=evil,
        offered_at="2026-01-31T12:00:00.000Z",
        reason="refused",
        cause=evil,
    )
    turn = TurnRow(
        call_id="c1",
        number=1,
        speaker="caller",
        text=evil,
        offset_ms=0,
        source="speech",
        detail="{}",
    )
    for shown in (calls.show_text(row, [turn]), calls.list_text([row], {})):
        assert all(each.isprintable() for each in shown.split("\n"))
        assert "Jürgen" in shown
