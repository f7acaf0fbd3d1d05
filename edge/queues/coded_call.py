"""Take a call by which a person changes their duty: do it, play a short tone, hang up."""

from __future__ import annotations

from pathlib import Path

import media
from edge import sdp
from edge.call_surroundings import Asked
from edge.front.users import phone_of
from edge.queues.desk import QueueDesk
from edge.queues.feature_codes import recognise
from edge.trunks.announcement import Announcement
from edge.trunks.destination import Chain
from edge.trunks.routed import Routed
from edge.ua.messages import UaInvite
from media.config.model import Config
from media.config.trunks import Srtp

CONFIRMED = Path(media.__file__).parent / "sounds" / "confirmed.wav"


def coded_call(
    invite: UaInvite, config: Config, desk: QueueDesk, media_process: Asked
) -> Routed | None:
    """Return where a person's code leads, its change made; None for an ordinary call.

    A call that is about to be refused for its audio changes nothing.

    Args:
        invite: with the source that it really came from.
        config: people, their phones and the codes.
        desk: takes the change.
        media_process: plays the tone.
    """
    change = recognise(invite.request_uri, invite.from_uri, invite.source, invite.headers, config)
    if change is None:
        return None
    phone = phone_of(invite.headers, config)
    srtp = phone.srtp if phone is not None else Srtp.OFF
    if _can_be_answered(invite.offer, srtp):
        desk.change(change)
    tone = Chain((lambda: Announcement(media_process, str(CONFIRMED)),))
    return Routed(tone, rule=f"feature code {change.duty}", srtp=srtp)


def _can_be_answered(offer: str, srtp: Srtp) -> bool:
    try:
        if offer:
            sdp.check_offer(sdp.parse(offer), sdp.CODECS, srtp)
    except sdp.SdpError:
        return False
    return True
