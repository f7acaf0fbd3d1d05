"""Say what Kamailio before the UA workers may be told, and what a desk phone is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from media.config.checks import Between, Matching, PathText, Port
from media.config.secrets import Credentials
from media.config.trunks import Srtp

PHONE_NAME = Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "the user part of a SIP address, as anna")


@dataclass(frozen=True, slots=True)
class FrontConfig:
    """Kamailio before the UA workers; used with ``sip.front: kamailio``."""

    worker_port: Port = 5062
    """UDP port of 127.0.0.1 on which Kamailio and the UA workers talk."""
    tls_port: Port = 5061
    """SIP over TLS 1.2 and 1.3, where a certificate is given."""
    tls_certificate: PathText | None = None
    """Certificate chain (PEM); none listens for no TLS."""
    tls_key: PathText | None = None
    """Private key (PEM) without passphrase."""
    tls_ca: PathText = "/etc/ssl/certs/ca-certificates.crt"
    """Certificates (PEM) that vouch for trunks with ``transport: tls``; a file with only the
    carrier's makes Kamailio start seconds sooner."""
    flood_requests: Annotated[int, Between(1, 1_000_000)] = 60
    """Requests outside of calls that a source may send within 2 s; one more bans it. Sources of
    trunks have no such limit."""
    refusals: Annotated[int, Between(1, 100_000)] = 10
    """Requests of an unknown source that are refused within a minute; one more bans it."""
    wrong_passwords: Annotated[int, Between(1, 1_000)] = 5
    """Wrong passwords for one user from one source within five minutes until that pair is banned;
    four times as many for any users ban the source."""
    ban_s: Annotated[int, Between(1, 86_400, "s")] = 300
    """How long a banned source is not even answered."""
    registration_s: Annotated[int, Between(60, 3_600, "s")] = 300
    """Longest time that a desk phone may stay registered without saying so again."""


@dataclass(frozen=True, slots=True)
class PhoneConfig(Credentials):
    """A desk phone or softphone that registers here with digest."""

    username: str = ""
    """Digest user; left out, the phone's name."""
    srtp: Srtp = Srtp.OFF
    """Encrypted audio of its calls, in and out."""
    description: str = ""
