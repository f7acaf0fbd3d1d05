import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.apology import apology_file
from edge.call_task import APOLOGY_CLIP
from edge.client_messages import (
    CallAnsweredNews,
    CallEndedNews,
    CallOfferedNews,
    HangUpCall,
    Status,
    StatusRequest,
    Subscribe,
    TurnEndedNews,
)
from edge.commands.status import as_text, ask
from edge.control import Control
from edge.records.models import CallRow, TurnRow
from edge.records.reader import RecordReader
from edge.refusal_limit import MOST_PER_SOURCE
from edge.ua.messages import (
    EndedBy,
    UaConfirmed,
    UaDigit,
    UaDisconnected,
    UaInvite,
    UaNegotiated,
    UaRefused,
    UaSettings,
)
from media.config.model import (
    AgentConfig,
    Config,
    RuleConfig,
    SipConfig,
    StorageConfig,
    UnknownSource,
)
from media.config.trunks import TrunkConfig
from media.link import RequestFailedError, connect
from media.messages import (
    AgentStatus,
    AllocateStream,
    CallAnswered,
    CallDigit,
    CallHeld,
    ClipFinished,
    CloseStream,
    ConfigureStream,
    ConversationFailed,
    EndConversation,
    Failed,
    HangupRequested,
    Message,
    PlayFile,
    RtpTimedOut,
    Speaker,
    StartConversation,
    StreamFailed,
    Turn,
    to_wire,
)
from media.paths import socket_address
from tests.edge.peers import AgentPeer, MediaPeer
from tests.harness.waiting import until

pytestmark = pytest.mark.integration

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
AUDIO = SDP + "m=audio 22900 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
HOLD = AUDIO + "a=sendonly\r\n"
HELD_ANSWER = AUDIO + "a=recvonly\r\n"
WORKER = Path(__file__).parent / "worker_peer.py"


