"""Rules that hold for every test module: exactly one kind, and no debts of a failed attempt."""

from __future__ import annotations

import gc
import sys
import warnings

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


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Free what an attempt that failed half-way had open: its report has been made.

    Its traceback keeps the frames, and with them sockets, until some later moment, which must not
    be blamed for them. A test that passes and leaves something open still fails.
    """
    if report.outcome not in ("failed", "rerun"):
        return
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
