"""One switchboard for all tests of a module that leave it as they found it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness.service import free_port
from tests.transfer.phone import Behaviour, Phone
from tests.transfer.rig import Rig

SEATS = {"ann": {}, "bob": {}}
QUICK = {
    "strategy": "linear",
    "wrap_up_s": 0,
    "rest_s": 0,
    "retry_s": 0.2,
    "rounds": 1,
    "ring_timeout_s": 2,
    "announce": {"every_s": 0},
    "whisper": {"accept_timeout_s": 1.0},
}
"""A queue that loses no time."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """Provide the shared switchboard."""
    rig = Rig(tmp_path_factory.mktemp("switchboard"))
    rig.sipp_port = free_port(29_100, 29_149)
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob", "cleo")}
        people["sipp"] = {"phone": f"sip:sipp@127.0.0.1:{rig.sipp_port}"}
        people["away"] = {"phone": "sip:away@127.0.0.1:29199", "on_duty": False}
        queues = {
            "support": {**QUICK, "members": SEATS},
            "all": {**QUICK, "strategy": "ring_all", "members": {**SEATS, "cleo": {}}},
            "back": {**QUICK, "members": {"ann": {}}, "after_hangup": "agent"},
            "pick_up": {**QUICK, "members": {"ann": {}}, "whisper": {"accept": "pick_up"}},
            "sipp": {**QUICK, "members": {"sipp": {}, "bob": {}}},
            "empty": {**QUICK, "members": {"away": {}}},
            "one": {**QUICK, "members": {"ann": {}}},
        }
        more = {
            "dialplan": [
                {"match": {"called": "200"}, "queue": "support"},
                {"match": {"called": "201"}, "queue": "one"},
                {"match": {"called": "100"}, "agent": "reception"},
            ]
        }
        await rig.start(people, queues, more)
        yield rig
    finally:
        await rig.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def rig(switchboard: Rig) -> AsyncIterator[Rig]:
    """Provide the switchboard as new; afterwards nothing may be left in use."""
    phones = switchboard.phones[:3]
    for phone in phones:
        phone.behaviour = Behaviour()
        phone.on_request = lambda dialog, request: False
        phone.dialogs.clear()
    agent = switchboard.agent
    agent.events.clear()
    agent.spoken.clear()
    agent.summary_after_s, agent.whisper_s, agent.resume_refused = 0.05, 0.2, False
    switchboard.news.clear()
    yield switchboard
    for caller in switchboard.phones[3:]:
        for dialog in caller.dialogs:
            dialog.hang_up()
    await switchboard.level()
    for caller in switchboard.phones[3:]:
        caller.close()
    for phone in phones:
        for dialog in phone.dialogs:
            dialog.rtp.close()
    del switchboard.phones[3:]


@pytest.fixture
def ann(rig: Rig) -> Phone:
    """Provide the phone that is rung first."""
    return rig.phones[0]


@pytest.fixture
def bob(rig: Rig) -> Phone:
    """Provide the phone that is rung next."""
    return rig.phones[1]


@pytest.fixture
def cleo(rig: Rig) -> Phone:
    """Provide a third phone."""
    return rig.phones[2]
