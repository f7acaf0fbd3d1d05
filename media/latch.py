"""Decide whose packets are the far end's: symmetric RTP with source checking.

The SDP says where the far end listens, which behind a NAT is not where it sends from. So we latch
on the first plausible source, send there, and from then on take nothing from elsewhere.

=====================================  =====================================================
a valid packet from                    is taken
=====================================  =====================================================
the source latched on                  always
the very address and port of the SDP   at once, if we never latched on it before in this round
the SDP's host, other port             at once while nothing is latched
another host                           after three in sequence while nothing is latched; at once
                                       if the SDP's address is private (a NAT is certain)
any of these                           also when the latched source was silent for 3 s
=====================================  =====================================================
"""

from __future__ import annotations

import ipaddress

Source = tuple[str, int]
"""Host and port, as the socket gives them."""

SILENCE_NS = 3_000_000_000
_PROBATION_PACKETS = 3
_BEHIND_NAT = [
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]
"""Addresses that cannot be reached as they are written (RFC 1918, RFC 6598, RFC 4193)."""


class SourceLatch:
    """The far end's source, as far as it is known."""

    def __init__(self) -> None:
        self.foreign = 0
        self.latched: Source | None = None
        self._signalled: Source = ("", 0)
        self._signalled_latched = False
        self._open = True
        self._last_ns = 0
        self._candidate: tuple[Source, int, int] | None = None
        self._candidate_packets = 0

    def signal(self, host: str, port: int) -> None:
        """Take the address of an offer/answer round; another than before opens the latch."""
        signalled = (_normalise(host), port)
        if signalled == self._signalled:
            return
        self._signalled = signalled
        self._signalled_latched = False
        self._open = True

    @property
    def target(self) -> Source:
        """Where to send RTP."""
        if self.latched is not None and not self._moved:
            return self.latched
        return self._signalled

    @property
    def _moved(self) -> bool:
        # a new address was signalled and nobody has spoken from it yet: RFC 3264 section 8.3.1
        # has us send to the new one at once
        return self._open and self.latched is not None

    def receive(self, source: Source, ssrc: int, sequence: int, now_ns: int) -> bool:
        """Say whether a valid packet is the far end's; False counts it as foreign."""
        source = (_normalise(source[0]), source[1])
        if source == self.latched:
            self._last_ns = now_ns
            return True
        if self._is_plausible(source, ssrc, sequence, now_ns):
            self.latched = source
            self._signalled_latched |= source == self._signalled
            self._open = False
            self._candidate = None
            self._last_ns = now_ns
            return True
        self.foreign += 1
        return False

    def accepts_rtcp(self, source: Source) -> bool:
        """Say whether a control packet may be the far end's: same host, any port."""
        host = _normalise(source[0])
        known = self.latched if self.latched is not None else self._signalled
        return host in (known[0], self._signalled[0])

    def _is_plausible(self, source: Source, ssrc: int, sequence: int, now_ns: int) -> bool:
        if source == self._signalled and not self._signalled_latched:
            return True
        silent = self.latched is not None and now_ns - self._last_ns >= SILENCE_NS
        if not (self._open or silent):
            return False
        if source[0] == self._signalled[0]:
            return True
        return self._passes_probation(source, ssrc, sequence) or (
            self.latched is None and _is_private(self._signalled[0])
        )

    def _passes_probation(self, source: Source, ssrc: int, sequence: int) -> bool:
        follows = self._candidate == (source, ssrc, sequence)
        self._candidate_packets = self._candidate_packets + 1 if follows else 1
        self._candidate = (source, ssrc, (sequence + 1) & 0xFFFF)
        return self._candidate_packets >= _PROBATION_PACKETS


def _normalise(host: str) -> str:
    """Drop the scope and the IPv4 mapping that a dual-stack socket adds."""
    bare = host.split("%", 1)[0]
    return bare[7:] if bare.lower().startswith("::ffff:") and "." in bare else bare


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _BEHIND_NAT if network.version == address.version)
