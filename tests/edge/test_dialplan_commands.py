from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.dialplan.loading import findings
from media.cli import main

pytestmark = pytest.mark.unit

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = [DEPLOY / "cordboard.yaml", *sorted((DEPLOY / "examples").glob("*.yaml"))]
SHIPPED = str(DEPLOY / "cordboard.yaml")
OFFICE = str(DEPLOY / "examples" / "office.yaml")


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.stem)
def test_every_shipped_file_is_good(path: Path) -> None:
    """No error or note; the only warnings name files that are the customer's to bring."""
    errors, warnings, notes = findings(path)
    assert (errors, notes) == ([], [])
    assert all("there is no file /var/lib/cordboard/" in each.message for each in warnings)


def test_check_says_good_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    """A good file gets one line and exit code 0."""
    assert main(["check", SHIPPED]) == 0
    assert capsys.readouterr().out == f"{SHIPPED} is good: 0 errors, 0 warnings, 0 notes\n"


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        ("gone.wav", "there is no file {folder}/gone.wav"),
        ("bell.wav", "there is no file {folder}/bell.wav; bell.mp3 is there"),
        ("bell.mp3", "{folder}/bell.mp3 is no WAV file"),
        (".", "{folder} cannot be read"),
    ],
)
def test_files_that_are_not_there_are_warnings(tmp_path: Path, sound: str, said: str) -> None:
    """Sounds and passwords that the service would miss are named with their place; it is good."""
    (tmp_path / "bell.mp3").write_bytes(b"ID3")
    file = tmp_path / "c.yaml"
    file.write_text(
        f"agents: {{}}\nqueues:\n  help: {{music: {sound}}}\n"
        "trunks: {t: {digest: {username: a, password_file: none}}}\ndialplan: [{queue: help}]\n"
    )
    _, warnings, _ = findings(file)
    assert [(each.line, each.path, each.message) for each in warnings] == [
        (3, "queues.help.music", said.format(folder=tmp_path)),
        (4, "trunks.t.digest.password_file", f"there is no file {tmp_path}/none"),
    ]


def test_sounds_that_are_not_there_are_warned_of(tmp_path: Path) -> None:
    """A caller would hear nothing of them; what is there is not mentioned."""
    (tmp_path / "there.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
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


@pytest.mark.parametrize(
    "number", ["+4930555123", "sip:+4930555123@h;user=phone", '"Bob" <sip:+4930555123@h>;x=y']
)
def test_explain_takes_a_number_as_sip_writes_it(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URI, or a name with one in angle brackets, is the number in it."""
    body = explain(capsys, "--to", number, "--from", "<tel:+491701>", "--at", "2026-11-23 10:00")
    assert (body["call"]["to"], body["call"]["from"]) == (  # type: ignore[index]
        "+4930555123",
        "+491701",
    )


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
        (["--to", "1", "--header", "X"], "is no header; expected NAME=VALUE"),
        (["--to", "1", "--zone", "Berlin"], "unknown time zone"),
        (["--to", "1", "--header", "X Y=1"], "is no header; expected NAME=VALUE"),
        (["--to", "1", "--at", "2026-02-30 10:00"], "is not a time"),
        (
            ["--to", "1", "--at", "2026-03-29 02:30"],
            'there is no "2026-03-29 02:30" in Europe/Berlin: the clock is put forward past it; '
            "03:30 is the same instant",
        ),
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
    assert out[-1] == f"1 number pattern goes elsewhere with {new}"
    assert all("agent reception -> reject 486" in each for each in out[:-1])
    assert all(" Europe/Berlin)" in each for each in out[:-1])
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


def test_a_file_that_cannot_be_opened_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong with it, for people and as JSON."""
    assert main(["check", "/nowhere.yaml"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "/nowhere.yaml:1:1: cannot be read: No such file or directory"
    )
    assert main(["check", "/nowhere.yaml", "--json"]) == 1
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["message"] == "cannot be read: No such file or directory"


def test_plan_tells_a_wrong_file_from_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and each problem's place at the beginning of its line."""
    file = tmp_path / "c.yaml"
    file.write_text("agents: {}\ndialplan: []\n")
    assert main(["plan", "--diff", str(file), "--config", OFFICE]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [each.split(" ")[0] for each in lines] == [f"{file}:1:9:", f"{file}:2:11:"]
    assert main(["explain", "--to", "1", "--config", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"{file}:1:9: agents: ")


def test_explain_of_a_long_plan_leaves_other_numbers_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred rules: shown are those for the number, the rest is counted; --all shows them."""
    rules = [f"  - {{match: {{called: '1{at:02}'}}, agent: a}}\n" for at in range(100)]
    file = tmp_path / "c.yaml"
    file.write_text(
        "agents: {a: {greeting: Hello, instructions: Help.}}\n"
        f"hours: {{day: {{time_zone: UTC, open: {{mon: '08:00-09:00'}}}}}}\ndialplan:\n"
        f"  - {{match: {{called: '150', hours: day}}, agent: a}}\n{''.join(rules)}"
    )
    asked = ["explain", "--to", "1-50", "--at", "2026-11-24 12:00", "--config", str(file)]
    assert main(asked) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "   rule 1 (line 4): hours day are closed",
        "-> rule 52 (line 55): called is 150",
        "   99 rules for other numbers; --all shows them",
        "",
        "action: agent a",
    ]
    assert main([*asked, "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 105


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--load", "high"), '"high" is no load in percent'),
    ],
)
def test_explain_says_what_was_expected(
    arguments: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong arguments are named with what would be right."""
    try:
        assert main(["explain", "--to", "1", "--config", OFFICE, *arguments]) == 1
    except SystemExit as end:
        assert end.code == 2
    assert said in capsys.readouterr().err


def test_plan_diff_of_many_conditions_tries_each_rules_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With too many combinations to try them all, the rule that changed is still found."""
    head = (
        "agents: {a: {greeting: Hello, instructions: Help.}}\ntrunks:\n"
        + "".join(f"  t{at}: {{sources: 192.0.2.{at + 1}}}\n" for at in range(20))
        + "dialplan:\n"
    )
    rules = [
        f"  - {{match: {{called: '1*', trunk: t{at}, headers: {{X-A: 'v{at}*'}}, "
        f"load_at_least: {at}}}, reject: 404}}\n"
        for at in range(20)
    ]
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(head + "".join(rules) + "  - {agent: a}\n")
    rules[13] = rules[13].replace("404", "410")
    new.write_text(head + "".join(rules) + "  - {agent: a}\n")
    assert main(["plan", "--diff", str(new), "--config", str(old)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert "over t13, X-A: v13, load 13%" in first
    assert first.endswith("reject 404 -> reject 410")
    assert last == f"1 number pattern goes elsewhere with {new}"
