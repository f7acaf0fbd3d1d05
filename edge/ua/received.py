"""See every request before pjsua2 does, and answer it without a dialog where that is right.

pjsua2 answers a good deal by itself, not always as a carrier needs it, and says nothing at all to
methods that it does not know. A module of ours between pjsip's transaction layer and its user
agent layer (pjsip/sip_module.h) gets each request first. SIP thread only.

What pjsip keeps of a received message is a C structure whose layout depends on how the library
was built, so the places that we read are found by sending ourselves two requests whose
contents we know. Where they cannot be found, nothing is seen and pjsua2 does what it does.
"""

from __future__ import annotations

import ctypes
import re
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge.ua import pjsip
from edge.ua.shown import shown
from edge.ua.sip_text import reply_port

_PRIORITY = 24
"""After the transaction layer (16), which keeps repeated requests, before the dialogs (32)."""
_LARGEST_BYTES = 128 * 1024
"""No build keeps more of one message than this."""
_PROBE_S = 3.0
_PROBE_EXPIRES_S = 54_321
_NAME = b"mod-cordboard"
_TRANSPORT_OFFSET = ctypes.sizeof(ctypes.c_void_p)
"""``tp_info.transport``, the second pointer of ``pjsip_rx_data``."""
_UDP, _UDP6 = 1, 129
"""``pjsip_transport_type_e``."""

log = structlog.get_logger()


class _Text(ctypes.Structure):
    """``pj_str_t`` of pj/types.h."""

    _fields_ = (("ptr", ctypes.c_char_p), ("slen", ctypes.c_ssize_t))


class _ListMember(ctypes.Structure):
    """Head of a ``pj_list``."""

    _fields_ = (("prev", ctypes.c_void_p), ("next", ctypes.c_void_p))


