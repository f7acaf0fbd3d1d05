"""The failure matrix of a warm transfer by the bridge, phone by phone."""

import asyncio
import time

import pytest

from edge.client_messages import TransferEndedNews
from media.messages import ResumeConversation, StartConversation, SuspendConversation
from tests.transfer.phone import Behaviour, Phone
from tests.transfer.rig import Caller, Rig, until
from tests.transfer.rtp import MS

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


async def whispered(phone: Phone, rig: Rig) -> None:
    """Wait until a phone has heard the whisper begin."""
    await until(
        lambda: phone.dialogs and phone.last.up and "whisper" in phone.last.heard(),
        6,
        lambda: (
            f"{[(d.call_id, d.up, len(d.rtp.heard), d.heard()) for d in phone.dialogs]} {rig.log()}"
        ),
    )


async def accept(phone: Phone, caller: Caller) -> None:
    """Take the call and prove that the two hear each other and nobody else."""
    await whispered(phone, caller.rig)
    phone.last.press("1")
    await caller.hears(phone.tone)
    await until(lambda: phone.last.hears(caller.dialog.phone.tone), 3, caller.rig.log)


async def expect_back(caller: Caller, reason: str) -> None:
    """Prove that the AI has the caller again, and was told why."""
    agent = caller.rig.agent
    await until(lambda: agent.heard(ResumeConversation), 8, caller.rig.log)
    ((at_ns, told),) = [each for each in agent.events if isinstance(each[1], ResumeConversation)]
    assert isinstance(told, ResumeConversation) and told.reason == reason
    await until(lambda: caller.dialog.first_heard("ai", at_ns), 1, caller.rig.log)
    await caller.hears("ai")


async def test_two_way_audio_follows_the_key_at_once(rig: Rig, ann: Phone) -> None:
    """From the end of the key press to the first packet of the other side, both ways."""
    delays: list[float] = []
    music_ms: list[int] = []
    for info in (True, False, True, False):
        caller = await rig.caller()
        caller.ask()
        await whispered(ann, rig)
        pressed_ns = ann.last.press("1", info=info)
        await caller.hears("ann")
        await until(lambda: ann.last.hears("caller"))
        delays += caller.two_way_ms(ann, pressed_ns)
        caller.dialog.hang_up()
        (attempt,) = await rig.recorded(caller.call_id, "connected")
        music_ms.append(attempt["music_ms"])
    print(
        f"two-way audio after the key: {[round(each) for each in delays]} ms; music: {music_ms} ms"
    )
    assert max(music_ms) < 300
    assert sorted(delays)[len(delays) // 2] < 150
    assert max(delays) < 500


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (486, "busy"),
        (600, "busy"),
        (480, "no_answer"),
        (408, "no_answer"),
        (603, "declined"),
        (403, "refused_by_carrier"),
        (500, "failed"),
        (302, "failed"),
    ],
)
async def test_a_phone_that_refuses(
    rig: Rig, ann: Phone, bob: Phone, cleo: Phone, status: int, outcome: str
) -> None:
    """The next phone is rung while the music plays on; a redirection is not followed."""
    ann.behaviour = Behaviour(status, headers=(f"Contact: <{cleo.uri}>",))
    caller = await rig.caller()
    caller.ask()
    await accept(bob, caller)
    assert caller.dialog.heard(ann.last.invited_ns) <= {"music", "bob"}
    assert not cleo.dialogs
    caller.dialog.hang_up()
    attempts = await rig.recorded(caller.call_id, outcome, "connected")
    assert attempts[0]["sip_status"] == status


async def test_a_phone_that_nobody_picks_up(rig: Rig, ann: Phone, bob: Phone) -> None:
    """It is cancelled after its time and the next one rings."""
    ann.behaviour = Behaviour(0)
    caller = await rig.caller()
    caller.ask()
    await accept(bob, caller)
    assert ann.last.cancelled_ns and not ann.last.answered_ns
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "no_answer", "connected")


async def test_a_phone_that_is_gone(rig: Rig, ann: Phone, bob: Phone) -> None:
    """One that answers nothing at all costs its ring time; plugged in again it does not ring on.

    An INVITE that nobody has answered cannot be cancelled (RFC 3261 section 9.1): it is repeated,
    and the CANCEL follows the phone's first sign of life.
    """
    ann.behaviour = Behaviour(dead=True)
    caller = await rig.caller()
    caller.ask()
    await accept(bob, caller)
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "no_answer", "connected")
    ann.behaviour = Behaviour(0, late=True)
    await until(lambda: ann.dialogs and ann.last.cancelled_ns, 15, rig.log)
    assert (ann.last.cancelled_ns - ann.last.invited_ns) / MS < 1_000


