import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.ua.messages import EndedBy, UaConfirmed, UaDisconnected, UaInvite, UaNegotiated
from media.messages import CallAnswered
from tests.edge.test_control import AUDIO, Rig

pytestmark = pytest.mark.integration


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    try:
        await rig.start()
        yield rig
    finally:
        await rig.finish()


async def test_a_call_is_taken_over_before_its_ack_was_seen_to(rig: Rig) -> None:
    """Two ACKs of one call that arrive together begin it once; the new dialog ends it."""
    old = rig.invite()
    await rig.wait_told("UaAnswer")
    new = old + 1
    taking = UaInvite(
        leg=new,
        sip_call_id="other",
        from_uri="sip:bob@127.0.0.1",
        from_display="Bob",
        to_uri="sip:100@127.0.0.1",
        request_uri="sip:100@127.0.0.1",
        contact_uri="sip:bob@127.0.0.1:22902",
        source="127.0.0.1:22902",
        transport="UDP",
        local_address="127.0.0.9",
        offer=AUDIO,
        replaces_leg=old,
    )
    rig.confirm(old)
    rig.say(taking)
    rig.say(UaNegotiated(new, AUDIO, AUDIO, 2))
    rig.say(UaDisconnected(old, 200, "", EndedBy.LOCAL))
    rig.say(UaConfirmed(new, 1, "other", "c", "d", "sip:bob@127.0.0.1:22902"))
    time.sleep(0.3)  # noqa: ASYNC251  # control's loop is here: it finds all of it at once
    await rig.agent.hear(CallAnswered)
    rig.hang_up(new)
    over = await rig.ended()
    assert (over.ended_by, over.reason) == ("caller", "caller_hangup")
    assert rig.told("UaHangup") == []
