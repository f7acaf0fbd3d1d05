"""One running service for all integration tests that leave it as they found it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.harness.outside_phone import OutsidePhone
from tests.harness.service import ROOT, Service

Dial = Callable[..., OutsidePhone]
KEPT_FOLDERS = 6
"""Logs, records and recordings of so many services are kept in var/tests for a look afterwards."""


def service_folder(name: str) -> Path:
    """Make a folder for one service; the oldest of those before are removed."""
    parent = ROOT / "var" / "tests"
    parent.mkdir(parents=True, exist_ok=True)
    for old in sorted(parent.iterdir(), key=lambda each: each.stat().st_mtime)[:-KEPT_FOLDERS]:
        shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Provide the shared service, started once."""
    service = Service(service_folder("service"))
    service.start()
    yield service
    assert service.stop() == 0, service.log_tail()


@pytest.fixture(scope="module")
def fragile_service() -> Iterator[Service]:
    """Provide a service of this module's own, whose processes may be killed."""
    service = Service(
        service_folder("fragile"), rtp_ports=(26_600, 26_799), sip_ports=(26_100, 26_159)
    )
    service.start()
    yield service
    assert service.stop() == 0, service.log_tail()


@pytest.fixture
def phones() -> Iterator[Callable[[Service], OutsidePhone]]:
    """Provide a maker of phones that are all hung up at the end of the test."""
    made: list[OutsidePhone] = []

    def make(service: Service, **options: Any) -> OutsidePhone:
        phone = OutsidePhone(service.host, service.port, **options)
        made.append(phone)
        return phone

    yield make
    for phone in made:
        with suppress(TimeoutError, OSError):
            phone.hang_up()  # closes in any case
