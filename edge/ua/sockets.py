"""Silence the sockets that pjsua2 opens for media, which is not its job here.

pjsua2 binds an RTP and an RTCP socket for each leg and would send RTCP from them to the peer. A
datagram socket that has been shut down for writing refuses every sendto with EPIPE (Linux,
``sock_alloc_send_pskb``), so nothing can leave, whoever asks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from media import LocalError

LOOPBACK = "127.0.0.1"
_DISCARD_PORT = 9


class SocketNotSilencedError(LocalError):
    """A media socket of pjsua2 could not be found or shut; the leg must not go on."""


def silence_media_sockets(port_min: int) -> set[int]:
    """Shut every loopback datagram socket of this process at ``port_min`` or above for sending.

    Returns:
        The local ports that are silent now.

    Raises:
        SocketNotSilencedError: a socket in the range still sends.
    """
    silenced: set[int] = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are numbers, not paths
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as each:
                if each.family != socket.AF_INET or each.type != socket.SOCK_DGRAM:
                    continue
                address, port = each.getsockname()
                if address == LOOPBACK and port >= port_min:
                    _silence(each)
                    silenced.add(port)
    return silenced


def _silence(each: socket.socket) -> None:
    # connecting first makes shutdown() legal, and keeps strangers' datagrams out
    each.connect((LOOPBACK, _DISCARD_PORT))
    each.shutdown(socket.SHUT_WR)
    try:
        each.sendto(b"", (LOOPBACK, _DISCARD_PORT))
    except BrokenPipeError:
        return
    raise SocketNotSilencedError(f"socket {each.getsockname()} still sends")


def local_address_toward(address: str) -> str:
    """Return the local address that the kernel would send from to reach an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, _DISCARD_PORT))
        return str(probe.getsockname()[0])
