"""A second person in a talk: each leg has its own tone, so who hears whom is read off the wire."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness.service import cordboard
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Behaviour, Phone
from tests.transfer.rig import Caller, Rig, until
from tests.transfer.rtp import MS

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide a switchboard whose people can ask somebody of the second line."""
    rig = Rig(tmp_path_factory.mktemp("talk"))
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob", "cleo")}
        quick = {**QUICK, "whisper": {"accept_timeout_s": 5.0}, "ring_timeout_s": 5}
        queues = {
            "support": {**quick, "members": {"ann": {}}, "second_line": "experts"},
            "experts": {**quick, "members": {"bob": {}, "cleo": {}}},
        }
        await rig.start(people, queues)
        yield rig
    finally:
        await rig.stop()


async def talk(rig: Rig, ann: Phone) -> Caller:
    """Return a caller who talks to ann."""
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs and ann.last.up and "whisper" in ann.last.heard(), 6, rig.log)
    ann.last.press("1")
    await caller.hears("ann")
    return caller


async def accept(rig: Rig, phone: Phone) -> None:
    """Have a second person hear the whisper and press 1."""
    await until(
        lambda: phone.dialogs and phone.last.up and "whisper" in phone.last.heard(), 6, rig.log
    )
    phone.last.press("1")


async def expect_heard(rig: Rig, **who: tuple[Phone | Caller, set[str]]) -> None:
    """Wait until each hears exactly those who are named."""
    for name, (ear, tones) in who.items():
        dialog = ear.dialog if isinstance(ear, Caller) else ear.last
        recent = lambda d=dialog: [sorted(p.tones) for p in d.rtp.heard[-5:]]  # noqa: E731
        await until(
            lambda d=dialog, t=tones: d.hears_all(*t),
            5,
            lambda n=name, r=recent, t=tones: f"{n} hears {r()}, not {t}\n{rig.log()}",
        )


async def test_three_way(rig: Rig, ann: Phone, bob: Phone) -> None:
    """*3 brings bob in; meanwhile the two talk on; when bob leaves they are two again."""
    caller = await talk(rig, ann)
    keys_ns = ann.last.press_all("*3")
    await until(lambda: bob.dialogs and "whisper" in bob.last.heard(), 6, rig.log)
    assert caller.dialog.heard(keys_ns) == {"ann"} and not caller.dialog.rtp.keys_heard
    await expect_heard(rig, caller=(caller, {"ann"}), ann=(ann, {"caller"}))
    bob.last.press("1")
    await expect_heard(
        rig,
        caller=(caller, {"ann", "bob"}),
        ann=(ann, {"caller", "bob"}),
        bob=(bob, {"caller", "ann"}),
    )
    bob.last.hang_up()
    await expect_heard(rig, caller=(caller, {"ann"}), ann=(ann, {"caller"}))
    assert caller.dialog.up
    caller.dialog.hang_up()
    attempts = await rig.recorded(caller.call_id, "connected", "connected")
    assert [(each["member"], each["queue"]) for each in attempts] == [
        ("bob", "experts"),
        ("ann", "support"),
    ]


async def test_a_consultation_that_is_cancelled(rig: Rig, ann: Phone, bob: Phone) -> None:
    """*2: music for the caller, ann and bob talk alone; *0: bob is released, the two are back."""
    caller = await talk(rig, ann)
    keys_ns = ann.last.press_all("*2")
    await expect_heard(rig, caller=(caller, {"music"}), ann=(ann, set()))
    await accept(rig, bob)
    await expect_heard(rig, caller=(caller, {"music"}), ann=(ann, {"bob"}), bob=(bob, {"ann"}))
    assert caller.dialog.heard(keys_ns) <= {"ann", "music"}
    assert bob.last.heard() <= {"whisper", "ann"}
    for digit in "*0":  # as phones do that send their keys by SIP INFO
        ann.last.press(digit, info=True)
    await expect_heard(rig, caller=(caller, {"ann"}), ann=(ann, {"caller"}))
    await until(lambda: bob.last.ended_ns, 3, rig.log)
    assert caller.dialog.heard() <= {"ai", "music", "ann"}


async def test_a_consultation_that_becomes_three_way(rig: Rig, ann: Phone, bob: Phone) -> None:
    """*3 during a consultation brings the caller in, *2 lets them wait again."""
    caller = await talk(rig, ann)
    ann.last.press_all("*2")
    await accept(rig, bob)
    await expect_heard(rig, caller=(caller, {"music"}), ann=(ann, {"bob"}))
    ann.last.press_all("*3")
    await expect_heard(rig, caller=(caller, {"ann", "bob"}), bob=(bob, {"caller", "ann"}))
    ann.last.press_all("*2")
    await expect_heard(rig, caller=(caller, {"music"}), ann=(ann, {"bob"}), bob=(bob, {"ann"}))
    assert caller.dialog.up and not caller.dialog.rtp.keys_heard


