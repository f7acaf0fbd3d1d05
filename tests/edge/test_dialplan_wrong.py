from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.dialplan.loading import findings

pytestmark = pytest.mark.unit

FILES = sorted((Path(__file__).parent / "config_wrong").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.stem)
def test_one_run_says_every_error_and_nothing_else(path: Path) -> None:
    """Each file is wrong in many ways; all are said at line and column, with what to do."""
    text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    expected = re.findall(r"^# expect (\d+):(\d+) (.+)$", text, re.MULTILINE)
    errors, _, _ = findings(path)
    found = [(each.line, each.column, each.message) for each in errors]
    assert sorted(found) == sorted((int(line), int(at), said) for line, at, said in expected)


def test_an_empty_file_is_one_error(tmp_path: Path) -> None:
    """Nothing, or comments alone, says what is missing."""
    for content in (b"", b"# nothing yet\n"):
        file = tmp_path / "c.yaml"
        file.write_bytes(content)
        errors, _, _ = findings(file)
        assert [(each.line, each.column) for each in errors] == [(1, 1)]
        assert '"agents" and "dialplan" are missing' in errors[0].message
