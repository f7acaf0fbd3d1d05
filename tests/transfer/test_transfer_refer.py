"""Connecting by REFER with Replaces: carriers are SIPp, the phone is rung over real SIP."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from edge.trunks.digest import parse_credentials
from edge.ua.sip_text import parse_refer_to
from media.messages import CallId, ResumeConversation
from tests.transfer import sipp
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Phone
from tests.transfer.rig import Rig, until

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

BYE = sipp.receive("BYE") + sipp.reply("200 OK")
REFER = sipp.receive("REFER")
OK, BUSY = "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here"
DECLINED, MISSING = "SIP/2.0 603 Decline", "SIP/2.0 404 Not Found"
TRYING = "SIP/2.0 100 Trying"
ASKED = 'WWW-Authenticate: Digest realm="carrier", nonce="n0nce", algorithm=MD5, qop="auth"'
TEAM = "sip:team@127.0.0.8:29197"
EARLY = (
    sipp.receive_kept("REFER"),
    sipp.notify(2, TRYING, "active;expires=60"),
    sipp.reply_kept("202 Accepted"),
)
"""The first NOTIFY is quicker than the 202."""
BUSY_THEN_TAKEN = (
    *(REFER, sipp.reply("202 Accepted"), sipp.notify(2, BUSY)),
    *(REFER, sipp.reply("202 Accepted"), sipp.notify(3, OK), BYE),
)
"""The first person is busy, the second has the caller."""


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
                ("asking", 5, "refer"),
                ("blind", 6, "blind_refer"),
                ("ignorant", 7, "blind_refer"),
            )
        }
        account = {"username": "cordboard", "password": "secret", "retry_s": 600}
        trunks["asking"] |= {"register": account, "servers": "127.0.0.9:29198"}
        queues = {
            "support": queue,
            "two": {**queue, "members": {"ann": {}, "bob": {}}, "connect": "blind_refer"},
            "outside": {**queue, "members": {}, "outside": TEAM, "connect": "blind_refer"},
            "number": {**queue, "members": {}, "outside": "tel:+4930123456"},
            "spare": {
                **queue,
                "members": {},
                "outside": TEAM,
                "connect": "blind_refer",
                "on_no_answer": "queue support",
            },
            "ours": {**queue, "members": {}, "outside": people["cleo"]["phone"]},
        }
        await rig.start(people, queues, {"trunks": trunks})
        yield rig
    finally:
        await rig.stop()


async def referred(
    rig: Rig, ann: Phone, *steps: str, address: str = "127.0.0.2"
) -> tuple[sipp.Sipp, CallId]:
    """Have a carrier call, transfer its caller, and accept; return the carrier and the call."""
    carrier, call_id = await asked(rig, "support", *steps, address=address)
    await until(lambda: ann.dialogs and ann.last.up and ann.last.heard(), 6, rig.log)
    ann.last.press("1")
    return carrier, call_id


async def asked(
    rig: Rig, queue: str, *steps: str, address: str = "127.0.0.6"
) -> tuple[sipp.Sipp, CallId]:
    """Have a carrier call, and the AI ask for the people of a queue."""
    known = set(rig.agent.streams)
    carrier = sipp.Sipp(rig.folder, sipp.carrier(*steps), address, target=f"127.0.0.1:{rig.port}")
    await carrier.start()
    await until(lambda: set(rig.agent.streams) - known, 5, rig.log)
    (call_id,) = set(rig.agent.streams) - known
    await asyncio.sleep(0.3)
    rig.agent.transfer(call_id, queue)
    return carrier, call_id


def refer_to(carrier: sipp.Sipp) -> str:
    """Return the value of the Refer-To that a carrier was sent."""
    lines = carrier.trouble().splitlines()
    return next(x for x in lines if x.lower().startswith("refer-to:")).partition(":")[2].strip()


async def speak(phone: Phone) -> None:
    """Let the key go and be heard for a moment: who hangs up unheard has not been connected."""
    await until(lambda: phone.last.rtp.released_ns, 3)
    await asyncio.sleep(0.5)


async def expect_bridged(rig: Rig, phone: Phone, carrier: sipp.Sipp, call_id: CallId) -> None:
    """Expect that the two are joined here, and that the call ends when the person hangs up."""
    joined = lambda: [e for e in rig.news if getattr(e, "what", "") == "connected"]  # noqa: E731
    await until(joined, 5, rig.log)
    await speak(phone)
    phone.last.hang_up()
    await carrier.done()
    assert (await ended(rig, call_id))["reason"] == "human_hangup"
    (attempt,) = await rig.recorded(call_id, "connected")
    assert attempt["accepted_ms"] is not None


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
        pytest.param((*EARLY, sipp.notify(3, OK), BYE), id="notify-100-before-202"),
        pytest.param(
            (
                sipp.receive_kept("REFER"),
                sipp.notify(2, OK),
                sipp.reply_kept("202 Accepted"),
                BYE,
            ),
            id="notify-200-before-202",
        ),
    ],
)
async def test_a_carrier_that_takes_the_call_over(
    rig: Rig, ann: Phone, steps: tuple[str, ...]
) -> None:
    """Both our legs are released, the record says transferred, every slot is free."""
    carrier, call_id = await referred(rig, ann, *steps)
    await carrier.done()
    assert (await ended(rig, call_id))["reason"] == "transferred"
    await rig.recorded(call_id, "connected")
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
        pytest.param((REFER, sipp.reply("401 Unauthorized", ASKED)), id="401"),
        pytest.param((*EARLY, sipp.notify(3, BUSY)), id="notify-before-202-then-486"),
        pytest.param((REFER, sipp.reply("202 Accepted"), sipp.notify(2, DECLINED)), id="603-later"),
        pytest.param((REFER, sipp.reply("491 Request Pending")), id="491"),
    ],
)
async def test_a_carrier_that_does_not_take_the_call_over(
    rig: Rig, ann: Phone, steps: tuple[str, ...]
) -> None:
    """The person is still there: the two are joined here, and the outcome is connected."""
    carrier, call_id = await referred(rig, ann, *steps, BYE)
    await until(lambda: rig.events("transfer_started"), 1)
    await expect_bridged(rig, ann, carrier, call_id)
    await rig.level()


async def test_a_refusal_is_remembered(rig: Rig, ann: Phone) -> None:
    """After 405 the trunk is not asked again; both callers are connected by the bridge."""
    for steps in ((REFER, sipp.reply("405 Method Not Allowed"), BYE), (BYE,)):
        rig.news.clear()
        carrier, call_id = await referred(rig, ann, *steps, address="127.0.0.3")
        await expect_bridged(rig, ann, carrier, call_id)
        assert ("REFER sip:" in carrier.trouble()) is (REFER in steps)


async def test_a_trunk_that_is_not_known_to_take_refer(rig: Rig, ann: Phone) -> None:
    """``auto`` is the bridge."""
    carrier, call_id = await referred(rig, ann, BYE, address="127.0.0.4")
    await expect_bridged(rig, ann, carrier, call_id)
    assert "REFER sip:" not in carrier.trouble()


async def test_a_carrier_that_wants_a_password(rig: Rig, ann: Phone) -> None:
    """401, then the same REFER with the trunk's credentials, then 202 and 200: handed over."""
    steps = (
        REFER,
        sipp.reply("401 Unauthorized", ASKED),
        REFER,
        sipp.reply("202 Accepted"),
        sipp.notify(2, OK),
        BYE,
    )
    carrier, call_id = await referred(rig, ann, *steps, address="127.0.0.5")
    await carrier.done()
    assert (await ended(rig, call_id))["reason"] == "transferred"
    await rig.recorded(call_id, "connected")
    lines = carrier.trouble().splitlines()
    (value,) = [x for x in lines if x.lower().startswith("authorization:")]
    (given,) = parse_credentials(value.partition(":")[2].strip())
    one, two = (
        hashlib.md5(text.encode()).hexdigest()
        for text in ("cordboard:carrier:secret", f"REFER:{given.value('uri')}")
    )
    middle = f"n0nce:{given.value('nc')}:{given.value('cnonce')}:auth"
    assert given.value("response") == hashlib.md5(f"{one}:{middle}:{two}".encode()).hexdigest()
    assert given.value("uri") == "sip:carrier@127.0.0.5:5060"


