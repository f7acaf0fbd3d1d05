from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.dialplan.loading import findings
from media.cli import main

pytestmark = pytest.mark.unit

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = [DEPLOY / "cordboard.yaml", *sorted((DEPLOY / "examples").glob("*.yaml"))]
OFFICE = str(DEPLOY / "examples" / "office.yaml")


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.stem)
def test_every_shipped_file_is_good(path: Path) -> None:
    """No error, warning or note, but that the reader's own recordings are still to be made."""
    errors, warnings, notes = findings(path)
    assert (errors, notes) == ([], [])
    assert [each for each in warnings if "there is no file /var/lib/" not in each.message] == []


def test_check_says_good_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    """A good file gets one line and exit code 0."""
    assert main(["check", OFFICE]) == 0
    assert capsys.readouterr().out == f"{OFFICE} is good: 0 errors, 0 warnings, 0 notes\n"


def test_sounds_that_are_not_there_are_warned_of(tmp_path: Path) -> None:
    """A caller would hear nothing of them; what is there is not mentioned."""
    (tmp_path / "there.wav").write_bytes(b"")
    file = tmp_path / "c.yaml"
    file.write_text(
        f"home: {tmp_path}\n"
        "media: {apology_file: sorry.wav}\n"
        "agents: {desk: {greeting: Hello., instructions: Be brief.}}\n"
        "dialplan:\n"
        "  - {match: {called: '1'}, announce: there.wav}\n"
        "  - {agent: desk, on_failure: {announce: closed.wav}}\n"
    )
    errors, warnings, _ = findings(file)
    assert errors == []
    assert [(each.line, each.path, each.message) for each in warnings] == [
        (2, "media.apology_file", f"there is no file {tmp_path}/sorry.wav"),
        (6, "dialplan[1].on_failure.announce", f"there is no file {tmp_path}/closed.wav"),
    ]


def test_check_json_lists_every_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the errors are objects with line and column, and the exit code is 1."""
    file = tmp_path / "c.yaml"
    file.write_text("agents: {}\nsip:\n  udp_port: none\n")
    assert main(["check", str(file), "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["ok"] is False
    assert {(each["line"], each["column"], each["path"]) for each in body["errors"]} == {
        (1, 1, ""),
        (1, 9, "agents"),
        (3, 13, "sip.udp_port"),
    }


def test_check_of_a_missing_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there is said so, with exit code 1."""
    assert main(["check", str(tmp_path / "none.yaml"), "--quiet"]) == 1
    assert "cannot be read" in capsys.readouterr().out


def explain(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """Run explain over the office example and return its JSON."""
    assert main(["explain", "--config", OFFICE, "--json", *arguments]) == 0
    body: dict[str, object] = json.loads(capsys.readouterr().out)
    return body


@pytest.mark.parametrize(
    ("at", "agent"),
    [
        ("2026-11-23 10:00", "reception"),
        ("2026-11-23 12:30", "night"),
        ("2026-12-25 10:00", "night"),
        ("2026-12-23 11:00", "reception"),
        ("2026-11-23T17:30+00:00", "night"),
    ],
)
def test_explain_follows_the_hours(capsys: pytest.CaptureFixture[str], at: str, agent: str) -> None:
    """The action depends on the time, read in the zone of the file's hours."""
    body = explain(capsys, "--to", "030555123", "--trunk", "carrier", "--at", at)
    assert body["action"]["agent"] == agent  # type: ignore[index]
    assert body["call"]["to"] == "+4930555123"  # type: ignore[index]


def test_explain_prints_each_rule_and_the_action(capsys: pytest.CaptureFixture[str]) -> None:
    """The text names every rule with its line and why, and ends with the action."""
    arguments = ["--to", "+4940111", "--at", "2026-11-23 10:00"]
    assert main(["explain", "--config", OFFICE, *arguments]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [each[:2] for each in out[2:5]] == ["  ", "  ", "->"]
    assert "called +4940111 is not +4930555*" in out[2]
    assert out[-1] == "action: reject 404"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "1", "--trunk", "carier"], 'did you mean "carrier"'),
        (["--to", "1", "--at", "tomorrow"], "is not a time"),
        (["--to", "1", "--header", "X"], 'has no "="'),
        (["--to", "1", "--zone", "Berlin"], "unknown time zone"),
    ],
)
def test_explain_refuses_what_it_cannot_use(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Wrong arguments are one readable line and exit code 1."""
    assert main(["explain", "--config", OFFICE, *arguments]) == 1
    assert message in capsys.readouterr().err


def test_plan_diff_names_what_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A change of one action by day is found for the numbers and times it concerns, only."""
    new = tmp_path / "new.yaml"
    text = Path(OFFICE).read_text()
    new.write_text(text.replace("agent: reception", "reject: 486", 1))
    assert main(["plan", "--config", OFFICE, "--diff", str(new)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("1 number pattern of")
    assert all("agent reception -> reject 486" in each for each in out[:-1])
    assert len(out) > 1


def test_plan_diff_of_the_same_plan_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """A plan compared with itself moves nothing and exits 0."""
    assert main(["plan", "--config", OFFICE, "--diff", OFFICE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_plan_diff_finds_a_range_inside_a_prefix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule put in front for a few numbers is found although the old plan never named them."""
    new = tmp_path / "new.yaml"
    text = Path(OFFICE).read_text()
    rule = 'dialplan:\n  - match: {called: "+4930555700..+4930555709"}\n    reject: 603\n'
    new.write_text(text.replace("dialplan:\n", rule))
    assert main(["plan", "--config", OFFICE, "--diff", str(new), "--json"]) == 1
    moved = json.loads(capsys.readouterr().out)
    assert {each["called"] for each in moved} == {"+4930555700..+4930555709"}
    assert {each["new"] for each in moved} == {"reject 603"}
    assert {each["old"] for each in moved} == {"agent reception", "agent night"}


def test_schema_prints_the_committed_file(capsys: pytest.CaptureFixture[str]) -> None:
    """'cordboard schema' prints exactly what deploy/cordboard.schema.json holds."""
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == (DEPLOY / "cordboard.schema.json").read_text()
