"""Reload people and queues under real calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from edge.queues.messages import QueueStatus, QueueStatusRequest
from media.messages import ResumeConversation
from media.reload_messages import ReloadConfig, Reloaded
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Phone
from tests.transfer.rig import Rig, until
from tests.transfer.test_transfer_matrix import accept, whispered

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide a switchboard whose people may be changed."""
    rig = Rig(tmp_path_factory.mktemp("reload"))
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob")}
        await rig.phone("cleo")
        queues = {
            "support": {**QUICK, "members": {"ann": {}}},
            "then": {**QUICK, "members": {"ann": {}}, "on_nobody": "queue spare"},
            "spare": {**QUICK, "members": {"bob": {}}},
        }
        await rig.start(people, queues)
        yield rig
    finally:
        await rig.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(rig: Rig) -> AsyncIterator[Rig]:
    """Provide it with the configuration that tests begin with."""
    text = rig.path.read_text()
    yield rig
    rig.path.write_text(text)
    await reload(rig)


async def reload(rig: Rig) -> Reloaded:
    """Have the file read again."""
    assert rig.client is not None
    answer = await rig.client.request(ReloadConfig(), 60)
    assert isinstance(answer, Reloaded)
    return answer


async def change(rig: Rig, **sections: Any) -> Reloaded:
    """Put sections in the place of the file's, and reload."""
    body = json.loads(rig.path.read_text())
    rig.path.write_text(json.dumps({**body, **sections}))
    return await reload(rig)


def section(rig: Rig, name: str) -> dict[str, Any]:
    """Return a section as the file has it."""
    return dict(json.loads(rig.path.read_text())[name])


async def board(rig: Rig) -> QueueStatus:
    """Return what clients see."""
    assert rig.client is not None
    status = await rig.client.request(QueueStatusRequest())
    assert isinstance(status, QueueStatus)
    return status


async def test_a_new_person_takes_who_waits(fresh: Rig, ann: Phone, cleo: Phone) -> None:
    """The caller waits for ann, who talks; cleo is hired meanwhile and rung at once."""
    first, second = await fresh.caller("caller"), await fresh.caller("caller-2")
    first.ask()
    await accept(ann, first)
    second.ask()
    await second.hears("music")
    people = {**section(fresh, "people"), "cleo": {"phone": cleo.uri}}
    queues = section(fresh, "queues")
    queues["support"] = {**queues["support"], "members": {"ann": {}, "cleo": {}}}
    answer = await change(fresh, people=people, queues=queues)
    assert answer.changed == ("people.cleo is new", "queues.support")
    assert answer.after_restart == ()
    await accept(cleo, second)
    assert first.dialog.hears("ann")
    assert [each.name for each in (await board(fresh)).people] == ["ann", "bob", "cleo"]


async def test_a_removed_person_who_talks_stays_until_the_end(fresh: Rig, ann: Phone) -> None:
    """The talk is not touched; afterwards the person is gone and the queue has nobody."""
    caller, later = await fresh.caller("caller"), await fresh.caller("caller-2")
    caller.ask()
    await accept(ann, caller)
    queues = section(fresh, "queues")
    queues["support"] = {**queues["support"], "members": {"bob": {}}}
    queues["then"] = {**queues["then"], "members": {"bob": {}}}
    people = {"bob": section(fresh, "people")["bob"]}
    answer = await change(fresh, people=people, queues=queues)
    assert "people.ann is gone" in answer.changed
    await asyncio.sleep(0.5)
    assert caller.dialog.hears("ann") and ann.last.hears("caller")
    assert {each.name for each in (await board(fresh)).people} == {"ann", "bob"}
    ann.last.hang_up()
    await fresh.recorded(caller.call_id, "connected")
    for _ in range(60):
        if [each.name for each in (await board(fresh)).people] == ["bob"]:
            break
        await asyncio.sleep(0.05)
    assert [each.name for each in (await board(fresh)).people] == ["bob"]
    rung = len(ann.dialogs)
    later.ask()
    await accept(fresh.phones[1], later)
    assert len(ann.dialogs) == rung


async def test_who_waits_in_a_removed_queue_gets_its_fallback(
    fresh: Rig, ann: Phone, bob: Phone
) -> None:
    """The queue goes while somebody waits in it: they are taken where it would have sent them."""
    talking, waiting = await fresh.caller("caller"), await fresh.caller("caller-2")
    talking.ask("then")
    await accept(ann, talking)
    waiting.ask("then")
    await waiting.hears("music")
    queues = section(fresh, "queues")
    del queues["then"]
    answer = await change(fresh, queues=queues)
    assert answer.changed == ("queues.then is gone",)
    await accept(bob, waiting)
    assert talking.dialog.hears("ann")
    third = await fresh.caller("caller-3")
    third.ask("then")
    await until(lambda: fresh.agent.heard(ResumeConversation), 5, fresh.log)
    await third.hears("ai")


async def test_keys_and_codes_of_the_next_call_are_the_new_ones(fresh: Rig, ann: Phone) -> None:
    """Another accept key, and another code for a pause, without a restart."""
    queues = section(fresh, "queues")
    queues["support"] = {**queues["support"], "whisper": {"accept_key": "7"}}
    answer = await change(fresh, queues=queues, desk={"codes": {"pause": "*88"}})
    assert answer.changed == ("queues.support", "desk")
    caller = await fresh.caller()
    caller.ask()
    await whispered(ann, fresh)
    ann.last.press("1")
    await asyncio.sleep(0.4)
    assert not caller.dialog.hears("ann")
    ann.last.press("7")
    await caller.hears("ann")
    caller.dialog.hang_up()
    await fresh.recorded(caller.call_id, "connected")
    for code, paused in (("*63", False), ("*88", True), ("*64", False)):
        dialog = await ann.call(fresh.port, code)
        await until(lambda dialog=dialog: dialog.answered_ns, 4, fresh.log)
        dialog.hang_up()
        await until(lambda dialog=dialog: dialog.ended_ns, 4, fresh.log)
        person = next(each for each in (await board(fresh)).people if each.name == "ann")
        assert (person.state == "paused") is paused


async def test_a_wrong_file_touches_no_queue(fresh: Rig, ann: Phone) -> None:
    """A member who does not exist: nothing changes, and the caller who waits is still rung for."""
    queues = section(fresh, "queues")
    queues["support"] = {**queues["support"], "members": {"zoe": {}}}
    with pytest.raises(Exception, match="zoe"):
        await change(fresh, queues=queues)
    caller = await fresh.caller()
    caller.ask()
    await accept(ann, caller)