async def test_hanging_up_in_the_whisper(rig: Rig, ann: Phone, bob: Phone) -> None:
    """The caller notices nothing: the music plays and the next phone rings."""
    rig.agent.whisper_s = 2.0
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    ann.last.hang_up()
    await accept(bob, caller)
    assert caller.dialog.heard(caller.decided_ns) <= {"ai", "music", "bob"}
    caller.dialog.hang_up()
    attempts = await rig.recorded(caller.call_id, "agent_hung_up_in_whisper", "connected")
    assert [each["member"] for each in attempts] == ["ann", "bob"]


async def test_the_decline_key(rig: Rig, ann: Phone, bob: Phone) -> None:
    """2 releases this phone and rings the next."""
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    ann.last.press("2")
    await accept(bob, caller)
    await until(lambda: ann.last.ended_ns, 3, rig.log)
    assert caller.dialog.heard(caller.decided_ns) <= {"ai", "music", "bob"}
    caller.dialog.hang_up()
    attempts = await rig.recorded(caller.call_id, "declined", "connected")
    assert [each["member"] for each in attempts] == ["ann", "bob"]


async def test_the_repeat_key(rig: Rig, ann: Phone) -> None:
    """3 speaks the whisper again; then the key still counts."""
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    ann.last.press("3")
    await until(lambda: len(rig.agent.spoken) == 2)
    await accept(ann, caller)
    assert rig.agent.spoken[0].text == rig.agent.spoken[1].text


async def test_a_key_by_sip_info(rig: Rig, ann: Phone) -> None:
    """A phone that sends its keys by INFO accepts, too."""
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    ann.last.press("1", info=True)
    await caller.hears("ann")
    caller.dialog.hang_up()
    (attempt,) = await rig.recorded(caller.call_id, "connected")
    assert attempt["member"] == "ann" and attempt["accepted_ms"] is not None


async def test_no_key_is_no_acceptance(rig: Rig, ann: Phone, bob: Phone) -> None:
    """A person who does nothing is left for the next phone."""
    caller = await rig.caller()
    caller.ask()
    await accept(bob, caller)
    await until(lambda: ann.last.ended_ns, 3, rig.log)
    assert "caller" not in ann.last.heard()
    assert "ann" not in caller.dialog.heard()
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "timed_out", "connected")


async def test_two_phones_answer_at_once(rig: Rig, ann: Phone, bob: Phone, cleo: Phone) -> None:
    """One hears the whisper; the others are released, told why, and leave no outcome."""
    cleo.behaviour = Behaviour(0)
    caller = await rig.caller()
    caller.ask("all")
    await until(lambda: ann.dialogs and bob.dialogs and (ann.last.up or bob.last.up), 5, rig.log)
    await until(lambda: cleo.last.cancelled_ns and not (ann.last.up and bob.last.up), 3, rig.log)
    winner, loser = (ann, bob) if ann.last.up else (bob, ann)
    assert "SIP;cause=200" in cleo.last.end_reason
    assert "SIP;cause=200" in loser.last.end_reason
    await accept(winner, caller)
    assert loser.last.heard() == set()
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "connected")


async def test_accepting_by_picking_up(rig: Rig, ann: Phone) -> None:
    """A queue without whisper connects when the phone is answered."""
    caller = await rig.caller()
    caller.ask("pick_up")
    await caller.hears("ann")
    assert rig.agent.spoken == []


async def test_the_caller_hangs_up_while_phones_ring(rig: Rig, ann: Phone) -> None:
    """Every phone is cancelled within a second."""
    ann.behaviour = Behaviour(0)
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs)
    gone_ns = time.monotonic_ns()
    caller.dialog.hang_up()
    await until(lambda: ann.last.cancelled_ns, 2, rig.log)
    assert (ann.last.cancelled_ns - gone_ns) / MS < 1_000
    await rig.recorded(caller.call_id, "caller_left")


async def test_the_caller_hangs_up_in_the_whisper(rig: Rig, ann: Phone) -> None:
    """The person is released within a second."""
    rig.agent.whisper_s = 3.0
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    gone_ns = time.monotonic_ns()
    caller.dialog.hang_up()
    await until(lambda: ann.last.ended_ns, 2, rig.log)
    assert (ann.last.ended_ns - gone_ns) / MS < 1_000
    await rig.recorded(caller.call_id, "caller_left")