class Rig:
    """A control process between scripted peers; the UA worker is a real process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        agents = {"support": AgentConfig("Hello.", "Be brief.")}
        self.config = Config(
            agents,
            (RuleConfig(agent="support"),),
            sip=SipConfig(
                udp_port=22_060, answer_timeout_ms=800, unknown_source=UnknownSource.ACCEPT
            ),
            trunks={"carrier": TrunkConfig(sources=("10.7.0.0/24",))},
            storage=StorageConfig(f"sqlite:///{folder}/calls.db"),
            run_dir=str(folder / "run"),
        )
        self.media, self.agent = MediaPeer(), AgentPeer()
        self.stop = asyncio.Event()
        self.news: list[Message] = []
        self.legs = 0

    async def start(self, ready: bool = True) -> None:
        await self.media.start(socket_address(self.config, "media"))
        self.agent.ready = ready
        await self.agent.start(socket_address(self.config, "agent"))
        self.control = Control(self.config)
        self.control._workers._command = self.command
        self.running = asyncio.create_task(self.control.run(self.stop))
        await until(lambda: Path(self.config.run_dir, "edge.sock").exists())
        self.client = await connect(
            socket_address(self.config, "edge"),
            role="client",
            on_message=lambda _, message, __: self.news.append(message),
        )
        await self.client.request(Subscribe())
        if ready:
            await until(lambda: self.control.status().ready)

    def command(self, settings: UaSettings, descriptor: int) -> list[str]:
        assert settings.udp_port == 22_060
        return [sys.executable, str(WORKER), str(descriptor), str(self.folder)]

    async def finish(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.running, 15)
        self.client.close()
        await self.media.stop()
        await self.agent.stop()

    def say(self, message: Message) -> None:
        with (self.folder / "say").open("a", encoding="utf-8") as say:
            say.write(json.dumps(to_wire(message)) + "\n")

    def told(self, kind: str) -> list[dict[str, Any]]:
        """What the worker was told."""
        heard = self.folder / "heard"
        lines = heard.read_text("utf-8").splitlines() if heard.exists() else []
        return [each for each in map(json.loads, lines) if each["type"] == kind]

    async def wait_told(self, kind: str, count: int = 1) -> dict[str, Any]:
        await until(lambda: len(self.told(kind)) >= count)
        return self.told(kind)[-1]

    def invite(self) -> int:
        self.legs += 1
        self.say(
            UaInvite(
                leg=self.legs,
                sip_call_id=f"call-{self.legs}",
                from_uri="sip:alice@127.0.0.1",
                from_display="Alice",
                to_uri="sip:100@127.0.0.1",
                request_uri="sip:100@127.0.0.1",
                contact_uri="sip:alice@127.0.0.1:22901",
                source="127.0.0.1:22901",
                transport="TCP",
                local_address="127.0.0.9",
                offer=AUDIO,
            )
        )
        return self.legs

    def confirm(self, leg: int) -> None:
        self.say(UaNegotiated(leg, AUDIO, AUDIO, 1))
        self.say(UaConfirmed(leg, 1, f"call-{leg}", "a", "b", "sip:alice@127.0.0.1:22901"))

    async def talk(self) -> int:
        """Bring one call up."""
        leg = self.invite()
        await self.wait_told("UaAnswer", leg)
        self.confirm(leg)
        await self.agent.hear(CallAnswered)
        return leg

    async def ended(self, count: int = 1) -> CallEndedNews:
        await until(lambda: sum(isinstance(n, CallEndedNews) for n in self.news) >= count)
        return [each for each in self.news if isinstance(each, CallEndedNews)][-1]

    def hang_up(self, leg: int, status: int = 200) -> None:
        self.say(UaDisconnected(leg, status, "", EndedBy.REMOTE, "Q.850;cause=16"))

    def bye_done(self, leg: int, status: int = 200) -> None:
        self.say(UaDisconnected(leg, status, "", EndedBy.LOCAL))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    await rig.start()
    yield rig
    await rig.finish()


def records(rig: Rig) -> tuple[list[CallRow], list[TurnRow]]:
    reader = RecordReader(rig.config.storage.url)
    rows = list(reader.recent(100))
    turns = [turn for row in rows for turn in reader.turns(row.call_id)]
    reader.close()
    return rows, turns


async def closed_records(rig: Rig, count: int) -> list[CallRow]:
    async with asyncio.timeout(5):
        while True:
            rows = [row for row in records(rig)[0] if row.state == "closed"]
            if len(rows) >= count:
                assert len(rows) == count
                return rows
            await asyncio.sleep(0.02)


async def test_a_call_from_invite_to_record(rig: Rig) -> None:
    """Port, 180, conversation, 200, greeting, turns, BYE; news to clients; one record of it all."""
    leg = rig.invite()
    asked = await rig.media.hear(AllocateStream)
    assert asked.address == "127.0.0.9"
    await rig.wait_told("UaRinging")
    started = await rig.agent.hear(StartConversation)
    assert (started.agent, started.variables["caller"]) == ("support", "alice")
    answer = await rig.wait_told("UaAnswer")
    assert (answer["media_address"], answer["media_port"]) == ("127.0.0.1", 22_102)
    rig.confirm(leg)
    configured = await rig.media.hear(ConfigureStream)
    assert (configured.parameters.codec, configured.record) == ("PCMU", True)
    up = await rig.agent.hear(CallAnswered)
    turn = Turn(up.call_id, 1, Speaker.AGENT, "Hello.", up.at_ns, up.at_ns + 900_000_000)
    rig.agent.send(turn)
    rig.say(UaDigit(leg, "5"))
    assert (await rig.agent.hear(CallDigit)).digit == "5"
    rig.hang_up(leg)
    await rig.agent.hear(EndConversation)
    over = await rig.ended()
    assert (over.ended_by, over.reason, over.mos) == ("caller", "caller_hangup", 4.3)
    kinds = [type(each) for each in rig.news]
    assert kinds == [CallOfferedNews, CallAnsweredNews, TurnEndedNews, CallEndedNews]
    (row,) = await closed_records(rig, 1)
    assert (row.codec, row.agent, row.caller_name) == ("PCMU", "support", "Alice")
    assert (row.cause, row.packets_received) == ("Q.850;cause=16", 100)
    (said,) = records(rig)[1]
    assert (said.text, said.offset_ms, said.duration_ms) == ("Hello.", 0, 900)
    assert rig.media.open_streams == set()
    assert rig.control.status().calls == ()


async def test_the_agent_hangs_up(rig: Rig) -> None:
    """A goodbye ends the call with BYE on the agent's account."""
    leg = await rig.talk()
    call_id = rig.control.status().calls[0].call_id
    rig.agent.send(HangupRequested(call_id, "agent_goodbye"))
    bye = await rig.wait_told("UaHangup")
    assert bye["headers"]["Reason"].startswith("Q.850;cause=16")
    rig.bye_done(leg)
    over = await rig.ended()
    assert (over.ended_by, over.reason) == ("agent", "agent_goodbye")


