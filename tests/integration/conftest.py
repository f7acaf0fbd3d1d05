"""One running service for all integration tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.outside_phone import OutsidePhone
from tests.harness.service import Service

Dial = Callable[..., OutsidePhone]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Provide the shared service, started once."""
    service = Service(tmp_path_factory.mktemp("service"))
    service.start()
    yield service
    assert service.stop() == 0, service.log_tail()


@pytest.fixture(scope="module")
def fragile_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Provide a service of this module's own, whose processes may be killed."""
    folder: Path = tmp_path_factory.mktemp("fragile")
    service = Service(folder, rtp_ports=(26_600, 26_799), sip_ports=(26_100, 26_159))
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
        try:
            phone.hang_up()
        except TimeoutError:
            phone.close()
