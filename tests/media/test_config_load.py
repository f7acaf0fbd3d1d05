from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media import ConfigError
from media.config.load import Loaded, load_config, parse_config
from media.config.model import Config, Front
from media.config.secrets import Credentials

pytestmark = pytest.mark.unit

AGENT = "agents:\n  support: {greeting: Hello, instructions: Help.}\n"
BASE = AGENT + "dialplan:\n  - agent: support\n"
HERE = Path("/srv/cordboard/cordboard.yaml")


def parsed(text: str) -> Loaded:
    """Read a text as if it stood in HERE."""
    return parse_config(text.encode(), HERE)


def good(text: str) -> Config:
    """Read a text that must be right."""
    loaded = parsed(text)
    assert loaded.config is not None, [str(each) for each in loaded.reading.problems]
    return loaded.config


@pytest.mark.parametrize("text", ["0041", "+441234", "22:30", "no", "1e3", "0x1F", "2026-12-25"])
def test_text_stays_as_it_stands(text: str) -> None:
    """A text field takes what YAML 1.1 would turn into numbers, times and booleans."""
    config = good(BASE + f"sip:\n  user_agent: {text}\n")
    assert config.sip.user_agent == text
    assert text == "+441234" or yaml.safe_load(text) != text or text == "1e3"


def test_values_are_converted_by_annotation() -> None:
    """Numbers, booleans, enumerations, lists, null and mappings become what the model says."""
    config = good(
        BASE + "sip: {udp_port: 5_070, tcp_port: null, front: kamailio}\n"
        "limits: {calls: 12}\n"
        "media: {record: false}\n"
        "trunks:\n  a: {servers: sip.example, limits: {calls_per_second: 2.5}}\n"
    )
    assert config.sip.udp_port == 5_070
    assert config.sip.tcp_port is None
    assert config.sip.front is Front.KAMAILIO
    assert config.media.record is False
    assert config.trunks["a"].servers == ("sip.example",)
    assert config.trunks["a"].limits.calls_per_second == 2.5


def test_a_section_without_lines_is_its_defaults() -> None:
    """A section whose lines are all commented out is as if it were not there."""
    assert good(BASE + "sip:\n#  udp_port: 5070\n").sip == good(BASE).sip


def test_the_smallest_file_is_enough() -> None:
    """One agent and one rule make a configuration; the rule takes every call."""
    config = good(BASE)
    assert config.dialplan[0].agent == "support"
    assert config.dialplan[0].match.called == ()


def test_paths_start_at_home(tmp_path: Path) -> None:
    """Relative paths start at home, which starts at the file's own folder."""
    text = BASE + "home: ..\nmedia: {recordings_dir: rec, apology_file: /a/b.wav}\n"
    config = parse_config(text.encode(), tmp_path / "etc" / "c.yaml").config
    assert config is not None
    assert config.home == str(tmp_path)
    assert config.media.recordings_dir == str(tmp_path / "rec")
    assert config.media.apology_file == "/a/b.wav"
    assert config.run_dir == str(tmp_path / "var/run")
    assert config.storage.url == f"sqlite:///{tmp_path}/var/calls.db"


def test_paths_inside_rules_and_trunks_are_absolute_too() -> None:
    """Paths in nested sections, failure actions included, are made absolute."""
    config = good(
        AGENT + "dialplan:\n  - agent: support\n    on_failure: {announce: a.wav}\n"
        "trunks:\n  t: {servers: s, register: {username: u, password_file: pw}}\n"
    )
    failure = config.dialplan[0].on_failure
    assert failure is not None
    assert failure.announce == "/srv/cordboard/a.wav"
    register = config.trunks["t"].register
    assert register is not None
    assert register.password_file == "/srv/cordboard/pw"


@pytest.mark.parametrize("url", ["postgresql://db/x", "sqlite:////abs/x.db", "sqlite:///:memory:"])
def test_other_database_urls_are_left_alone(url: str) -> None:
    """Only a relative SQLite path is resolved."""
    assert good(BASE + f'storage: {{url: "{url}"}}\n').storage.url == url


