"""See every UDP packet on loopback (AF_PACKET; needs root)."""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass

_ETH_P_ALL = 0x0003
_OUTGOING = 4


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram as it was seen."""

    source: tuple[str, int]
    target: tuple[str, int]
    payload: bytes


class Capture:
    """Collect UDP datagrams on ``lo`` while the context is open."""

    def __init__(self) -> None:
        self.datagrams: list[Datagram] = []
        self._open = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Capture:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.1)
        self._open = True
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join(2)
        self._socket.close()

    def _run(self) -> None:
        while self._open:
            try:
                frame, address = self._socket.recvfrom(65_535)
            except TimeoutError:
                continue
            # on lo every packet is seen leaving and arriving: keep the one that leaves
            if address[2] != _OUTGOING or frame[12:14] != b"\x08\x00" or frame[23] != 17:
                continue
            head = 14 + (frame[14] & 0x0F) * 4
            source_port, target_port, length = struct.unpack_from("!HHH", frame, head)
            self.datagrams.append(
                Datagram(
                    (socket.inet_ntoa(frame[26:30]), source_port),
                    (socket.inet_ntoa(frame[30:34]), target_port),
                    frame[head + 8 : head + length],
                )
            )
