from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.dialplan.analysis import Analysis, analyse
from edge.dialplan.loading import findings, load_plan
from media import ConfigError
from media.config.load import parse_config

pytestmark = pytest.mark.unit

WRONG = sorted((Path(__file__).parents[1] / "media" / "config_wrong").glob("*.yaml"))
HEAD = """\
agents:
  a: {greeting: Hello, instructions: Help.}
  b: {greeting: Hello, instructions: Help.}
trunks:
  one: {servers: one.example}
  two: {servers: two.example}
queues: {people: {}, others: {on_failure: {queue: people}}}
hours:
  day: {time_zone: UTC, open: {mon-fri: "08:00-18:00"}}
dialplan:
"""
FIRST_RULE_LINE = HEAD.count("\n") + 1


def analysed(rules: str) -> Analysis:
    """Analyse rules under HEAD, one rule a line."""
    loaded = parse_config((HEAD + rules).encode(), Path("c.yaml"))
    assert loaded.config is not None, [str(each) for each in loaded.reading.problems]
    return analyse(loaded.config, loaded.reading)


def falling_back(first: str, second: str) -> Analysis:
    """Analyse a plan whose only rule leads to queue q, on line 3; queue r is on line 4."""
    agent, *_ = HEAD.splitlines()[1:]
    text = f"agents:\n{agent}\nqueues: {{q: {{{first}}},\n  r: {{{second}}}}}\n"
    loaded = parse_config(f"{text}dialplan:\n  - queue: q\n".encode(), Path("c.yaml"))
    assert loaded.config is not None, [str(each) for each in loaded.reading.problems]
    return analyse(loaded.config, loaded.reading)


@pytest.mark.parametrize("path", WRONG, ids=lambda each: each.stem)
def test_check_finds_every_expected_problem(path: Path) -> None:
    """The whole check finds every fault of the wrong files, those of the plan included."""
    errors, _, _ = findings(path)
    for line, column, text in re.findall(r"^# expect (\d+):(\d+) (.+)$", path.read_text(), re.M):
        assert any(
            (e.line, e.column) == (int(line), int(column)) and text in e.message for e in errors
        ), [str(each) for each in errors]


@pytest.mark.parametrize(
    "rules",
    [
        '  - {match: {called: "+4930*"}, agent: a}\n  - {match: {called: "+493012"}, agent: b}\n',
        '  - {agent: a}\n  - {match: {trunk: one}, agent: b}\n',
        '  - {match: {called: ["1*", "2*"]}, agent: a}\n  - {match: {called: "[12]5"}, agent: b}\n',
        '  - {match: {called: "1[0-4]"}, agent: a}\n  - {match: {called: "1[5-9]"}, agent: a}\n'
        '  - {match: {called: "1?"}, agent: b}\n',
        '  - {match: {called: "100..150"}, agent: a}\n  - {match: {called: "120..180"}, agent: a}\n'
        '  - {match: {called: "140..170"}, agent: b}\n',
        '  - {match: {hours: day}, agent: a}\n  - {match: {outside: day}, agent: a}\n'
        "  - {match: {trunk: two}, agent: b}\n",
        '  - {match: {trunk: one}, agent: a}\n  - {match: {trunk: two}, agent: a}\n'
        "  - {match: {trunk: [one, two]}, agent: b}\n",
        '  - {match: {load_at_least: 50}, agent: a}\n  - {match: {load_below: 60}, agent: a}\n'
        "  - {agent: b}\n",
        '  - {match: {headers: {X-A: "*"}}, agent: a}\n'
        '  - {match: {headers: {x-a: "1"}}, agent: b}\n',
        '  - {match: {caller: "1*"}, agent: a}\n'
        '  - {match: {caller: "12", called: "3"}, agent: b}\n',
    ],
)  # fmt: skip
def test_rules_that_can_never_match(rules: str) -> None:
    """A rule whose calls are all taken, by one rule or by several, is an error at its line."""
    analysis = analysed(rules)
    last = FIRST_RULE_LINE + rules.count("\n") - 1
    assert [each.line for each in analysis.errors] == [last]
    assert "can never match" in analysis.errors[0].message


@pytest.mark.parametrize(
    "rules",
    [
        '  - {match: {called: "+493012"}, agent: a}\n  - {match: {called: "+4930*"}, agent: b}\n',
        '  - {match: {called: "1*", hours: day}, agent: a}\n'
        '  - {match: {called: "12"}, agent: b}\n',
        '  - {match: {called: "1?"}, agent: a}\n  - {match: {called: "1*"}, agent: b}\n',
        '  - {match: {called: "1[0-4]"}, agent: a}\n  - {match: {called: "1[6-9]"}, agent: a}\n'
        '  - {match: {called: "1?"}, agent: b}\n',
        '  - {match: {trunk: one}, agent: a}\n  - {match: {trunk: two}, agent: a}\n'
        "  - {agent: b}\n",
        '  - {match: {load_at_least: 60}, agent: a}\n  - {match: {load_below: 50}, agent: a}\n'
        "  - {agent: b}\n",
        '  - {match: {headers: {X-A: "1*"}}, agent: a}\n'
        '  - {match: {headers: {X-A: "*"}}, agent: b}\n',
        '  - {match: {caller: "1*"}, agent: a}\n  - {match: {called: "3"}, agent: b}\n',
        '  - {match: {hours: day, trunk: one}, agent: a}\n'
        '  - {match: {outside: day, trunk: two}, agent: a}\n  - {agent: b}\n',
    ],
)  # fmt: skip
def test_rules_that_can_match_are_left_in_peace(rules: str) -> None:
    """A rule with one call left, whatever it needs for it, is no error."""
    assert analysed(rules).errors == []