def test_an_alias_repeats_a_value() -> None:
    """Anchors and aliases are followed."""
    config = good(
        "agents:\n  a: &a {greeting: Hi, instructions: Help.}\n  b: *a\ndialplan:\n  - agent: b\n"
    )
    assert config.agents["a"] == config.agents["b"]


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    """Aliases that multiply to billions of values are a problem and take no time."""
    lines = ["x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 12)]
    problems = parsed("\n".join(lines)).reading.problems
    assert len(problems) == 1
    assert "aliases make this more than" in problems[0].message


@pytest.mark.parametrize("bracket", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(bracket: str) -> None:
    """Nesting beyond any real file is a problem, not a crash."""
    problems = parsed(bracket * 20_000).reading.problems
    assert "nested deeper" in problems[0].message or "YAML" in problems[0].message


def test_text_that_is_not_utf8_is_located() -> None:
    """A byte that is not UTF-8 is reported at its line and column."""
    problem = parse_config(b"agents:\n  a: caf\xe9\n", HERE).reading.problems[0]
    assert (problem.line, problem.column) == (2, 9)
    assert "0xe9 is not UTF-8" in problem.message


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    """A file that cannot be opened is one readable problem."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "text", "null"])
def test_a_file_of_another_kind_is_one_problem(text: str) -> None:
    """An empty file or one that is no mapping has exactly one problem."""
    loaded = parsed(text)
    assert loaded.config is None
    assert len(loaded.reading.problems) == 1


def test_flawed_rules_do_not_shift_the_others() -> None:
    """A later rule's problem keeps its own index when an earlier rule is unreadable."""
    loaded = parsed(AGENT + "dialplan:\n  - nonsense\n  - agent: nobody\n")
    paths = {each.path for each in loaded.reading.problems}
    assert paths == {"dialplan[0]", "dialplan[1].agent"}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_problems_or_a_config(content: bytes) -> None:
    """Whatever bytes the file holds, reading ends with a configuration or with problems."""
    loaded = parse_config(content, HERE)
    assert (loaded.config is None) == bool(loaded.reading.problems)


KEYS = ["agents", "dialplan", "match", "called", "caller", "agent", "queue", "number", "hours"]
KEYS += ["open", "mon", "trunks", "register", "username", "on_failure", "sip", "media", "name"]
KEYS += ["greeting", "headers", "load_below"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("support"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "agents",
                    "dialplan",
                    "match",
                    "called",
                    "caller",
                    "agent",
                    "queue",
                    "number",
                    "hours",
                    "open",
                    "mon",
                    "trunks",
                    "register",
                    "username",
                    "on_failure",
                    "sip",
                    "media",
                    "name",
                    "greeting",
                    "headers",
                    "load_below",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), values))
def test_any_structure_ends_in_problems_or_a_config(document: dict[str, object]) -> None:
    """Whatever YAML says under known and unknown keys, nothing but problems comes of it."""
    text = yaml.safe_dump(document, allow_unicode=True)
    loaded = parsed(text)
    assert (loaded.config is None) == bool(loaded.reading.problems)
    lines = len(re.findall("\r\n|[\r\n\x85\u2028\u2029]", text)) + 1
    assert all(1 <= each.line <= lines for each in loaded.reading.problems)


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    """The first line of the file is the password."""
    file = tmp_path / "pw"
    file.write_text("s3cret\nnot this\n")
    assert Credentials("u", password_file=str(file)).read_password() == "s3cret"


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's value is the password, and an unset one is a readable error."""
    monkeypatch.setenv("CORDBOARD_TEST_PW", "s3cret")
    assert Credentials("u", password_env="CORDBOARD_TEST_PW").read_password() == "s3cret"
    monkeypatch.delenv("CORDBOARD_TEST_PW")
    with pytest.raises(ConfigError, match="CORDBOARD_TEST_PW is not set"):
        Credentials("u", password_env="CORDBOARD_TEST_PW").read_password()


def test_an_empty_password_file_is_an_error(tmp_path: Path) -> None:
    """An empty file is not an empty password."""
    file = tmp_path / "pw"
    file.write_text("\n")
    with pytest.raises(ConfigError, match="first line is empty"):
        Credentials("u", password_file=str(file)).read_password()


def test_a_literal_password_is_a_warning() -> None:
    """A password in the YAML works and is warned about at its place."""
    loaded = parsed(BASE + "trunks:\n  t: {servers: s, register: {username: u, password: hallo}}\n")
    assert loaded.config is not None
    assert [each.path for each in loaded.warnings] == ["trunks.t.register.password"]
    assert "hallo" not in str(loaded.warnings[0])


def test_a_persona_without_an_apology_of_its_language_is_a_warning() -> None:
    """Only an English apology ships; another language is told to bring one, unless it has."""
    german = "agents:\n  support: {language: de, greeting: Hallo, instructions: Hilf.}\n"
    rules = "dialplan: [{agent: support}]\n"
    assert [each.path for each in parsed(german + rules).warnings] == ["agents.support.language"]
    own = german + rules + "media: {apology_file: sorry.wav}\n"
    assert "agents.support.language" not in [each.path for each in parsed(own).warnings]


def test_reading_does_not_depend_on_the_day() -> None:
    """A date in the past is a valid holiday."""
    year = datetime.date.today().year - 3
    text = BASE + (
        f"hours:\n  h: {{time_zone: UTC, open: {{mon: '08:00-09:00'}}, holidays: [{year}-12-25]}}\n"
    )
    assert good(text).hours["h"].holidays == (f"{year}-12-25",)


@pytest.mark.parametrize(
    ("trunks", "way", "problem", "warned"),
    [
        ("in: {sources: 192.0.2.1}, out: {servers: s}", "+491", "", False),
        ("in: {sources: 192.0.2.1}, out: {servers: s}", "+491 trunk out", "", False),
        ("in: {sources: 192.0.2.1}", "+491", "", True),
        ("in: {sources: 192.0.2.1}", "sip:x@192.0.2.2", "", False),
        ("in: {sources: 192.0.2.1}", "+491 trunk in", "has no servers to call over", False),
        ("carrier: {servers: s}", "+491 trunk carier", 'did you mean "carrier"', False),
        ("in: {servers: s}", "sip:x@192.0.2.2 trunk in", "needs no trunk", False),
    ],
)
def test_a_number_that_a_queue_falls_back_to_needs_a_way_out(
    trunks: str, way: str, problem: str, warned: bool
) -> None:
    """A trunk that cannot call is a problem, no way at all a warning, both at the fallback."""
    text = f"trunks: {{{trunks}}}\nqueues:\n  q: {{on_nobody: {way!r}}}\n"
    loaded = parsed(BASE + text.replace("on_nobody: '", "on_nobody: 'number "))
    problems = [each for each in loaded.reading.problems if each.path == "queues.q.on_nobody"]
    assert [problem in each.message for each in problems] == ([True] if problem else [])
    assert ("queues.q.on_nobody" in [each.path for each in loaded.warnings]) is warned
