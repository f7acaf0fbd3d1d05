"""TLS around a test's own UDP peers: openssl's certificates, Python's ssl, no product code."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path


class Authority:
    """Makes certificates.

    Args:
        folder: for the files.
        name: of the authority.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self.certificate = folder / f"{name}.pem"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-keyout", str(folder / f"{name}.key"), "-out", str(self.certificate)),
        )

    def issue(self, name: str, shown: str) -> tuple[Path, Path]:
        """Return certificate and key for names such as ``IP:127.0.0.1`` or ``DNS:a.example``."""
        made = self._folder / f"{self._name}-{name}.pem"
        key, request = made.with_suffix(".key"), made.with_suffix(".csr")
        extensions = made.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={shown}")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-days", "2"),
            *("-CAkey", str(self.certificate.with_suffix(".key")), "-CAcreateserial"),
            *("-out", str(made), "-extfile", str(extensions)),
        )
        return made, key


class Relay:
    """Carries SIP between TLS connections and one UDP peer."""

    def __init__(self) -> None:
        self.connections: list[ssl.SSLSocket] = []
        self.received = 0
        """Octets that came over TLS."""
        self._sockets: list[socket.socket] = []
        self._peers: dict[socket.socket, tuple[str, int]] = {}
        self._threads: list[threading.Thread] = []
        self._open = True

    def serve(self, certificate: tuple[Path, Path], udp_peer: tuple[str, int]) -> int:
        """Listen for TLS; what comes goes to a UDP peer, and its answers back. Return the port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)
        self._spawn(self._accept, listener, context, udp_peer)
        return int(listener.getsockname()[1])

    def connect(self, authority: Path, tls_peer: tuple[str, int]) -> int:
        """Listen for UDP; what comes goes over TLS to a server. Return the port."""
        context = ssl.create_default_context(cafile=str(authority))
        raw = socket.create_connection(tls_peer, 5)
        stream = context.wrap_socket(raw, server_hostname=tls_peer[0])
        inner = self._udp()
        self._spawn(self._to_udp, stream, inner, None)
        self._spawn(self._to_tls, stream, inner)
        return int(inner.getsockname()[1])

    def close(self) -> None:
        """Stop."""
        self._open = False
        for each in (*self._sockets, *self.connections):
            each.close()
        for thread in self._threads:
            thread.join(1)

    def _accept(
        self, listener: socket.socket, context: ssl.SSLContext, peer: tuple[str, int]
    ) -> None:
        while self._open:
            try:
                raw, _ = listener.accept()
                stream = context.wrap_socket(raw, server_side=True)
            except OSError:
                continue
            inner = self._udp()
            self._peers[inner] = peer
            self._spawn(self._to_udp, stream, inner, peer)
            self._spawn(self._to_tls, stream, inner)

    def _udp(self) -> socket.socket:
        inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inner.bind(("127.0.0.1", 0))
        inner.settimeout(0.2)
        self._sockets.append(inner)
        return inner

    def _to_udp(
        self, stream: ssl.SSLSocket, inner: socket.socket, peer: tuple[str, int] | None
    ) -> None:
        self.connections.append(stream)
        stream.settimeout(0.2)
        octets = b""
        while self._open:
            try:
                more = stream.recv(8_192)
            except TimeoutError:
                continue
            except OSError:
                return
            if not more:
                return
            self.received += len(more)
            octets += more
            while (end := _end(octets.lstrip(b"\r\n"))) is not None:
                octets = octets.lstrip(b"\r\n")
                target = peer or self._peers.get(inner)
                if target is not None:
                    inner.sendto(octets[:end], target)
                octets = octets[end:]

    def _to_tls(self, stream: ssl.SSLSocket, inner: socket.socket) -> None:
        while self._open:
            try:
                datagram, source = inner.recvfrom(65_535)
            except TimeoutError:
                continue
            except OSError:
                return
            self._peers.setdefault(inner, source)
            try:
                stream.sendall(datagram.replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS"))
            except OSError:
                return

    def _spawn(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _end(octets: bytes) -> int | None:
    """Return where the first message ends, None where it is not whole."""
    head = octets.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = re.search(rb"^(?:Content-Length|l) *: *(\d+)", octets[:head], re.M | re.I)
    end = head + 4 + (int(length[1]) if length else 0)
    return end if len(octets) >= end else None


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
