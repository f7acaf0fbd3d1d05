"""The port pool."""

from __future__ import annotations

import socket

import pytest

from media.ports import PortPool, PortsExhaustedError, local_address

pytestmark = pytest.mark.unit
S = 1_000_000_000


def test_pairs_are_even_and_odd() -> None:
    """RTP is even even if the range is not; RTCP is one above."""
    pool = PortPool(20_401, 20_405, 30 * S)
    pair = pool.allocate("127.0.0.1", 0)
    assert pair.port == 20_402
    assert pair.rtcp.getsockname()[1] == 20_403
    pair.close()
    assert pool.free == 1


def test_closed_port_is_not_lent_before_it_has_drained() -> None:
    """It stays bound, what comes is counted, and after the time it is free again."""
    pool = PortPool(20_410, 20_411, 30 * S)
    pair = pool.allocate("127.0.0.1", 0)
    pool.release(pair, 100 * S)
    assert (pool.free, pool.draining, pool.next_deadline_ns) == (0, 1, 130 * S)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"late", ("127.0.0.1", 20_410))
        stranger.sendto(b"late", ("127.0.0.1", 20_411))
    with pytest.raises(PortsExhaustedError) as caught:
        pool.allocate("127.0.0.1", 129 * S)
    assert caught.value.sip_status == 503
    again = pool.allocate("127.0.0.1", 130 * S)
    assert (again.port, pool.strays) == (20_410, 2)
    again.close()


def test_port_of_another_program_is_passed_over() -> None:
    """A port in use costs nothing but itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 20_421))
        pool = PortPool(20_420, 20_423, S)
        pair = pool.allocate("127.0.0.1", 0)
        assert pair.port == 20_422
        pair.close()


def test_ipv6_pair() -> None:
    """The same on IPv6."""
    pool = PortPool(20_430, 20_431, S)
    pair = pool.allocate("::1", 0)
    assert pair.rtp.family == socket.AF_INET6
    pair.close()


def test_address_that_is_not_ours_is_refused() -> None:
    """Binding a foreign address fails at once and loses no port."""
    pool = PortPool(20_440, 20_441, S)
    with pytest.raises(PortsExhaustedError, match="cannot bind"):
        pool.allocate("192.0.2.1", 0)
    assert pool.free == 1


def test_wildcard_is_not_advertised() -> None:
    """For 0.0.0.0 an address is found that can be reached."""
    assert local_address("0.0.0.0") not in ("0.0.0.0", "")
    assert local_address("127.0.0.5") == "127.0.0.5"
