"""People whose phones are reached over a carrier's trunk: its terms, servers and limits hold."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from edge.trunks.messages import Trunks, TrunksRequest
from tests.edge.trunks.carrier import Carrier
from tests.transfer.conftest import QUICK
from tests.transfer.rig import Caller, Rig
from tests.transfer.rtp import TONES

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

OWN = "+4930555000"
NUMBERS = {"country": "49", "area": "30", "outbound": "national"}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Carrier, Carrier]]:
    """Two servers of one carrier."""
    first = Carrier(host="127.0.0.21", hz=TONES["ann"])
    try:
        second = Carrier(host="127.0.0.22", hz=TONES["ann"])
        try:
            yield first, second
        finally:
            second.close()
    finally:
        first.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(
    servers: tuple[Carrier, Carrier], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Rig]:
    """Provide a switchboard whose people are reached over trunks of one carrier."""
    rig = Rig(tmp_path_factory.mktemp("trunk"))
    try:
        for name in ("ann", "bob", "cleo"):
            await rig.phone(name)  # not used here: the fixture of all modules has three
        line = {
            "servers": [f"{each.host}:{each.port}" for each in servers],
            "qualify": {"interval_s": 0},
            "silence_s": 1,
            "numbers": NUMBERS,
            "identity": {"number": OWN},
            "session_timers": {"mode": "off"},
            "rel100": "off",
            "codecs": ["PCMA"],
        }
        trunks = {"carrier": line, "narrow": {**line, "limits": {"calls": 2}}}
        people = {
            name: {"phone": "+4915112345678", "trunk": "narrow" if name == "two" else "carrier"}
            for name in ("one", "two")
        }
        whisper = {"accept": "pick_up"}
        queues = {
            name: {**QUICK, "members": {name: {}}, "whisper": whisper, "on_no_answer": "end"}
            for name in people
        }
        # each narrow caller must find somebody to ring
        people |= {f"two{n}": people["two"] for n in range(2)}
        queues["two"]["members"] |= {"two0": {}, "two1": {}}
        queues["two"]["strategy"] = "linear"
        people["away"] = {"phone": "sip:away@127.0.0.1:9", "on_duty": False}
        queues |= {
            name: {**QUICK, "members": {"away": {}}, "on_nobody": f"number {way}"}
            for name, way in (("named", "+4930777 trunk spare"), ("unnamed", "+4930777"))
        }
        trunks = {
            "inbound": {"sources": "127.0.0.1"},
            **trunks,
            "spare": {**line, "servers": line["servers"][1:]},
        }
        more = {"trunks": trunks, "limits": {"calls": 4}}
        more["sip"] = {
            "address": "127.0.0.1",
            "udp_port": rig.port,
            "tcp_port": None,
            "unknown_source": "accept",
        }
        await rig.start(people, queues, more)
        yield rig
    finally:
        await rig.stop()


@pytest.fixture(autouse=True)
def as_new(servers: tuple[Carrier, Carrier]) -> None:
    """Have both servers take calls."""
    for each in servers:
        each.requests.clear()
        each.status, each.ring, each.mute = 200, True, False
        each.answer_after_s = 0.1


async def carried(rig: Rig, trunk: str) -> int:
    """Return how many calls a trunk carries."""
    assert rig.client is not None
    answer = await rig.client.request(TrunksRequest())
    assert isinstance(answer, Trunks)
    (found,) = [each.calls for each in answer.trunks if each.name == trunk]
    return found


async def ask(rig: Rig, queue: str, number: str = "100") -> Caller:
    """Have a caller want a person."""
    caller = await rig.caller(number=number)
    caller.ask(queue)
    return caller


async def talk(rig: Rig, queue: str) -> Caller:
    """Have a caller want a person and hear them."""
    caller = await ask(rig, queue)
    await caller.hears("ann", 8)
    return caller


async def test_a_person_is_called_as_the_trunk_says(
    rig: Rig, servers: tuple[Carrier, Carrier]
) -> None:
    """Number format, identity and terms are the trunk's; the display shows who calls."""
    caller = await ask(rig, "one")
    await caller.hears("ann", 8)
    invite = servers[0].wait("INVITE")
    assert invite.first_line.startswith("INVITE sip:015112345678@127.0.0.21:")
    assert "<sip:030555000@" in invite.header("p-asserted-identity")
    assert "<sip:030555000@" in invite.header("from")
    assert invite.header("from").startswith('"caller')
    assert invite.header("x-cordboard-call") == caller.call_id
    assert invite.header("call-info") == f"<urn:cordboard:call:{caller.call_id}>;purpose=info"
    assert invite.header("alert-info")
    assert not invite.header("session-expires")
    assert not {"timer", "100rel"} & set(invite.header("supported").replace(",", " ").split())
    assert "RTP/AVP 8 101\r\n" in invite.body
    assert await carried(rig, "carrier") == 1
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "connected")
    assert await carried(rig, "carrier") == 0


