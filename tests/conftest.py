"""Rules that hold for every test module: exactly one marker, and the harness can be imported."""

from __future__ import annotations

import pytest

KINDS = {"unit", "integration", "model", "soak"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test without exactly one kind; run the quick kinds first."""
    order = {"unit": 0, "model": 1, "integration": 2, "soak": 3}
    for item in items:
        kinds = {mark.name for mark in item.iter_markers()} & KINDS
        if len(kinds) != 1:
            raise pytest.UsageError(f"{item.nodeid} needs exactly one of {sorted(KINDS)}")
    items.sort(
        key=lambda item: min(order[mark.name] for mark in item.iter_markers() if mark.name in order)
    )


def pytest_configure(config: pytest.Config) -> None:
    """Leave out the slow tests unless they are asked for with ``-m``."""
    if not config.getoption("markexpr"):
        config.option.markexpr = "not soak"