def test_crossing_patterns_are_a_note_with_an_example() -> None:
    """Two patterns that cross are noted at the later rule, with a number that both take."""
    analysis = analysed(
        '  - {match: {called: "1[0-5]?"}, agent: a}\n  - {match: {called: "1?5"}, agent: b}\n'
    )
    assert analysis.errors == []
    (note,) = analysis.notes
    assert note.line == FIRST_RULE_LINE + 1
    assert "for example to 105" in note.message


def test_crossing_patterns_with_one_action_are_no_note() -> None:
    """Order does not matter between rules that do the same."""
    rules = '  - {match: {called: "1[0-5]?"}, agent: a}\n  - {match: {called: "1?5"}, agent: a}\n'
    assert analysed(rules).notes == []


@pytest.mark.parametrize(
    ("rules", "way"),
    [
        ('  - {name: x, match: {called: "1"}, rule: x}\n', 'rule "x" -> rule "x"'),
        ('  - {match: {called: "1{n:2}"}, number: "1{n}"}\n', "rule 1 -> rule 1"),
        (
            '  - {match: {called: "1"}, number: "2"}\n  - {match: {called: "2*"}, agent: a,'
            ' on_failure: {number: "1"}}\n',
            "rule 1 -> rule 2 -> rule 1",
        ),
    ],
)
def test_loops_are_errors_with_their_way(rules: str, way: str) -> None:
    """An action that leads back to itself is an error that names every step."""
    (error,) = analysed(rules).errors
    assert error.message == f"can go round in circles: {way}"


@pytest.mark.parametrize(
    "rules",
    [
        '  - {match: {called: "1"}, number: "2"}\n  - {match: {called: "2"}, agent: a}\n',
        '  - {match: {called: "1{n:2}"}, number: "2{n}"}\n  - {agent: a}\n',
        '  - {match: {called: "1*"}, number: "12", trunk: one}\n',
        "  - {queue: others, on_failure: {queue: people}}\n",
    ],
)
def test_chains_that_end_are_no_loops(rules: str) -> None:
    """A chain that ends at an agent, a trunk or a queue is fine."""
    assert analysed(rules).errors == []


@pytest.mark.parametrize(
    ("field", "back"),
    [
        ("on_nobody", "on_nobody: queue q"),
        ("on_no_answer", "on_no_answer: queue q"),
        ("on_nobody", "on_failure: {queue: q}"),
        ("on_no_answer", "on_nobody: queue q"),
    ],
)
def test_queues_that_fall_back_on_each_other_are_a_loop(field: str, back: str) -> None:
    """Every key that leads from queue to queue counts, at the line that closes the circle."""
    (error,) = falling_back(f"{field}: queue r", back).errors
    assert error.message == 'can go round in circles: queue "q" -> queue "r" -> queue "q"'
    assert error.line == 4


@pytest.mark.parametrize("back", ["agent", "voicemail", "end", "number 7"])
def test_fallbacks_that_leave_the_queues_are_no_loop(back: str) -> None:
    """A number of ``on_nobody`` goes out over a trunk, whatever the plan says of it."""
    assert falling_back("on_nobody: queue r", f"on_nobody: {back}").errors == []


def test_load_plan_refuses_what_the_analysis_refuses(tmp_path: Path) -> None:
    """A plan with an unreachable rule is not put into force; a good one is compiled."""
    file = tmp_path / "c.yaml"
    file.write_text(HEAD + "  - {agent: a}\n  - {agent: b}\n")
    with pytest.raises(ConfigError, match="can never match"):
        load_plan(file)
    file.write_text(HEAD + "  - {agent: a}\n")
    config, plan = load_plan(file)
    assert len(plan.rules) == len(config.dialplan) == 1


def test_load_plan_reports_reading_and_analysis_together(tmp_path: Path) -> None:
    """Faults of values and faults of the plan come in one run, in the file's order."""
    file = tmp_path / "c.yaml"
    file.write_text(HEAD + "  - {agent: a}\n  - {agent: b}\nlog: {level: warn}\n")
    with pytest.raises(ConfigError) as caught:
        load_plan(file)
    first, second = caught.value.problems
    assert "can never match" in first
    assert 'did you mean "warning"' in second


def test_a_flawed_match_has_no_echoes(tmp_path: Path) -> None:
    """A rule whose match cannot be read does not seem to take the calls of all that follow."""
    file = tmp_path / "c.yaml"
    file.write_text(
        HEAD + '  - {match: {caler: "1"}, agent: a}\n  - {match: {called: "2"}, agent: b}\n'
        "  - {agnt: a}\n"
    )
    errors, _, _ = findings(file)
    assert [each.path for each in errors] == ["dialplan[0].match.caler", "dialplan[2].agnt"]


def test_skills_that_nobody_has_are_a_warning(tmp_path: Path) -> None:
    """A queue whose callers nobody can serve is good, and is pointed out."""
    file = tmp_path / "c.yaml"
    file.write_text(
        "agents: {a: {greeting: Hello, instructions: Help.}}\ndialplan: [{agent: a}]\n"
        'people: {ann: {phone: "sip:ann@192.0.2.1", skills: [german]}}\n'
        "queues: {help: {members: {ann: {}}, skills: [germn]}}\n"
    )
    errors, warnings, _ = findings(file)
    assert errors == []
    (warning,) = warnings
    assert (warning.line, warning.path) == (4, "queues.help.skills")
    assert warning.message.endswith('did you mean "german"?')