async def test_a_person_is_reached_over_the_second_server(
    rig: Rig, servers: tuple[Carrier, Carrier]
) -> None:
    """503 before any ringing goes on to the next server, and it is one attempt."""
    servers[0].status, servers[0].ring = 503, False
    caller = await ask(rig, "one")
    await caller.hears("ann", 8)
    assert len(servers[0].seen("INVITE")) == len(servers[1].seen("INVITE")) == 1
    assert rig.events("server_passed_over")[-1]["trunk"] == "carrier"
    await asyncio.to_thread(servers[1].hang_up)
    await rig.recorded(caller.call_id, "connected")
    assert await carried(rig, "carrier") == 0


async def test_a_silent_server_is_passed_over(rig: Rig, servers: tuple[Carrier, Carrier]) -> None:
    """The second rings the person; what the first answers too late gets ACK and BYE."""
    servers[0].mute, servers[0].answer_after_s = True, 1.8
    caller = await ask(rig, "one")
    await caller.hears("ann", 8)
    assert await carried(rig, "carrier") == 1
    for method in ("ACK", "BYE"):
        await asyncio.to_thread(servers[0].wait, method)
    assert not servers[1].seen("BYE")
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "connected")
    assert await carried(rig, "carrier") == 0


@pytest.mark.parametrize("status", [486, 503])
async def test_a_refused_call_is_counted_off(
    rig: Rig, servers: tuple[Carrier, Carrier], status: int
) -> None:
    """Whatever the last server says."""
    for each in servers:
        each.status, each.ring = status, False
    caller = await ask(rig, "one")
    await rig.recorded(caller.call_id, "busy" if status == 486 else "failed")
    assert len(servers[1].seen("INVITE")) == (status == 503)
    assert await carried(rig, "carrier") == 0


async def test_a_caller_who_leaves_is_counted_off_while_it_rings(
    rig: Rig, servers: tuple[Carrier, Carrier]
) -> None:
    """CANCEL goes out, and the line is free."""
    servers[0].answer_after_s = 5
    caller = await ask(rig, "one")
    await asyncio.to_thread(servers[0].wait, "INVITE")
    assert await carried(rig, "carrier") == 1
    caller.dialog.hang_up()
    await asyncio.to_thread(servers[0].wait, "CANCEL")
    assert await carried(rig, "carrier") == 0


async def test_a_call_whose_worker_dies_is_counted_off(rig: Rig) -> None:
    """Once, and the caller is with the AI again."""
    caller = await ask(rig, "one")
    await caller.hears("ann", 8)
    for place in [each.number for each in (await rig.status()).workers if each.number]:
        rig.kill_worker(place)
    await caller.hears("ai", 8)
    assert await carried(rig, "carrier") == 0
    caller.dialog.hang_up()
    await rig.wait_ready()


async def test_a_full_trunk_takes_nobody_more(rig: Rig, servers: tuple[Carrier, Carrier]) -> None:
    """The third person over two lines counts as busy without an INVITE."""
    first, second = await talk(rig, "two"), await talk(rig, "two")
    assert await carried(rig, "narrow") == 2
    third = await ask(rig, "two")
    (attempt,) = await rig.recorded(third.call_id, "busy")
    assert attempt["sip_status"] == 486
    assert len(servers[0].seen("INVITE")) == 2
    third.dialog.hang_up()
    for each in (first, second):
        each.dialog.hang_up()
        await rig.recorded(each.call_id, "connected")
    assert await carried(rig, "narrow") == 0


@pytest.mark.parametrize(("queue", "server"), [("named", 1), ("unnamed", 0)])
async def test_a_number_that_a_queue_falls_back_to(
    rig: Rig, servers: tuple[Carrier, Carrier], queue: str, server: int
) -> None:
    """It goes out over the trunk that is named, else over the first with servers."""
    caller = await ask(rig, queue)
    await caller.hears("ann", 8)
    assert servers[server].wait("INVITE").first_line.startswith("INVITE sip:030777@")
    assert not servers[1 - server].seen("INVITE")
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "connected")