async def test_the_caller_hangs_up_as_the_person_accepts(rig: Rig, ann: Phone) -> None:
    """Key and BYE cross: the person is released within a second, one outcome is written."""
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    ann.last.press("1")
    await asyncio.sleep(0.02)
    gone_ns = time.monotonic_ns()
    caller.dialog.hang_up()
    await until(lambda: ann.last.ended_ns, 2, rig.log)
    assert (ann.last.ended_ns - gone_ns) / MS < 1_000
    await until(lambda: len(rig.attempts(caller.call_id)) == 1)
    assert rig.attempts(caller.call_id)[0]["outcome"] in ("caller_left", "connected")


async def test_the_person_hangs_up_as_they_accept(rig: Rig, ann: Phone, bob: Phone) -> None:
    """Key and BYE cross: whoever was not heard by the caller has not taken them along."""
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    ann.last.press("1")
    await until(lambda: ann.last.rtp.pressed, 2)
    ann.last.hang_up()
    await until(lambda: rig.attempts(caller.call_id), 3, rig.log)
    (first,) = rig.attempts(caller.call_id)
    heard = caller.dialog.first_heard("ann", caller.decided_ns) is not None
    if first["outcome"] == "connected":
        assert heard
        await until(lambda: caller.dialog.ended_ns, 3, rig.log)
    else:
        assert first["outcome"] in ("failed", "agent_hung_up_in_whisper") and not heard
        assert caller.dialog.up
        await until(lambda: bob.dialogs or rig.agent.heard(ResumeConversation), 3, rig.log)


async def test_the_caller_hangs_up_in_the_queue(rig: Rig, ann: Phone) -> None:
    """With the only person busy, a caller who leaves is written down as having left."""
    first, second = await rig.caller("caller"), await rig.caller("caller-2")
    first.ask("one")
    await accept(ann, first)
    second.ask("one")
    await second.hears("music")
    second.dialog.hang_up()
    await rig.recorded(second.call_id, "caller_left")
    assert first.dialog.hears("ann")


async def test_a_caller_waits_until_somebody_is_free(rig: Rig, ann: Phone) -> None:
    """The next in line is offered the moment the person hangs up; nobody hears a third voice."""
    first, second = await rig.caller("caller"), await rig.caller("caller-2")
    first.ask("one")
    await accept(ann, first)
    talk = ann.last
    second.ask("one")
    await second.hears("music")
    assert len(ann.dialogs) == 1
    talk.hang_up()
    await until(lambda: len(ann.dialogs) == 2, 3, rig.log)
    await accept(ann, second)
    assert "caller-2" not in talk.heard()
    assert "caller" not in ann.last.heard()


async def test_hold_during_the_queue(rig: Rig, ann: Phone) -> None:
    """A caller who holds keeps the place, hears nothing meanwhile, and is put through after."""
    ann.behaviour = Behaviour(answer_after_s=1.0)
    caller = await rig.caller()
    caller.ask("one")
    await caller.hears("music")
    caller.dialog.hold("sendonly")
    await asyncio.sleep(0.3)
    count = len(caller.dialog.rtp.heard)
    await asyncio.sleep(0.2)
    assert len(caller.dialog.rtp.heard) == count
    caller.dialog.hold("sendrecv")
    await caller.hears("music")
    await accept(ann, caller)


async def test_hold_while_talking_to_a_human(rig: Rig, ann: Phone) -> None:
    """Caller and person may hold and take off again, both at once too."""
    caller = await rig.caller()
    caller.ask("one")
    await accept(ann, caller)
    ann.last.hold("sendonly")
    caller.dialog.hold("sendonly")
    await asyncio.sleep(0.4)
    count = len(caller.dialog.rtp.heard)
    await asyncio.sleep(0.2)
    assert len(caller.dialog.rtp.heard) == count
    ann.last.hold("sendrecv")
    caller.dialog.hold("sendrecv")
    await caller.hears("ann")
    await until(lambda: ann.last.hears("caller"), 3, rig.log)


async def test_the_phone_reinvites_in_the_whisper(rig: Rig, ann: Phone) -> None:
    """Held and taken off again while the whisper plays: the key is still heard."""
    rig.agent.whisper_s = 1.5
    caller = await rig.caller()
    caller.ask("one")
    await whispered(ann, rig)
    ann.last.hold("sendonly")
    await asyncio.sleep(0.2)
    ann.last.hold("sendrecv")
    await asyncio.sleep(0.2)
    assert ann.last.up
    await accept(ann, caller)


