"""Lend pairs of UDP ports; a returned pair stays bound and drains before it is lent again.

A caller's last packets, or a phone that never noticed the hang-up, must not be heard in the next
call: for ``drain_s`` the sockets stay open and what comes is read, counted and thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections import deque
from dataclasses import dataclass

from media import RemoteError

_EXPEDITED_FORWARDING = 0xB8
"""DSCP 46 (RFC 4594 section 4.1)."""
_RECEIVE_BUFFER_BYTES = 256 * 1024
_MAX_READS = 64


class PortsExhaustedError(RemoteError):
    """No pair of ports is free."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sip_status=503)


@dataclass(frozen=True, slots=True)
class PortPair:
    """Two bound sockets; RTCP is one above RTP (RFC 3550 section 11)."""

    address: str
    port: int
    rtp: socket.socket
    rtcp: socket.socket

    def close(self) -> None:
        """Close both."""
        self.rtp.close()
        self.rtcp.close()


class PortPool:
    """The even ports of a range, lent in turn so that each rests as long as possible.

    Args:
        port_min: lowest port.
        port_max: highest; RTP ports are the even ones in between.
        drain_ns: how long a returned pair rests.
    """

    def __init__(self, port_min: int, port_max: int, drain_ns: int) -> None:
        first = port_min + port_min % 2
        self._free: deque[int] = deque(range(first, port_max, 2))
        self._draining: deque[tuple[int, PortPair]] = deque()
        self._drain_ns = drain_ns
        self.strays = 0
        """Datagrams that came to a port after its call."""

    @property
    def free(self) -> int:
        """Pairs that can be lent now."""
        return len(self._free)

    @property
    def draining(self) -> int:
        """Pairs at rest."""
        return len(self._draining)

    @property
    def next_deadline_ns(self) -> int | None:
        """When the first resting pair is free again."""
        return self._draining[0][0] if self._draining else None

    def allocate(self, address: str, now_ns: int) -> PortPair:
        """Bind the next free pair.

        Raises:
            PortsExhaustedError: none is left, or the address is not ours.
        """
        self.poll(now_ns)
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                return _bind(address, port)
            except OSError as error:
                self._free.append(port)
                if error.errno != errno.EADDRINUSE:
                    raise PortsExhaustedError(f"cannot bind {address}: {error.strerror}") from error
        raise PortsExhaustedError("no RTP port is free")

    def release(self, pair: PortPair, now_ns: int) -> None:
        """Put a pair to rest."""
        self._draining.append((now_ns + self._drain_ns, pair))
        self.poll(now_ns)

    def poll(self, now_ns: int) -> None:
        """Empty the resting sockets; close those that have rested enough."""
        for _, pair in self._draining:
            self.strays += _discard(pair.rtp) + _discard(pair.rtcp)
        while self._draining and self._draining[0][0] <= now_ns:
            _, pair = self._draining.popleft()
            pair.close()
            self._free.append(pair.port)

    def close(self) -> None:
        """Close all resting sockets at the end of the process."""
        while self._draining:
            _, pair = self._draining.popleft()
            pair.close()
            self._free.append(pair.port)


def _bind(address: str, port: int) -> PortPair:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as undo:
        pair: list[socket.socket] = []
        for number in (port, port + 1):
            each = socket.socket(family, socket.SOCK_DGRAM)
            undo.callback(each.close)
            each.setblocking(False)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
            else:
                each.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)
            each.bind((address, number))
            pair.append(each)
        undo.pop_all()
        return PortPair(address, port, pair[0], pair[1])


def _discard(sock: socket.socket) -> int:
    for count in range(_MAX_READS):
        try:
            sock.recv(1)
        except BlockingIOError:
            return count
        except OSError:
            # an ICMP error of the last packets we sent; the socket is fine
            continue
    return _MAX_READS


def local_address(address: str) -> str:
    """Return an address to advertise for a wildcard: the one of the default route."""
    if address not in ("0.0.0.0", "::"):
        return address
    family, probe, fallback = (
        (socket.AF_INET, "192.0.2.1", "127.0.0.1")
        if address == "0.0.0.0"
        else (socket.AF_INET6, "2001:db8::1", "::1")
    )
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            # no packet is sent: connecting a datagram socket only asks for the route
            sock.connect((probe, 9))
        except OSError:
            return fallback
        return str(sock.getsockname()[0])
