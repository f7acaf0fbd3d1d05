"""Say what the dial plan decided for one call, as the call's task needs it."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.call_parts import CallTimers
from edge.trunks.destination import Destination
from media.config.trunks import Srtp


@dataclass(slots=True)
class Routed:
    """Where one call goes."""

    destination: Destination
    agent: str | None = None
    """Persona that the first action names."""
    rule: str | None = None
    """Name of the dial rule, or ``rule N``; the record keeps it."""
    apology_file: str = ""
    """WAV that is played when a conversation breaks."""
    refusal_headers: dict[str, str] = field(default_factory=dict)
    """Go with a final refusal; stronger than those that the call itself puts there."""
    direction: str = "inbound"
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """In the trunk's order of preference."""
    dtmf_in_audio: bool = True
    """Agree on telephone-event (RFC 4733)."""
    srtp: Srtp = Srtp.OFF
    timers: CallTimers | None = None
    """None takes the service's."""
