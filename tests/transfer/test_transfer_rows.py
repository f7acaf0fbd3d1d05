"""Every row of the failure matrix has its tests."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.transfer.rows import ROWS, table

pytestmark = pytest.mark.unit


@cache
def functions_in(module: str) -> dict[str, ast.AsyncFunctionDef]:
    """Return the test functions of a module."""
    tree = ast.parse((Path(__file__).parent / f"test_transfer_{module}.py").read_text())
    found = (each for each in tree.body if isinstance(each, ast.AsyncFunctionDef))
    return {each.name: each for each in found if each.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests(row: str) -> None:
    """They are there, assert something, and run against a switchboard that is checked after."""
    assert ROWS[row]
    for module, name in ROWS[row]:
        test = functions_in(module)[name]
        assert "rig" in {each.arg for each in test.args.args}
        calls = {
            each.func.id if isinstance(each.func, ast.Name) else each.func.attr
            for each in ast.walk(test)
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name | ast.Attribute)
        }
        proofs = {"until", "accept", "back", "recorded", "hears", "level", "done"}
        assert calls & proofs or any(each.startswith(("expect_", "check_")) for each in calls)


def test_the_table_names_every_row() -> None:
    """One line for each, below the head."""
    assert len(table().splitlines()) == len(ROWS) + 2