async def test_a_carrier_that_takes_no_password(rig: Rig, ann: Phone) -> None:
    """A second 401 is an answer: the two are joined here."""
    again = sipp.reply("401 Unauthorized", ASKED)
    carrier, call_id = await referred(
        rig, ann, REFER, again, REFER, again, BYE, address="127.0.0.5"
    )
    await expect_bridged(rig, ann, carrier, call_id)


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        pytest.param((sipp.reply("202 Accepted"), sipp.notify(2, BUSY)), "busy", id="486"),
        pytest.param(
            (sipp.reply("202 Accepted"), sipp.notify(2, MISSING)), "refused_by_carrier", id="404"
        ),
        pytest.param((sipp.reply("202 Accepted"), sipp.notify(2, DECLINED)), "declined", id="603"),
        pytest.param((sipp.reply("404 Not Found"),), "refused_by_carrier", id="refer-404"),
        pytest.param((sipp.reply("202 Accepted"),), "timed_out", id="202-then-silence"),
        pytest.param(
            (sipp.reply("202 Accepted"), sipp.notify(2, "")), "timed_out", id="202-then-no-body"
        ),
    ],
)
async def test_an_outside_number_that_is_not_reached(
    rig: Rig, steps: tuple[str, ...], outcome: str
) -> None:
    """The caller is back with the AI, which knows that nobody answered; the label is right."""
    rig.agent.events.clear()
    stays = sipp.pause(400) + sipp.request("BYE", 9) + sipp.receive(response=200)
    carrier, call_id = await asked(rig, "outside", REFER, *steps, sipp.pause(1_200), stays)
    await until(lambda: rig.agent.heard(ResumeConversation), 6, rig.log)
    assert rig.agent.heard(ResumeConversation)[0].reason == "no_answer"  # type: ignore[attr-defined]
    await carrier.done()
    (attempt,) = await rig.recorded(call_id, outcome)
    assert attempt["member"] == "outside"
    assert refer_to(carrier) == f"<{TEAM}>"
    await rig.level()


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((sipp.reply("202 Accepted"), sipp.notify(2, OK), BYE), id="202-200"),
        pytest.param((sipp.reply("200 OK", "Refer-Sub: false"), BYE), id="no-subscription"),
        pytest.param(
            (
                sipp.reply("202 Accepted"),
                sipp.request("BYE", 2),
                sipp.receive(response=200),
            ),
            id="202-then-bye",
        ),
    ],
)
async def test_an_outside_number_that_is_reached(rig: Rig, steps: tuple[str, ...]) -> None:
    """The carrier has the caller; the record says so, and every slot is free."""
    carrier, call_id = await asked(rig, "outside", REFER, *steps)
    await carrier.done()
    await rig.recorded(call_id, "connected")
    assert (await ended(rig, call_id))["reason"] == "transferred"
    await rig.level()