@pytest.mark.parametrize("how", ["*1", "hang up"])
async def test_a_consultation_that_is_completed(rig: Rig, ann: Phone, bob: Phone, how: str) -> None:
    """Ann leaves: caller and bob talk, and when bob hangs up the call is over."""
    caller = await talk(rig, ann)
    ann.last.press_all("*2")
    await accept(rig, bob)
    await expect_heard(rig, ann=(ann, {"bob"}))
    if how == "*1":
        ann.last.press_all("*1")
        await until(lambda: ann.last.ended_ns, 3, rig.log)
    else:
        ann.last.hang_up()
    await expect_heard(rig, caller=(caller, {"bob"}), bob=(bob, {"caller"}))
    bob.last.hang_up()
    await until(lambda: caller.dialog.ended_ns, 3, rig.log)
    attempts = await rig.recorded(caller.call_id, "connected", "connected")
    assert [each["member"] for each in attempts] == ["ann", "bob"]


async def test_ann_leaves_while_bob_rings(rig: Rig, ann: Phone, bob: Phone) -> None:
    """The caller hears music until bob takes the call, and is never alone."""
    bob.behaviour = Behaviour(answer_after_s=1.5)
    caller = await talk(rig, ann)
    ann.last.press_all("*3")
    await until(lambda: bob.dialogs, 4, rig.log)
    ann.last.hang_up()
    await expect_heard(rig, caller=(caller, {"music"}))
    await accept(rig, bob)
    await expect_heard(rig, caller=(caller, {"bob"}), bob=(bob, {"caller"}))


async def test_nobody_joins(rig: Rig, ann: Phone, bob: Phone, cleo: Phone) -> None:
    """Both are busy: the caller is with ann again, who is told."""
    bob.behaviour = cleo.behaviour = Behaviour(486)
    caller = await talk(rig, ann)
    rig.agent.spoken.clear()
    ann.last.press_all("*2")
    await until(lambda: rig.agent.spoken, 6, rig.log)
    assert rig.agent.spoken[0].text.startswith("Nobody can join you")
    await expect_heard(rig, caller=(caller, {"ann"}), ann=(ann, {"caller"}))
    caller.dialog.hang_up()
    attempts = await rig.recorded(caller.call_id, "busy", "busy", "connected")
    assert attempts[2]["member"] == "ann"


@pytest.mark.parametrize("keys", ["*2", "*3"])
async def test_the_caller_leaves_three(rig: Rig, ann: Phone, bob: Phone, keys: str) -> None:
    """Both phones are released within a second, whether the caller waits or talks."""
    caller = await talk(rig, ann)
    ann.last.press_all(keys)
    await accept(rig, bob)
    await expect_heard(rig, bob=(bob, {"ann"} if keys == "*2" else {"caller", "ann"}))
    gone_ns = time.monotonic_ns()
    caller.dialog.hang_up()
    await until(lambda: ann.last.ended_ns and bob.last.ended_ns, 3, rig.log)
    assert max(ann.last.ended_ns, bob.last.ended_ns) - gone_ns < 1_000 * MS
    await rig.recorded(caller.call_id, "connected", "connected")


async def test_the_caller_leaves_while_bob_rings(rig: Rig, ann: Phone, bob: Phone) -> None:
    """The phone that rings is cancelled, and leaves no outcome."""
    bob.behaviour = Behaviour(0)
    caller = await talk(rig, ann)
    ann.last.press_all("*2")
    await until(lambda: bob.dialogs, 4, rig.log)
    caller.dialog.hang_up()
    await until(lambda: bob.last.cancelled_ns and ann.last.ended_ns, 3, rig.log)
    (attempt,) = await rig.recorded(caller.call_id, "connected")
    assert attempt["member"] == "ann"


async def test_an_operator(rig: Rig, ann: Phone, bob: Phone, cleo: Phone) -> None:
    """``cordboard queue`` does the same, and can name who is wanted."""
    caller = await talk(rig, ann)

    async def command(*arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(cordboard, "queue", *arguments, "--config", str(rig.path))
        return done.returncode, done.stdout + done.stderr

    for wrong in (("consult",), ("wrap-up", "ann", "soon"), ("pause",)):
        status, text = await command(*wrong)
        assert status == 2 and f"{wrong[0]}: name a" in text
    status, text = await command("cancel", caller.call_id)
    assert status == 1 and "no second person" in text
    status, text = await command("three-way", "c-unknown")
    assert status == 1 and "no call c-unknown" in text
    status, text = await command("consult", caller.call_id, "zoe")
    assert status == 1 and '"zoe" sits in no queue' in text
    assert (await command("three-way", caller.call_id, "cleo"))[0] == 0
    await accept(rig, cleo)
    await expect_heard(rig, caller=(caller, {"ann", "cleo"}), cleo=(cleo, {"caller", "ann"}))
    assert not bob.dialogs
    assert (await command("complete", caller.call_id))[0] == 0
    await expect_heard(rig, caller=(caller, {"cleo"}), cleo=(cleo, {"caller"}))
    assert ann.last.ended_ns
