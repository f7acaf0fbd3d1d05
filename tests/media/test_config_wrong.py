from __future__ import annotations

import re
from pathlib import Path

import pytest

from media import ConfigError
from media.config.load import load_config, read_config

pytestmark = pytest.mark.unit

FILES = sorted((Path(__file__).parent / "config_wrong").glob("*.yaml"))
PLAN_FILES = {
    "number-loop",
    "queue-loop",
    "rule-loop",
    "unreachable-by-two",
    "unreachable-rule",
}
"""Found by the dial plan's analysis; tests/edge/test_dialplan_analysis.py looks at them."""


def expectations(path: Path) -> list[tuple[int, int, str]]:
    """Return line, column and part of the message from a file's ``# expect`` lines."""
    found = re.findall(r"^# expect (\d+):(\d+) (.+)$", path.read_text(), re.MULTILINE)
    return [(int(line), int(column), text) for line, column, text in found]


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.stem)
def test_every_problem_is_found_at_its_place_with_its_hint(path: Path) -> None:
    """Every expected problem is reported at its line and column with a hint."""
    found = sorted(read_config(path).reading.problems)
    if path.stem in PLAN_FILES:
        assert found == []
        return
    for line, column, text in expectations(path):
        assert any((p.line, p.column) == (line, column) and text in p.message for p in found), (
            line,
            column,
            text,
            [str(each) for each in found],
        )


def test_there_are_enough_wrong_files() -> None:
    """At least thirty files are wrong by hand, and each says what it expects."""
    assert len(FILES) >= 30
    assert all(expectations(each) for each in FILES)


def test_the_error_names_file_line_column_and_path() -> None:
    """A problem reads file:line:column: path: what is wrong."""
    path = Path(__file__).parent / "config_wrong" / "unknown-agent.yaml"
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    expected = f'{path}:5:12: dialplan[0].agent: unknown agent "suport"; did you mean "support"?'
    assert caught.value.problems == [expected]


def test_no_more_is_reported_than_is_wrong() -> None:
    """A file with one fault gives one problem, so that ops staff fix causes and not echoes."""
    single = ["unknown-top-key", "port-octal", "unknown-hours", "bad-time", "tag", "empty-text"]
    for name in single:
        path = Path(__file__).parent / "config_wrong" / f"{name}.yaml"
        assert len(read_config(path).reading.problems) == 1, name
