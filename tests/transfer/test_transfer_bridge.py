from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.client_messages import TransferEndedNews
from media.messages import SuspendConversation
from tests.transfer.rig import Rig, until
from tests.transfer.rtp import MS

pytestmark = pytest.mark.integration

MUSIC_MS = 300
"""From the decision to the first packet of music; under 100 on a machine that is not busy."""
TWO_WAY_MS = 400
"""From the key's release to each other's voice; under 150 on a machine that is not busy."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    try:
        ann = await rig.phone("ann")
        await rig.start(
            {"ann": {"phone": ann.uri}},
            {"support": {"members": {"ann": {}}, "wrap_up_s": 0, "ring_timeout_s": 3}},
        )
        yield rig
    finally:
        await rig.stop()


async def test_a_caller_is_put_through(rig: Rig) -> None:
    """Music at once, the display, the whisper, the key, two voices and nobody else, the end."""
    caller, ann = await rig.caller(), rig.phones[0]
    caller.ask()
    await caller.hears("music")
    music_ns = caller.dialog.first_heard("music", caller.decided_ns)
    assert music_ns is not None
    await until(lambda: ann.dialogs and ann.last.heard() == {"whisper"}, 5, rig.log)
    invite = ann.last.invite
    assert invite is not None
    assert '"caller broken router"' in invite.header("from")
    assert "sip:caller@" in invite.header("p-asserted-identity")
    assert invite.header("alert-info") == "<urn:alert:source:external>"
    assert caller.call_id in invite.header("call-info")
    assert invite.header("x-cordboard-call") == caller.call_id
    assert "Their router is broken." in rig.agent.spoken[0].text
    assert "Press 1" in rig.agent.spoken[0].text
    assert len(rig.agent.heard(SuspendConversation)) == 1
    pressed_ns = ann.last.press("1")
    await caller.hears("ann")
    await until(lambda: ann.last.hears("caller"))
    delays = caller.two_way_ms(ann, pressed_ns)
    print(f"two-way audio after the key: {[round(each) for each in delays]} ms")
    assert max(delays) < TWO_WAY_MS
    assert caller.dialog.heard(music_ns) == {"music", "ann"}
    assert ann.last.heard() <= {"whisper", "caller"}
    ann.last.hang_up()
    await until(lambda: caller.dialog.ended_ns, 3, rig.log)
    (attempt,) = await rig.recorded(caller.call_id, "connected")
    stages = ("dialed", "ringing", "answered", "accepted", "connected", "ended")
    times = [attempt[f"{each}_ms"] for each in stages]
    assert times == sorted(times)
    music_ms = attempt["music_ms"]
    print(
        f"music after {music_ms} ms by the record, {(music_ns - caller.decided_ns) / MS:.0f} heard"
    )
    assert music_ms < MUSIC_MS
    ended = [each for each in rig.news if isinstance(each, TransferEndedNews)]
    assert [(each.result, each.attempts) for each in ended] == [("human_hangup", 1)]
    await rig.level()
