"""Say on what terms a call comes in: session timers and reliable answers of its trunk (sans-IO).

INVITEs that do not meet them are refused (:mod:`edge.ua.extensions`); the rest is pjsip's, which
reads it from the account that an INVITE is for and from the INVITE (:mod:`edge.ua.accounts`).
Calls from no trunk come in on the terms of a trunk that says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.trunks.digest import parse_credentials
from edge.trunks.recognition import Recognition
from edge.ua.proxied import IDENTITY_HEADER, true_source
from edge.ua.sip_text import SipText
from media.config.model import UnknownSource
from media.config.trunks import OnOff, Refresher, TrunkConfig
from media.messages import Message


@dataclass(frozen=True, slots=True)
class Terms:
    """RFC 4028 and RFC 3262, as one trunk wants them."""

    session_timers: OnOff = OnOff.SUPPORTED
    expires_s: int | None = None
    """Session-Expires at most, but for what the caller's Min-SE asks; None takes the worker's."""
    min_s: int = 90
    refresher: Refresher = Refresher.AUTO
    """Who refreshes where the caller leaves it open."""
    rel100: OnOff = OnOff.SUPPORTED


USUAL = Terms()


@dataclass(frozen=True, slots=True)
class TrunkTerms:
    """A trunk's terms, and how its calls are recognised."""

    terms: Terms
    sources: tuple[str, ...] = ()
    user: str = ""
    """Of inbound digest, empty without."""


@dataclass(frozen=True, slots=True)
class UaTerms(Message):
    """On what terms calls come in; replaced as a whole."""

    trunks: dict[str, TrunkTerms] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    """Line token of a registration's contact to trunk."""
    servers: dict[str, str] = field(default_factory=dict)
    """Resolved address of a server that we register at to trunk."""


class TermsBook:
    """The terms of every trunk.

    Args:
        behind_front: whether the front says where a request comes from, and who it is.
    """

    def __init__(self, *, behind_front: bool = False) -> None:
        self._behind_front = behind_front
        self.set_rules(UaTerms())

    def set_rules(self, message: UaTerms) -> None:
        """Take over the terms of a loaded configuration."""
        self._trunks = message.trunks
        marks = {name: TrunkConfig(sources=each.sources) for name, each in self._trunks.items()}
        self._recognition = Recognition(
            marks, UnknownSource.ACCEPT, message.tokens, message.servers
        )
        self._users = {each.user: name for name, each in self._trunks.items() if each.user}

    def of(self, text: SipText, source: str) -> Terms:
        """Return the terms of an INVITE.

        Args:
            text: the INVITE.
            source: ``address:port`` of the datagram.
        """
        trunk = self._trunk_of(text, source)
        return self._trunks[trunk].terms if trunk in self._trunks else USUAL

    def _trunk_of(self, text: SipText, source: str) -> str:
        if self._behind_front:
            kind, _, name = text.header(IDENTITY_HEADER.lower()).partition(":")
            if kind:
                return name if kind == "trunk" else ""
            source = true_source(text.headers, source)
        found = self._recognition.recognise(source, text.request_uri).trunk or ""
        if found and not self._trunks[found].user:
            return found
        # who names a user is about to be asked for its password: a wrong one gets no further
        given = parse_credentials(text.header("authorization"))
        given += parse_credentials(text.header("proxy-authorization"))
        named = (self._users.get(each.value("username")) for each in given)
        return next((name for name in named if name), found)
