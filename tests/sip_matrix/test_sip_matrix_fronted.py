from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sip_matrix.rows import FRONT_ROWS, ROWS, Row
from tests.sip_matrix.run import Matrix, asked_for, open_matrix

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def matrix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """Kamailio before two workers for calls in and a third for calls out."""
    folder: Path = tmp_path_factory.mktemp("fronted-sip")
    made = open_matrix(folder, asked_for(request, "fronted_row", FRONT_ROWS), fronted=True)
    yield made
    made.close()


@pytest.mark.parametrize("fronted_row", FRONT_ROWS, ids=lambda row: row.name)
def test_scenario_through_kamailio(matrix: Matrix, fronted_row: Row) -> None:
    """The scenario goes as written through the front, in and out."""
    matrix.check(fronted_row)


def test_no_row_is_left_out() -> None:
    """Every row runs through the front; one with another answer says why."""
    assert [row.name for row in FRONT_ROWS] == [row.name for row in ROWS]
    for row, plain in zip(FRONT_ROWS, ROWS, strict=True):
        assert (row.scenario == plain.scenario and row.check is plain.check) or row.why