async def test_cancel_while_ringing(rig: Rig) -> None:
    """A caller who gives up while models get ready leaves nothing behind."""
    rig.agent.silent.add(StartConversation)
    leg = rig.invite()
    await rig.wait_told("UaRinging")
    rig.hang_up(leg, 487)
    over = await rig.ended()
    assert (over.sip_status, over.reason) == (487, "caller_cancelled")
    assert rig.told("UaAnswer") == []
    assert rig.media.open_streams == set()
    async with asyncio.timeout(2):  # nor a task that waits for an answer which never comes
        while any("CallTask" in repr(each.get_coro()) for each in asyncio.all_tasks()):
            await asyncio.sleep(0.01)


async def test_a_conversation_that_does_not_get_ready(rig: Rig) -> None:
    """After answer_timeout the ringing caller gets 480."""
    rig.agent.silent.add(StartConversation)
    leg = rig.invite()
    rejected = await rig.wait_told("UaReject")
    assert rejected["status"] == 480
    rig.bye_done(leg, 480)
    assert (await rig.ended()).reason == "answer_timeout"


async def test_no_port_is_503_with_retry_after(rig: Rig) -> None:
    """Media without ports refuses the call, and tells the caller when to come back."""
    rig.media.refuse[AllocateStream] = Failed("all ports drain", 503)
    leg = rig.invite()
    rejected = await rig.wait_told("UaReject")
    assert (rejected["status"], rejected["headers"]) == (503, {"Retry-After": "10"})
    rig.bye_done(leg, 503)
    assert (await rig.ended()).reason == "media_failed"


async def test_hold_is_told_to_the_conversation(rig: Rig) -> None:
    """A re-INVITE with sendonly configures media to receive only and silences prompts."""
    leg = await rig.talk()
    rig.say(UaNegotiated(leg, HELD_ANSWER, HOLD, 2))
    assert (await rig.agent.hear(CallHeld)).held
    rig.say(UaNegotiated(leg, AUDIO, AUDIO, 3))
    assert not (await rig.agent.hear(CallHeld)).held


@pytest.mark.parametrize("how", ["link lost", "ConversationFailed"])
async def test_a_lost_conversation_is_apologised_for(rig: Rig, how: str) -> None:
    """The caller hears the apology, then BYE; the record says what happened."""
    leg = await rig.talk()
    call_id = rig.control.status().calls[0].call_id
    if how == "link lost":
        await rig.agent.stop()
    else:
        rig.agent.send(ConversationFailed(call_id, "model died"))
    play = await rig.media.hear(PlayFile)
    assert Path(play.path).name == "apology_en.wav"
    assert rig.told("UaHangup") == []
    rig.media.send(ClipFinished(play.stream, 7, 0))
    rig.media.send(ClipFinished(play.stream, APOLOGY_CLIP, 0))
    await rig.wait_told("UaHangup")
    rig.bye_done(leg)
    over = await rig.ended()
    assert over.reason == ("agent_lost" if how == "link lost" else "conversation_failed")


async def test_an_agent_that_is_gone_closes_the_door(rig: Rig) -> None:
    """Without the agent process workers refuse callers; with it they take them again."""
    await rig.agent.stop()
    await until(lambda: not rig.control.status().ready)
    assert rig.control.status().reason == "the agent process is not up"
    assert (await rig.wait_told("UaLimit", 2))["callers"] == 0
    await rig.agent.start(socket_address(rig.config, "agent"))
    await until(lambda: rig.control.status().ready)
    assert (await rig.wait_told("UaLimit", 3))["callers"] == 3


