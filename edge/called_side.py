"""Say whom an outbound leg calls, how it is announced, and on what terms."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.ua.messages import UaDial
from media.config.trunks import Srtp


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to call, and how it is announced."""

    uri: str
    from_uri: str
    display: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    user: str = ""
    password: str = ""
    proxy: str = ""
    address: str | None = None
    """Address to bind and advertise for the audio; None takes media's."""
    registered: str = ""
    """Name under which the called phone is registered at the front, which alone knows where it is
    and so which address of ours it can send audio to."""
    dtmf_in_audio: bool = True
    """Offer telephone-event (RFC 4733)."""
    session_timers: str = "supported"
    session_expires_s: int | None = None
    session_min_s: int = 90
    session_refresher: str = "auto"
    rel100: str = "supported"
    srtp: Srtp = Srtp.OFF
    silence_s: float | None = None
    """Given up when nothing at all has come back to the INVITE for so long; None waits for the
    stack's own Timer B, 32 s (RFC 3261 section 17.1.1.2)."""

    def dial(self, leg: int, media_address: str, media_port: int, srtp_secret: str) -> UaDial:
        """Return the worker's order to call."""
        return UaDial(
            leg,
            self.uri,
            self.from_uri,
            media_address,
            media_port,
            self.display,
            self.headers,
            self.codecs,
            dtmf_payload_type=101 if self.dtmf_in_audio else None,
            srtp=self.srtp,
            srtp_secret=srtp_secret,
            user=self.user,
            password=self.password,
            proxy=self.proxy,
            session_timers=self.session_timers,
            session_expires_s=self.session_expires_s,
            session_min_s=self.session_min_s,
            session_refresher=self.session_refresher,
            rel100=self.rel100,
        )
