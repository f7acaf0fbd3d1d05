"""How a worker is set up; travels on its command line."""

from __future__ import annotations

import json
from dataclasses import dataclass

from media.messages import Message, from_wire, to_wire


@dataclass(frozen=True, slots=True)
class UaSettings(Message):
    """How a worker is set up; travels on its command line, see :func:`settings_text`."""

    address: str = "0.0.0.0"
    """Local address to listen on."""
    public_address: str | None = None
    """Address put into Contact and Via behind NAT."""
    udp_port: int = 5060
    """0 takes any free port; UaReady tells which."""
    tcp_port: int | None = 5060
    tls_certificate: str = ""
    """Path; empty speaks no TLS."""
    tls_key: str = ""
    tls_ca: str = ""
    tls_port: int = 0
    """0 takes any free port."""
    callers: int | None = None
    """Inbound legs at once; None takes the build's slots less one, which is kept for refusing."""
    retry_after_s: int = 10
    user_agent: str = "Cordboard"
    contact: str = ""
    """Contact URI of every dialog; empty lets pjsua2 write its own address."""
    proxy: str = ""
    """Outbound proxy URI of every call, ``sip:host:port;lr``; empty for none."""
    behind_front: bool = False
    """INVITEs come from the front alone: take them with every slot, believe what it says of their
    source, and mark control's refusals as final for it."""
    session_expires_s: int = 1_800
    """RFC 4028 Session-Expires that we ask for; 90 or more."""
    log_level: str = "info"
    log_format: str = "auto"
    log_pii: bool = False


def settings_text(settings: UaSettings) -> str:
    """Serialize settings for the ``--settings`` argument of ``python -m edge.ua``."""
    return json.dumps(to_wire(settings))


def parse_settings(text: str) -> UaSettings:
    """Parse what :func:`settings_text` wrote.

    Raises:
        MessageError: the object is not settings.
        ValueError: the text is not JSON.
    """
    body = json.loads(text)
    parsed = from_wire({**body, "type": "UaSettings"})
    assert isinstance(parsed, UaSettings)
    return parsed
