"""Connecting by REFER with Replaces: carriers are SIPp, the phone is rung over real SIP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from edge.ua.sip_text import parse_refer_to
from tests.transfer import sipp
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Phone
from tests.transfer.rig import Rig, until

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

BYE = sipp.receive("BYE") + sipp.reply("200 OK")
REFER = sipp.receive("REFER")
OK, BUSY = "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide a switchboard whose trunks take REFER, or are said to."""
    rig = Rig(tmp_path_factory.mktemp("refer"))
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob", "cleo")}
        queue = {**QUICK, "members": {"ann": {}}, "refer_news_s": 0.8, "refer_s": 1.5}
        trunks = {
            name: {"sources": f"127.0.0.{number}", "transfer": transfer}
            for name, number, transfer in (
                ("carrier", 2, "refer"),
                ("grumpy", 3, "refer"),
                ("unknown", 4, "auto"),
                ("lan", 1, "refer"),
            )
        }
        await rig.start(people, {"support": queue}, {"trunks": trunks})
        yield rig
    finally:
        await rig.stop()


async def referred(
    rig: Rig, ann: Phone, *steps: str, address: str = "127.0.0.2"
) -> tuple[sipp.Sipp, str]:
    """Have a carrier call, transfer its caller, and accept; return the carrier and the call."""
    known = set(rig.agent.streams)
    carrier = sipp.Sipp(rig.folder, sipp.carrier(*steps), address, target=f"127.0.0.1:{rig.port}")
    await carrier.start()
    await until(lambda: set(rig.agent.streams) - known, 5, rig.log)
    (call_id,) = set(rig.agent.streams) - known
    await asyncio.sleep(0.3)
    rig.agent.transfer(call_id)
    await until(lambda: ann.dialogs and ann.last.up and ann.last.heard(), 6, rig.log)
    ann.last.press("1")
    return carrier, call_id


async def speak(phone: Phone) -> None:
    """Let the key go and be heard for a moment: who hangs up unheard has not been connected."""
    await until(lambda: phone.last.rtp.released_ns, 3)
    await asyncio.sleep(0.5)


async def ended(rig: Rig, call_id: str) -> dict[str, Any]:
    """Return the log line of a call's end."""
    found = lambda: [e for e in rig.events("call_ended") if e["call_id"] == call_id]  # noqa: E731
    await until(found, 6, rig.log)
    return found()[0]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((REFER, sipp.reply("202 Accepted"), sipp.notify(2, OK), BYE), id="202-200"),
        pytest.param(
            (
                REFER,
                sipp.reply("202 Accepted"),
                sipp.notify(2, "SIP/2.0 100 Trying", "active;expires=60"),
                sipp.notify(3, "SIP/2.0 180 Ringing", "active;expires=60"),
                sipp.notify(4, OK),
                BYE,
            ),
            id="202-100-180-200",
        ),
        pytest.param((REFER, sipp.reply("200 OK", "Refer-Sub: false"), BYE), id="no-subscription"),
    ],
)
async def test_a_carrier_that_takes_the_call_over(
    rig: Rig, ann: Phone, steps: tuple[str, ...]
) -> None:
    """Both our legs are released, the record says transferred, every slot is free."""
    carrier, call_id = await referred(rig, ann, *steps)
    await carrier.done()
    assert (await ended(rig, call_id))["reason"] == "transferred"
    await rig.recorded(call_id, "connected")  # type: ignore[arg-type]
    await until(lambda: ann.last.ended_ns, 2, rig.log)
    assert rig.events("transfer_ended")[-1]["result"] == "handed_over"
    await rig.level()


async def test_what_the_carrier_is_asked(rig: Rig, ann: Phone) -> None:
    """Refer-To names the phone's Contact and, by Replaces, the very dialog we have with it."""
    carrier, _ = await referred(
        rig, ann, REFER, sipp.reply("202 Accepted"), sipp.notify(2, OK), BYE
    )
    await carrier.done()
    text = carrier.trouble()
    value = next(x for x in text.splitlines() if x.lower().startswith("refer-to:"))
    uri, target = parse_refer_to(value.partition(":")[2].strip())
    assert uri == ann.uri and target is not None
    assert (target.sip_call_id, target.to_tag) == (ann.last.call_id, ann.last.local_tag)
    assert target.from_tag == ann.last.remote_tag


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((REFER, sipp.reply("202 Accepted")), id="202-then-silence"),
        pytest.param(
            (REFER, sipp.reply("202 Accepted"), sipp.notify(2, "")), id="202-then-no-body"
        ),
        pytest.param((REFER, sipp.reply("202 Accepted"), sipp.notify(2, BUSY)), id="202-then-486"),
        pytest.param((REFER, sipp.reply("401 Unauthorized")), id="401"),
        pytest.param((REFER, sipp.reply("491 Request Pending")), id="491"),
    ],
)
async def test_a_carrier_that_does_not_take_the_call_over(
    rig: Rig, ann: Phone, steps: tuple[str, ...]
) -> None:
    """The person is still there: the two are joined here, and the outcome is connected."""
    carrier, call_id = await referred(rig, ann, *steps, BYE)
    await until(lambda: rig.events("transfer_started"), 1)
    joined = lambda: [  # noqa: E731
        each for each in rig.news if getattr(each, "what", "") == "connected"
    ]
    await until(joined, 5, rig.log)
    await speak(ann)
    ann.last.hang_up()
    await carrier.done()
    assert (await ended(rig, call_id))["reason"] == "human_hangup"
    await rig.recorded(call_id, "connected")  # type: ignore[arg-type]
    await rig.level()


async def test_a_refusal_is_remembered(rig: Rig, ann: Phone) -> None:
    """After 405 the trunk is not asked again; both callers are connected by the bridge."""
    for steps in ((REFER, sipp.reply("405 Method Not Allowed"), BYE), (BYE,)):
        rig.news.clear()
        carrier, call_id = await referred(rig, ann, *steps, address="127.0.0.3")
        await until(lambda: any(getattr(e, "what", "") == "connected" for e in rig.news), 5)
        await speak(ann)
        ann.last.hang_up()
        await carrier.done()
        await rig.recorded(call_id, "connected")  # type: ignore[arg-type]


async def test_a_trunk_that_is_not_known_to_take_refer(rig: Rig, ann: Phone) -> None:
    """``auto`` is the bridge."""
    carrier, call_id = await referred(rig, ann, BYE, address="127.0.0.4")
    await until(lambda: any(getattr(e, "what", "") == "connected" for e in rig.news), 5)
    await speak(ann)
    ann.last.hang_up()
    await carrier.done()
    await rig.recorded(call_id, "connected")  # type: ignore[arg-type]