_OnDropped = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_OnRequest = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class _Module(ctypes.Structure):
    """``pjsip_module`` of pjsip/sip_module.h."""

    _fields_ = (
        ("list", _ListMember),
        ("name", _Text),
        ("id", ctypes.c_int),
        ("priority", ctypes.c_int),
        ("load", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("unload", ctypes.c_void_p),
        ("on_rx_request", _OnRequest),
        ("on_rx_response", ctypes.c_void_p),
        ("on_tx_request", ctypes.c_void_p),
        ("on_tx_response", ctypes.c_void_p),
        ("on_tsx_state", ctypes.c_void_p),
    )


class _Dropped(ctypes.Structure):
    """``pjsip_tp_dropped_data`` of pjsip/sip_transport.h."""

    _fields_ = (
        ("transport", ctypes.c_void_p),
        ("octets", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("status", ctypes.c_int),
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Offsets in bytes inside ``pjsip_rx_data``."""

    packet: int
    source_name: int
    source_port: int
    message: int
    length: int


@dataclass(frozen=True, slots=True)
class Passed:
    """Where pjsip keeps a request that it is going to work on."""

    rdata: int
    """Address of the ``pjsip_rx_data``."""
    message: int
    """Address of the ``pjsip_msg``, its headers taken apart."""


@dataclass(frozen=True, slots=True)
class Response:
    """A final response that needs no dialog."""

    status: int
    """0 answers nothing at all."""
    reason: str = ""
    """Empty takes pjsip's phrase for the status."""
    headers: tuple[tuple[str, str], ...] = ()


class ReceivedRequests:
    """The module.

    Args:
        decide: gets the message and ``address:port`` of its source; returns the response, or
            None to leave the request to pjsua2.
        pass_on: gets what goes to pjsua2 next, its source, and where pjsip keeps it.
        answer_unparsed: gets a datagram that pjsip could not parse and its source; returns the
            response as text, or None.
    """

    def __init__(
        self,
        decide: Callable[[str, str], Response | None],
        pass_on: Callable[[str, str, Passed], None],
        answer_unparsed: Callable[[str, str], str | None],
    ) -> None:
        self._decide = decide
        self._pass_on = pass_on
        self._answer_unparsed = answer_unparsed
        self._on_dropped_pointer = _OnDropped(self._on_dropped)
        self._udp_transport = 0
        self._layout: _Layout | None = None
        self._probe: tuple[bytes, str, int] | None = None
        self._found: set[_Layout] = set()
        self._endpoint = 0
        self._module = _Module()

    def open(self, address: str, port: int, poll: Callable[[int], None]) -> bool:
        """Begin to see requests; False where this build of pjsip does not let us.

        Args:
            address: where the UDP transport listens.
            port: its port.
            poll: lets pjsip work for so many milliseconds.
        """
        library = pjsip.library()
        self._endpoint = library.pjsua_get_pjsip_endpt()
        self._module.name = _Text(_NAME, len(_NAME))
        self._module.id = -1
        self._module.priority = _PRIORITY
        self._module.on_rx_request = _OnRequest(self._on_request)
        result = library.pjsip_endpt_register_module(self._endpoint, ctypes.byref(self._module))
        if result == 0:
            self._calibrate(address, port, poll)
        if self._layout is not None:
            manager = library.pjsip_endpt_get_tpmgr(self._endpoint)
            library.pjsip_tpmgr_set_drop_data_cb(manager, self._on_dropped_pointer)
        else:
            log.warning("requests_unseen", reason="this build of pjsip is laid out differently")
        return self._layout is not None

    # ------------------------------------------------------------ from pjsip

    def _on_request(self, rdata: int) -> int:
        try:
            if self._layout is None:
                return self._find_layout(rdata)
            message, source = self._read(rdata, self._layout)
            response = self._decide(message, source)
            if response is None:
                self._pass_on(message, source, Passed(rdata, _message(rdata, self._layout)))
                self._show(rdata, self._layout)
                return 0
            if response.status:
                self._respond(rdata, response)
        except Exception as error:  # a callback of pjsip: the request stays pjsua2's
            log.error("request_unscreened", exc_info=error)
            return 0
        return 1

    def _on_dropped(self, address: int) -> None:
        try:
            dropped = _Dropped.from_address(address)
            layout = self._layout
            if layout is None or dropped.transport != self._udp_transport or not dropped.octets:
                return  # a stream that is out of step cannot be answered
            text = ctypes.string_at(dropped.octets, min(dropped.length, _LARGEST_BYTES))
            host, port = _source(dropped.octets - layout.packet, layout)
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            answer = self._answer_unparsed(text.decode("utf-8", "replace"), shown)
            if answer is not None:
                self.send(answer.encode(), host, reply_port(answer, port))
        except Exception as error:  # a callback of pjsip: the datagram stays unanswered
            log.error("datagram_unanswered", exc_info=error)

    def send(self, octets: bytes, host: str, port: int) -> None:
        """Send a datagram from the SIP port."""
        six = ":" in host
        if six:
            address = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0)
            address += socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", 0)
        else:
            address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port)
            address += socket.inet_pton(socket.AF_INET, host) + bytes(8)
        library = pjsip.library()
        library.pjsip_tpmgr_send_raw(
            library.pjsip_endpt_get_tpmgr(self._endpoint),
            _UDP6 if six else _UDP,
            None,
            None,
            octets,
            len(octets),
            address,
            len(address),
            None,
            None,
        )

    def _show(self, rdata: int, layout: _Layout) -> None:
        """Change what pjsip has not read yet: it takes bodies apart later."""
        start, octets = _octets(rdata, layout)
        instead = shown(octets)
        if instead is not None:
            ctypes.memmove(start, instead, len(octets))

    def _read(self, rdata: int, layout: _Layout) -> tuple[str, str]:
        _, text = _octets(rdata, layout)
        name, port = _source(rdata, layout)
        host = f"[{name}]" if ":" in name else name
        return text.decode("utf-8", "replace"), f"{host}:{port}"

    def _respond(self, rdata: int, response: Response) -> None:
        library = pjsip.library()
        pool = library.pjsip_endpt_create_pool(self._endpoint, b"cordboard", 1_000, 1_000)
        try:
            head = _ListMember()
            members = [ctypes.addressof(head)]
            for name, value in response.headers:
                header = library.pjsip_generic_string_hdr_create(pool, _text(name), _text(value))
                members.append(header)
            for before, after in zip(members, members[1:] + members[:1], strict=True):
                _ListMember.from_address(before).next = after
                _ListMember.from_address(after).prev = before
            reason = _text(response.reason) if response.reason else None
            library.pjsip_endpt_respond_stateless(
                self._endpoint, rdata, response.status, reason, ctypes.byref(head), None
            )
        finally:
            library.pjsip_endpt_release_pool(self._endpoint, pool)

    # ------------------------------------------------------------ layout

    def _calibrate(self, address: str, port: int, poll: Callable[[int], None]) -> None:
        own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        family = socket.AF_INET6 if ":" in own else socket.AF_INET
        guesses: list[set[_Layout]] = []
        for padding in (3, 41):
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((own, 0))
                source_port = probe.getsockname()[1]
                text = _probe_text(own, source_port, padding)
                self._probe, self._found = (text, own, source_port), set()
                probe.sendto(text, (own, port))
                deadline = time.monotonic() + _PROBE_S
                while not self._found and time.monotonic() < deadline:
                    poll(10)
            guesses.append(self._found)
        self._probe = None
        both = guesses[0] & guesses[1]
        self._layout = min(both, key=lambda each: each.message) if both else None

    def _find_layout(self, rdata: int) -> int:
        if self._probe is None:
            return 0
        text, host, port = self._probe
        memory = ctypes.string_at(rdata, _readable_bytes(rdata))
        packet = memory.find(text)
        if packet < 0:
            return 0  # another's request came first
        after = packet + len(text)
        name = memory.find(host.encode() + b"\0", after)
        source_port = memory.find(struct.pack("=i", port), name)
        pointer = memory.find(struct.pack("P", rdata + packet), source_port)
        if min(name, source_port, pointer) < 0 or source_port - name > 80:
            return 0
        length = pointer + struct.calcsize("P")
        layout = _Layout(packet, name, source_port, pointer, length)
        if struct.unpack_from("=i", memory, length)[0] == len(text) and _reads(rdata, layout):
            self._udp_transport = ctypes.c_void_p.from_address(rdata + _TRANSPORT_OFFSET).value or 0
            self._found = {layout}
        return 1


def _octets(rdata: int, layout: _Layout) -> tuple[int, bytes]:
    """Return where pjsip keeps a message, and the message."""
    start = ctypes.c_void_p.from_address(rdata + layout.message).value or 0
    length = ctypes.c_int.from_address(rdata + layout.length).value
    return start, ctypes.string_at(start, max(0, min(length, _LARGEST_BYTES)))


def _message(rdata: int, layout: _Layout) -> int:
    """Return the ``msg`` of ``pjsip_rx_data.msg_info``, which follows ``msg_buf`` and ``len``."""
    place = rdata + layout.length + ctypes.sizeof(ctypes.c_void_p)
    return ctypes.c_void_p.from_address(place).value or 0


def _reads(rdata: int, layout: _Layout) -> bool:
    return pjsip.session_expires(_message(rdata, layout)) == _PROBE_EXPIRES_S


def _source(rdata: int, layout: _Layout) -> tuple[str, int]:
    name = ctypes.string_at(rdata + layout.source_name).decode("ascii", "replace")
    return name, ctypes.c_int.from_address(rdata + layout.source_port).value


def _text(value: str) -> object:
    octets = value.encode()
    return ctypes.byref(_Text(octets, len(octets)))


def _readable_bytes(address: int) -> int:
    """Return how many bytes from an address on may be read."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
        if found and int(found[1], 16) <= address < int(found[2], 16):
            return min(int(found[2], 16) - address, _LARGEST_BYTES)
    return 0


def _probe_text(host: str, port: int, padding: int) -> bytes:
    shown = f"[{host}]" if ":" in host else host
    token = secrets.token_hex(8)
    lines = (
        f"OPTIONS sip:probe@{shown} SIP/2.0",
        f"Via: SIP/2.0/UDP {shown}:{port};branch=z9hG4bK{token}",
        f"From: <sip:probe@{shown}>;tag={token}",
        f"To: <sip:probe@{shown}>",
        f"Call-ID: {token}",
        "CSeq: 1 OPTIONS",
        "Max-Forwards: 0",
        f"Session-Expires: {_PROBE_EXPIRES_S}",
        f"Subject: {'x' * padding}",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