async def test_a_caller_who_leaves_while_the_outside_number_rings(rig: Rig) -> None:
    """After a report that it rings, a BYE is the caller's."""
    ringing = sipp.notify(2, "SIP/2.0 180 Ringing", "active;expires=60")
    bye = sipp.request("BYE", 3) + sipp.receive(response=200)
    carrier, call_id = await asked(rig, "outside", REFER, sipp.reply("202 Accepted"), ringing, bye)
    await carrier.done()
    await rig.recorded(call_id, "caller_left")
    assert (await ended(rig, call_id))["reason"] == "caller_hangup"


async def test_the_trunks_own_policy(rig: Rig) -> None:
    """A trunk of blind_refer is asked for a queue that leaves it to the trunk; tel: stays."""
    carrier, call_id = await asked(
        rig, "number", REFER, sipp.reply("202 Accepted"), sipp.notify(2, OK), BYE
    )
    await carrier.done()
    await rig.recorded(call_id, "connected")
    assert refer_to(carrier) == "<tel:+4930123456>"


async def test_the_queues_fallback_after_a_blind_refer(rig: Rig, ann: Phone) -> None:
    """486 from outside, and the people of the fallback are rung by us; their trunk refers."""
    carrier, call_id = await asked(rig, "spare", *BUSY_THEN_TAKEN)
    await carrier.done()
    await rig.recorded(call_id, "busy", "connected")
    assert not ann.dialogs


async def test_people_one_after_the_other_by_blind_refer(rig: Rig, ann: Phone, bob: Phone) -> None:
    """No phone is rung by us; the carrier is asked for the second when the first is busy."""
    carrier, call_id = await asked(rig, "two", *BUSY_THEN_TAKEN)
    await carrier.done()
    attempts = await rig.recorded(call_id, "busy", "connected")
    assert [each["member"] for each in attempts] == ["ann", "bob"]
    assert not ann.dialogs and not bob.dialogs
    lines = [x for x in carrier.trouble().splitlines() if x.lower().startswith("refer-to:")]
    assert [x.partition(":")[2].strip() for x in lines] == [f"<{ann.uri}>", f"<{bob.uri}>"]


async def test_a_trunk_that_knows_no_refer(rig: Rig, cleo: Phone) -> None:
    """405 is remembered, and the number is called by us: the caller is connected all the same."""
    carrier, call_id = await asked(
        rig, "ours", REFER, sipp.reply("405 Method Not Allowed"), BYE, address="127.0.0.7"
    )
    await until(lambda: cleo.dialogs and cleo.last.up, 5, rig.log)
    await until(lambda: any(getattr(e, "what", "") == "connected" for e in rig.news), 5, rig.log)
    await asyncio.sleep(0.5)  # who hangs up unheard has not been connected
    cleo.last.hang_up()
    await carrier.done()
    (attempt,) = await rig.recorded(call_id, "connected")
    assert attempt["member"] == "outside" and refer_to(carrier) == f"<{cleo.uri}>"
    carrier, call_id = await asked(rig, "ours", BYE, address="127.0.0.7")
    await until(lambda: len(cleo.dialogs) == 2 and cleo.last.up, 5, rig.log)
    await asyncio.sleep(0.3)
    cleo.last.hang_up()
    await carrier.done()
    await rig.recorded(call_id, "connected")
    assert "REFER sip:" not in carrier.trouble()
