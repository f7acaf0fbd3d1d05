"""Take a call by which a person changes their duty: do it, play a short tone, hang up."""

from __future__ import annotations

from pathlib import Path

import media
from edge.call_surroundings import Asked
from edge.queues.desk import QueueDesk
from edge.queues.feature_codes import recognise
from edge.trunks.announcement import Announcement
from edge.trunks.destination import Chain
from edge.trunks.routed import Routed
from edge.ua.messages import UaInvite
from media.config.model import Config

CONFIRMED = Path(media.__file__).parent / "sounds" / "confirmed.wav"


def coded_call(
    invite: UaInvite, config: Config, desk: QueueDesk, media_process: Asked
) -> Routed | None:
    """Return where a person's code leads, its change made; None for an ordinary call.

    Args:
        invite: with the source that it really came from.
        config: people, their phones and the codes.
        desk: takes the change.
        media_process: plays the tone.
    """
    change = recognise(invite.request_uri, invite.from_uri, invite.source, invite.headers, config)
    if change is None:
        return None
    desk.change(change)
    tone = Chain((lambda: Announcement(media_process, str(CONFIRMED)),))
    return Routed(tone, rule=f"feature code {change.duty}")