async def test_media_gone_ends_all_calls_at_once(rig: Rig) -> None:
    """No caller listens to a dead line: BYE without an apology."""
    first, second = await rig.talk(), await rig.talk()
    await rig.media.stop()
    await rig.wait_told("UaHangup", 2)
    rig.bye_done(first)
    rig.bye_done(second)
    assert (await rig.ended(2)).reason == "media_lost"


async def test_no_rtp_ends_the_call(rig: Rig) -> None:
    """A caller whose packets stop is released."""
    leg = await rig.talk()
    (stream,) = rig.media.open_streams
    rig.media.send(RtpTimedOut(stream, 30_000))
    await rig.wait_told("UaHangup")
    rig.bye_done(leg)
    over = await rig.ended()
    assert (over.reason, over.cause) == ("rtp_timeout", "no RTP for 30000 ms")


async def test_a_fault_of_media_in_one_stream_ends_its_call(rig: Rig) -> None:
    """The record says that it was our fault, not the caller's silence."""
    leg = await rig.talk()
    (stream,) = rig.media.open_streams
    rig.media.send(StreamFailed(stream, "IndexError('empty')"))
    await rig.wait_told("UaHangup")
    rig.bye_done(leg)
    over = await rig.ended()
    assert (over.reason, over.cause) == ("media_failed", "IndexError('empty')")


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_a_lost_worker_ends_its_calls_and_is_replaced(rig: Rig, how: str) -> None:
    """Killed or hung, within two seconds its calls are over everywhere and another one listens."""
    await rig.talk()
    pid = rig.control.status().workers[0].pid
    if how == "killed":
        os.kill(pid, signal.SIGKILL)
    else:
        (rig.folder / "hang").touch()
    over = await rig.ended()
    assert over.reason == "worker_lost"
    assert rig.media.open_streams == set()
    await rig.agent.hear(EndConversation)
    (rig.folder / "hang").unlink(missing_ok=True)
    await until(lambda: rig.control.status().ready)
    (worker,) = rig.control.status().workers
    assert worker.starts == 2
    assert worker.pid != pid
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_what_a_worker_refused_is_recorded(rig: Rig) -> None:
    """A call refused by the worker has a record of its own and takes no line."""
    rig.say(UaRefused("full-1", "sip:a@b", "sip:c@d", "127.0.0.1:9", "UDP", 503, "full"))
    rig.say(UaRefused("bad-1", "sip:a@b", "sip:c@d", "127.0.0.1:9", "UDP", 488, "no codec"))
    rows = {each.sip_call_id: each for each in await closed_records(rig, 2)}
    assert (rows["full-1"].sip_status, rows["full-1"].reason) == (503, "full")
    assert (rows["bad-1"].sip_status, rows["bad-1"].reason) == (488, "unacceptable")
    assert rows["bad-1"].duration_ms == 0
    assert rig.media.heard == [] or not any(
        isinstance(each, AllocateStream) for each in rig.media.heard
    )


async def test_a_flood_of_garbage_does_not_fill_the_records(rig: Rig) -> None:
    """A source's refusals are recorded ten times a minute; another source still has its own."""
    for number in range(30):
        sip_call_id = f"bad-{number}"
        rig.say(UaRefused(sip_call_id, "sip:a@b", "sip:c@d", "10.9.9.9:9", "UDP", 400, "garbage"))
    rig.say(UaRefused("other", "sip:a@b", "sip:c@d", "10.9.9.8:9", "UDP", 400, "garbage"))
    rows = [each.sip_call_id for each in await closed_records(rig, 11)]
    assert sorted(rows) == sorted([*(f"bad-{number}" for number in range(10)), "other"])


async def test_every_refusal_of_a_trunk_is_recorded(rig: Rig) -> None:
    """A carrier that calls beyond the limit finds each of its calls in the records."""
    for number in range(MOST_PER_SOURCE + 15):
        sip_call_id = f"full-{number}"
        rig.say(UaRefused(sip_call_id, "sip:a@b", "sip:c@d", "10.7.0.9:9", "UDP", 503, "full"))
    rows = await closed_records(rig, MOST_PER_SOURCE + 15)
    assert {each.trunk for each in rows} == {"carrier"}