async def test_a_phone_that_stays_on_hold(rig: Rig, ann: Phone, bob: Phone) -> None:
    """Pressed into hold during the whisper and forgotten there, it is left for the next one."""
    caller = await rig.caller()
    caller.ask()
    await whispered(ann, rig)
    ann.last.hold("sendonly")
    await accept(bob, caller)
    await until(lambda: ann.last.ended_ns, 3, rig.log)
    assert "ann" not in caller.dialog.heard()
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "timed_out", "connected")


@pytest.mark.parametrize("when", ["in the whisper", "while they talk"])
async def test_the_phone_moves_its_audio(rig: Rig, ann: Phone, when: str) -> None:
    """A re-INVITE with another port: key and voices go on from there."""
    rig.agent.whisper_s = 1.5
    caller = await rig.caller()
    caller.ask("one")
    await whispered(ann, rig)
    if when == "while they talk":
        await accept(ann, caller)
    old = ann.last.rtp
    await ann.last.move()
    await until(lambda: len(ann.last.rtp.heard) > 5, 3, rig.log)
    if when == "in the whisper":
        await accept(ann, caller)
    await caller.hears("ann")
    await until(lambda: ann.last.hears("caller"), 3, rig.log)
    count = len(old.heard)
    await asyncio.sleep(0.2)
    assert len(old.heard) == count
    old.close()


async def test_offers_that_cross(rig: Rig, ann: Phone) -> None:
    """Hold and its end at once from both sides, before the answers: in the end they talk."""
    caller = await rig.caller()
    caller.ask("one")
    await whispered(ann, rig)
    for dialog in (ann.last, caller.dialog):
        dialog.hold("sendonly")
        dialog.hold("sendrecv")
    await asyncio.sleep(0.5)
    assert ann.last.up and caller.dialog.up
    refused = [status for method, status in ann.statuses if method == "INVITE" and status >= 300]
    assert set(refused) <= {491, 500}
    for dialog in (ann.last, caller.dialog):
        dialog.hold("sendrecv")
    await accept(ann, caller)
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "connected")


async def test_nobody_is_there(rig: Rig) -> None:
    """The caller is back with the AI within a second; the conversation is the same one."""
    caller = await rig.caller()
    caller.ask("empty")
    await expect_back(caller, "nobody_here")
    assert (time.monotonic_ns() - caller.decided_ns) / MS < 1_000
    assert len(rig.agent.heard(StartConversation)) == 1
    assert len(rig.agent.heard(SuspendConversation)) == 1
    (attempt,) = await rig.recorded(caller.call_id, "no_answer")
    assert attempt["member"] == ""


async def test_an_unknown_queue_gives_the_caller_back(rig: Rig) -> None:
    """The AI that asks for a queue that does not exist is told that nobody is there."""
    caller = await rig.caller()
    caller.ask("sales")
    await expect_back(caller, "nobody_here")


async def test_nobody_answers(rig: Rig, ann: Phone, bob: Phone) -> None:
    """After everybody was tried the AI has the caller again and knows why."""
    ann.behaviour = bob.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask()
    await expect_back(caller, "no_answer")
    await rig.recorded(caller.call_id, "busy", "busy")
    ended = [each for each in rig.news if isinstance(each, TransferEndedNews)]
    assert [(each.result, each.reason) for each in ended] == [("returned", "no_answer")]


async def test_a_second_try_after_coming_back(rig: Rig, ann: Phone, bob: Phone) -> None:
    """A caller who is back with the AI can be transferred again; attempts are counted on."""
    ann.behaviour = bob.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask()
    await expect_back(caller, "no_answer")
    ann.behaviour = Behaviour()
    caller.ask()
    await accept(ann, caller)
    caller.dialog.hang_up()
    attempts = await rig.recorded(caller.call_id, "busy", "busy", "connected")
    assert [each["number"] for each in attempts] == [1, 2, 3]


async def test_back_to_the_ai_after_the_talk(rig: Rig, ann: Phone) -> None:
    """Where the queue wants it, "anything else?" follows when the person hangs up."""
    caller = await rig.caller()
    caller.ask("back")
    await accept(ann, caller)
    ann.last.hang_up()
    await expect_back(caller, "human_finished")
    assert caller.dialog.up
    (attempt,) = await rig.recorded(caller.call_id, "connected")
    assert attempt["member"] == "ann"


