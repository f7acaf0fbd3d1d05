"""Decide, before SIP is spoken, whether a request from outside is let in (sans-IO).

A request is *known* when its source is in a trunk's network, when its Call-ID is that of a dialog
we have, or when its Request-URI carries the token of one of our registrations. Known requests
pass. The others get what the policy says, and less the more often they come:

===========  =========================================  =================================
source is    first ``free`` requests in ``window``      what comes after that
===========  =========================================  =================================
known        pass                                       pass
unknown      accept: pass; forbid: 403; drop: nothing   nothing at all, for ``ignore``
===========  =========================================  =================================

The time for which a source is ignored begins anew with each request that comes in it. A source
that may prove itself by digest passes until it has failed ``free`` times; one that has proved
itself is vouched for and passes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from media.config.model import UnknownSource

SECOND_NS = 1_000_000_000
MOST_SOURCES = 10_000
"""Sources remembered; with forged ones the oldest are forgotten."""


class Admit(StrEnum):
    """What is done with a request."""

    PASS = "pass"
    FORBID = "forbid"
    """403, without a transaction."""
    DROP = "drop"


class RefusalReason(StrEnum):
    """``reason`` of the log line ``sip_source_refused``."""

    UNKNOWN = "unknown"
    """From no trunk."""
    FLOOD = "flood"
    """It went on; nothing is answered for a time."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """What the gate goes by; replaced as a whole at a reload."""

    policy: UnknownSource = UnknownSource.ACCEPT
    networks: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    challenge: bool = False
    """Some trunk lets unknown sources prove themselves by digest."""
    free: int = 8
    window_s: int = 4
    ignore_s: int = 300


@dataclass(slots=True)
class _Source:
    since_ns: int
    count: int = 0
    ignored_until_ns: int = 0
    vouched_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the gate says to one request."""

    admit: Admit
    log: RefusalReason | None = None
    """Given where the refusal is worth a log line: the first of its kind from this source."""


@dataclass(slots=True)
class Gate:
    """The gate of one worker.

    Args:
        known_call: whether a Call-ID is that of a dialog of ours.
    """

    known_call: Callable[[str], bool]
    rules: GateRules = field(default_factory=GateRules)
    refused: int = 0
    _sources: dict[str, _Source] = field(default_factory=dict)
    _networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = field(default_factory=list)
    _known: dict[str, bool] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether everybody passes."""
        return self.rules.policy is UnknownSource.ACCEPT and not self.rules.challenge

    def set_rules(self, rules: GateRules) -> None:
        """Take over new rules; what sources did is kept."""
        self.rules = rules
        self._networks = [ipaddress.ip_network(each, strict=False) for each in rules.networks]
        self._known.clear()

    def vouch(self, address: str, now_ns: int, seconds: int = 3_600) -> None:
        """Let an address pass that has proved who it is."""
        source = self._source(address, now_ns)
        source.count, source.ignored_until_ns = 0, 0
        source.vouched_until_ns = now_ns + seconds * SECOND_NS

    def receive(self, address: str, sip_call_id: str, request_uri: str, now_ns: int) -> Ruling:
        """Judge one request.

        Args:
            address: source address without port.
            sip_call_id: of the request.
            request_uri: of the request.
            now_ns: monotonic.
        """
        rules = self.rules
        if self.is_open:
            return Ruling(Admit.PASS)
        if self._is_known(address) or self.known_call(sip_call_id):
            return Ruling(Admit.PASS)
        if any(f";line={token}" in request_uri for token in rules.tokens):
            return Ruling(Admit.PASS)
        return self._judge_unknown(self._source(address, now_ns), now_ns)

    def _judge_unknown(self, source: _Source, now_ns: int) -> Ruling:
        rules = self.rules
        if now_ns < source.vouched_until_ns:
            return Ruling(Admit.PASS)
        if now_ns < source.ignored_until_ns:
            source.ignored_until_ns = now_ns + rules.ignore_s * SECOND_NS
            self.refused += 1
            return Ruling(Admit.DROP)
        if now_ns - source.since_ns > rules.window_s * SECOND_NS:
            source.since_ns, source.count = now_ns, 0
        source.count += 1
        if source.count > rules.free:
            source.ignored_until_ns = now_ns + rules.ignore_s * SECOND_NS
            self.refused += 1
            return Ruling(Admit.DROP, RefusalReason.FLOOD)
        if rules.challenge or rules.policy is UnknownSource.ACCEPT:
            return Ruling(Admit.PASS)
        self.refused += 1
        first = RefusalReason.UNKNOWN if source.count == 1 else None
        forbid = rules.policy is UnknownSource.FORBID
        return Ruling(Admit.FORBID if forbid else Admit.DROP, first)

    def _is_known(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            try:
                parsed = ipaddress.ip_address(address)
            except ValueError:
                return False
            known = any(parsed.version == n.version and parsed in n for n in self._networks)
            if len(self._known) >= MOST_SOURCES:
                self._known.clear()
            self._known[address] = known
        return known

    def _source(self, address: str, now_ns: int) -> _Source:
        source = self._sources.pop(address, None) or _Source(now_ns)
        self._sources[address] = source  # the latest at the end
        if len(self._sources) > MOST_SOURCES:
            del self._sources[next(iter(self._sources))]
        return source