async def test_an_operator_hangs_up(rig: Rig) -> None:
    """A client may end a call by id; an unknown id is an error."""
    leg = await rig.talk()
    with pytest.raises(RequestFailedError):
        await rig.client.request(HangUpCall(replace_id("nobody")))
    await rig.client.request(HangUpCall(rig.control.status().calls[0].call_id))
    await rig.wait_told("UaHangup")
    rig.bye_done(leg)
    assert (await rig.ended()).ended_by == "operator"


def replace_id(text: str) -> Any:
    return text


async def test_status_over_the_socket(rig: Rig) -> None:
    """The command line sees what the process knows."""
    await rig.talk()
    status = await ask(socket_address(rig.config, "edge"))
    assert isinstance(status, Status)
    shown = as_text(status)
    assert "ready" in shown
    assert "1 of 3 lines in use" in shown
    assert "sip:alice@127.0.0.1 -> sip:100@127.0.0.1 (support)" in shown
    answer = await rig.client.request(StatusRequest())
    assert isinstance(answer, Status)


async def test_a_request_that_nobody_serves_is_refused(rig: Rig) -> None:
    """A client's mistake is answered, not ignored."""
    with pytest.raises(RequestFailedError, match="not served"):
        await rig.client.request(CloseStream(1))


async def test_shutting_down_releases_everybody(tmp_path: Path) -> None:
    """SIGTERM's way: BYE to those who talk, records closed, worker gone, no process left."""
    rig = Rig(tmp_path)
    await rig.start()
    leg = await rig.talk()
    pid = rig.control.status().workers[0].pid
    rig.stop.set()
    await rig.wait_told("UaHangup")
    rig.bye_done(leg)
    await rig.finish()
    (row,) = records(rig)[0]
    assert (row.reason, row.ended_by) == ("shutdown", "operator")
    assert not Path(f"/proc/{pid}").exists()


async def test_loading_models_is_said(tmp_path: Path) -> None:
    """While the agent loads, status says so in its words and the worker takes nobody."""
    rig = Rig(tmp_path)
    await rig.start(ready=False)
    await until(lambda: rig.control.status().reason == "still loading models: voice")
    await until(lambda: rig.control.status().workers[0].state == "ready")
    rig.invite()
    assert (await rig.wait_told("UaReject"))["headers"] == {"Retry-After": "5"}
    rig.bye_done(1, 503)
    assert (await rig.ended()).reason == "not_ready"
    rig.agent.send(AgentStatus(True, "all there"))
    await until(lambda: rig.control.status().ready)
    await rig.finish()


async def test_too_much_load_refuses_new_calls_and_keeps_the_others(rig: Rig) -> None:
    """While the agent refuses, INVITEs get 503 with the limit's Retry-After; who talks goes on."""
    leg = await rig.talk()
    rig.agent.send(AgentStatus(True, "all there", ladder="refuse_calls", refusing=True))
    await until(lambda: rig.control.status().ladder == "refuse_calls")
    status = rig.control.status()
    assert not status.ready
    assert "load" in status.reason
    assert "refuse calls" in as_text(status)
    limit = await rig.wait_told("UaLimit")
    assert (limit["callers"], limit["retry_after_s"]) == (0, rig.config.limits.retry_after_s)
    crossing = rig.invite()
    refused = await rig.wait_told("UaReject")
    assert refused["status"] == 503
    assert refused["headers"] == {"Retry-After": str(rig.config.limits.retry_after_s)}
    rig.bye_done(crossing, 503)
    assert (await rig.ended()).reason == "full"
    assert [each.state for each in rig.control.status().calls] == ["talking"]
    rig.agent.send(AgentStatus(True, "all there"))
    await until(lambda: rig.control.status().ready)
    assert rig.told("UaHangup") == []
    rig.bye_done(leg)


def test_the_apology_follows_configuration_and_language() -> None:
    """A configured file is taken; else the persona's language where it ships, else English."""
    agents = {"support": AgentConfig("Hello.", "Be brief.")}
    config = Config(agents, (RuleConfig(agent="support"),))
    assert apology_file(config, "en-US").endswith("media/sounds/apology_en.wav")
    assert apology_file(config, "xx").endswith("media/sounds/apology_en.wav")
    own = replace(config, media=replace(config.media, apology_file="/sorry.wav"))
    assert apology_file(own, "en") == "/sorry.wav"