async def test_two_transfers_for_one_call(rig: Rig, ann: Phone, bob: Phone) -> None:
    """A second wish while one is under way changes nothing."""
    ann.behaviour = Behaviour(answer_after_s=0.5)
    caller = await rig.caller()
    caller.ask("one")
    caller.ask("support")
    await accept(ann, caller)
    caller.ask("support")
    await asyncio.sleep(0.3)
    assert caller.dialog.hears("ann") and not bob.dialogs
    assert len(rig.agent.heard(SuspendConversation)) == 1


@pytest.mark.parametrize("info", [False, True])
async def test_the_callers_own_key(rig: Rig, ann: Phone, info: bool) -> None:
    """A key that the persona maps to a queue puts the caller through without the AI's doing."""
    caller = await rig.caller()
    caller.dialog.press("0", info=info)
    await accept(ann, caller)
    assert "key 0" in rig.events("transfer_started")[-1]["reason"]


async def test_a_number_that_goes_straight_to_people(rig: Rig, ann: Phone) -> None:
    """A dial rule to a queue needs no conversation at all."""
    phone = await rig.phone("caller")
    dialog = await phone.call(rig.port, "201")
    await until(lambda: dialog.hears("music"), 4, rig.log)
    await whispered(ann, rig)
    ann.last.press("1")
    await until(lambda: dialog.hears("ann"), 4, rig.log)
    assert rig.agent.heard(StartConversation) == []
    ann.last.hang_up()
    await until(lambda: dialog.ended_ns, 3, rig.log)


async def test_straight_to_people_who_are_not_there(rig: Rig, ann: Phone) -> None:
    """The queue sends the caller to an AI that has not met them: a conversation is begun."""
    ann.behaviour = Behaviour(486)
    phone = await rig.phone("caller")
    dialog = await phone.call(rig.port, "201")
    await until(lambda: dialog.hears("ai"), 6, rig.log)
    assert len(rig.agent.heard(StartConversation)) == 1


async def test_a_summary_that_is_late_is_not_waited_for(rig: Rig, ann: Phone) -> None:
    """The phone rings without it, and the whisper says what the record knows."""
    rig.agent.summary_after_s = 4.0
    caller = await rig.caller()
    caller.ask("one", "wants a refund")
    await until(lambda: ann.dialogs, 3, rig.log)
    assert (ann.last.invited_ns - caller.decided_ns) / MS < 1_500
    await accept(ann, caller)
    assert "A call from caller for one. Reason: wants a refund." in rig.agent.spoken[0].text


async def test_several_callers_hear_only_their_own_person(
    rig: Rig, ann: Phone, bob: Phone, cleo: Phone
) -> None:
    """Three callers at once, three phones, six voices: nobody hears a third one."""
    callers = [await rig.caller(name) for name in ("caller", "caller-2", "caller-3")]
    for caller in callers:
        caller.ask("all")
    people = (ann, bob, cleo)
    await until(lambda: all(p.dialogs for p in people), 5, rig.log)
    taken: set[str] = set()
    deadline = time.monotonic() + 20
    while len(taken) < 3 and time.monotonic() < deadline:
        for phone in people:
            if phone.name not in taken and phone.last.up and phone.last.heard():
                phone.last.press("1")
                taken.add(phone.name)
                await asyncio.sleep(0.5)
        await asyncio.sleep(0.05)
    heard = [caller.dialog.heard(time.monotonic_ns() - 200 * MS) for caller in callers]
    assert sorted(map(sorted, heard)) == [["ann"], ["bob"], ["cleo"]], rig.log()
    for phone in people:
        assert len(phone.last.heard() - {"whisper"}) == 1


async def test_the_status_says_where_the_caller_is(rig: Rig, ann: Phone) -> None:
    """``cordboard status`` shows a call in transfer as waiting, ringing, whispering, connected."""
    seen: list[str] = []

    async def look() -> None:
        while True:
            seen.extend(each.state for each in (await rig.status()).calls)
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    caller = await rig.caller()
    caller.ask("one")
    await accept(ann, caller)
    await asyncio.sleep(0.1)
    looking.cancel()
    order = [state for at, state in enumerate(seen) if at == 0 or seen[at - 1] != state]
    assert [each for each in order if each in ("ringing", "whispering", "connected")] == [
        "ringing",
        "whispering",
        "connected",
    ]
    assert "talking" in order
