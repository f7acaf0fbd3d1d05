"""Decide when the SRTP keys that a leg sends with change (sans-IO).

A receiver that begins to listen in the middle of a call counts packets from zero (RFC 3711 section
3.3.1: the roll-over counter is not sent), so after 2**16 packets it could not open what a sender
that counts on sends. Whoever may be a new receiver therefore gets new keys, with which both count
from zero; a hold or a session refresh of the same one does not.

=================================================  ============
description of ours                                our keys
=================================================  ============
answer to an offer with the peer's key and place   stay
answer to an offer with another key or place       are new
our offer: hold, resume, refresh                   stay
our offer to an INVITE without one (late offer)    are new
=================================================  ============
"""

from __future__ import annotations

from dataclasses import replace

from edge.sdp import LocalAudio
from edge.sdp_crypto import take_offer
from edge.sdp_text import UNSPECIFIED, MediaDescription, SdpError, SessionDescription, parse

_Peer = tuple[str | None, str, int]
"""Key, address and port that the peer sends with and listens on."""


class Keying:
    """The keys of one leg.

    Args:
        generation: of the first keys; one more than that of a leg whose stream is taken over.
    """

    def __init__(self, generation: int = 1) -> None:
        self.generation = generation
        self._peer: _Peer | None = None
        self._offerless = False

    def receive_offerless(self) -> None:
        """Note that the peer asked for an offer inside the dialog."""
        self._offerless = self._peer is not None

    def keyed(self, audio: LocalAudio, offer: SessionDescription | None) -> LocalAudio:
        """Return what our next description says.

        Args:
            audio: what media allocated.
            offer: what it answers, None where it is an offer of ours.

        Raises:
            SdpError: the offer has nothing for us.
        """
        if audio.srtp is None:
            return audio
        if offer is not None:
            self._meet(offer.audio(), audio)
        elif self._offerless:
            self._offerless = False
            self.generation += 1
        return replace(audio, srtp=replace(audio.srtp, generation=self.generation))

    def agree(self, audio: LocalAudio, remote_sdp: str) -> None:
        """Note with what the peer ended an offer/answer round."""
        if audio.srtp is None:
            return
        try:
            self._peer = self._peer_of(parse(remote_sdp).audio(), audio)
        except SdpError:
            return  # declined, or nothing that we speak: the call is about to end

    def _meet(self, offered: MediaDescription, audio: LocalAudio) -> None:
        peer = self._peer_of(offered, audio)
        if self._peer is not None and peer != self._peer:
            self.generation += 1
        self._peer = peer

    def _peer_of(self, theirs: MediaDescription, audio: LocalAudio) -> _Peer:
        taken = take_offer(theirs, audio.policy)
        key = taken.key if taken is not None else None
        if theirs.address in UNSPECIFIED and self._peer is not None:  # hold of RFC 2543
            return key, *self._peer[1:]
        return key, theirs.address, theirs.port
