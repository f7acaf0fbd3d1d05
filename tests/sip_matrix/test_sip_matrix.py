from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sip_matrix.rows import ROWS, Row
from tests.sip_matrix.run import Matrix, asked_for, open_matrix

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def matrix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """A service for calls in, a worker for calls out; what waits for timers has begun."""
    folder: Path = tmp_path_factory.mktemp("sip")
    made = open_matrix(folder, asked_for(request, "matrix_row", ROWS))
    yield made
    made.close()


@pytest.mark.parametrize("matrix_row", ROWS, ids=lambda row: row.name)
def test_scenario(matrix: Matrix, matrix_row: Row) -> None:
    """The scenario goes as written."""
    matrix.check(matrix_row)


def test_there_are_enough_rows() -> None:
    """Every scenario file is run, both directions, with an RFC section each."""
    assert len(ROWS) >= 40
    assert all(row.title and row.section.startswith("RFC ") for row in ROWS)
    assert any(row.outbound for row in ROWS)
    assert any(not row.outbound for row in ROWS)
