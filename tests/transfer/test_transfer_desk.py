"""What queues do around a transfer: duty, announcements, fallbacks, messages."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from edge.client_messages import CallEndedNews
from edge.queues.messages import PersonView, QueueStatus, QueueStatusRequest
from media.messages import ResumeConversation
from tests.harness.service import cordboard
from tests.transfer.conftest import QUICK
from tests.transfer.phone import Behaviour, Phone
from tests.transfer.rig import Rig, until
from tests.transfer.rtp import who
from tests.transfer.terminal import Terminal

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


class Webhook:
    """A web server that fails the first time."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, str]] = []
        self.tries = 0

    async def start(self) -> "Webhook":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/hook"
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        body = await reader.readexactly(length)
        self.tries += 1
        if self.tries == 1:
            writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        else:
            self.bodies.append(json.loads(body))
            writer.write(b"HTTP/1.1 204 Thanks\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def webhook() -> AsyncIterator[Webhook]:
    """Provide a web server."""
    webhook = await Webhook().start()
    yield webhook
    webhook.server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def switchboard(
    tmp_path_factory: pytest.TempPathFactory, webhook: Webhook
) -> AsyncIterator[Rig]:
    """Provide a switchboard with queues that fall back."""
    rig = Rig(tmp_path_factory.mktemp("desk"))
    try:
        people = {name: {"phone": (await rig.phone(name)).uri} for name in ("ann", "bob", "cleo")}
        ann, bob = {"members": {"ann": {}}}, {"members": {"bob": {}}}
        mail = {"folder": "mail", "webhook": webhook.url, "max_s": 10}
        cleo = f"number {people['cleo']['phone']}"
        queues = {
            # rings long: a command on a busy machine takes a while
            "support": {
                **QUICK,
                **ann,
                "announce": {"every_s": 1},
                "wrap_up_s": 1,
                "ring_timeout_s": 20,
            },
            "then_bob": {**QUICK, **ann, "on_no_answer": "queue bob", "on_nobody": "queue bob"},
            "bob": {**QUICK, **bob},
            "number": {**QUICK, **ann, "on_no_answer": cleo},
            "mail": {**QUICK, **ann, "on_no_answer": "voicemail", "voicemail": mail},
            "callback": {**QUICK, **ann, "on_no_answer": "callback", "voicemail": mail},
            "ends": {**QUICK, **ann, "on_no_answer": "end"},
            "short": {**QUICK, **ann, "max_wait_s": 1, "rounds": 100},
            "small": {**QUICK, **ann, "max_callers": 1},
        }
        plan = [
            {"match": {"called": "300"}, "queue": "bob"},
            {"match": {"called": "100"}, "agent": "reception"},
        ]
        await rig.start(people, queues, {"dialplan": plan})
        yield rig
    finally:
        await rig.stop()


async def board(rig: Rig) -> QueueStatus:
    """Return what clients see."""
    assert rig.client is not None
    status = await rig.client.request(QueueStatusRequest())
    assert isinstance(status, QueueStatus)
    return status


async def person(rig: Rig, name: str) -> PersonView:
    """Return one person."""
    return next(each for each in (await board(rig)).people if each.name == name)


async def state(rig: Rig, name: str, wanted: str) -> None:
    """Wait until a person is in a state."""
    for _ in range(60):
        if (await person(rig, name)).state == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(await person(rig, name))


async def command(rig: Rig, *arguments: str) -> str:
    """Run ``cordboard queue``."""
    done = await asyncio.to_thread(cordboard, "queue", *arguments, "--config", str(rig.path))
    return done.stdout + done.stderr


async def call_ended(rig: Rig) -> CallEndedNews:
    """Wait for the news that a call is over, which follows the BYE."""
    ended = lambda: [each for each in rig.news if isinstance(each, CallEndedNews)]  # noqa: E731
    await until(ended, 4, rig.log)
    return ended()[-1]


async def test_codes_from_the_phone(rig: Rig, ann: Phone) -> None:
    """A person's own phone logs out and in, pauses and comes back, and hears that it worked."""
    for code, after in (
        ("*62", "off_duty"),
        ("*61", "idle"),
        ("*63", "paused"),
        ("*64", "idle"),
    ):
        dialog = await ann.call(rig.port, code)
        assert dialog.answered_ns
        await state(rig, "ann", after)
        await until(lambda dialog=dialog: dialog.ended_ns, 4, rig.log)
        assert dialog.rtp.heard


async def test_codes_from_other_phones(rig: Rig) -> None:
    """Somebody else who dials a code changes nothing."""
    stranger = await rig.phone("stranger", "caller")
    dialog = await stranger.call(rig.port, "*62")
    assert dialog.final_status == 404
    assert (await person(rig, "ann")).state == "idle"


async def test_commands(rig: Rig) -> None:
    """``cordboard queue`` shows a wallboard and changes duty; unknown people are named."""
    text = await command(rig, "show", "--once")
    assert "SUPPORT  open, linear, 1 of 1 free" in text and "PEOPLE" in text
    await command(rig, "leave", "ann")
    assert (await person(rig, "ann")).state == "off_duty"
    shown = json.loads(await command(rig, "show", "--json"))
    assert [each["state"] for each in shown["people"] if each["name"] == "ann"] == ["off_duty"]
    await command(rig, "join", "ann")
    await command(rig, "pause", "ann")
    assert "paused" in await command(rig, "show", "--once")
    await command(rig, "unpause", "ann")
    assert "no person" in await command(rig, "pause", "nobody")


async def test_wrap_up_and_its_codes(rig: Rig, ann: Phone) -> None:
    """After a talk the person has a second of peace, more by a code, and then calls again."""
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 5, rig.log)
    talk = ann.last
    talk.press("1")
    await caller.hears("ann")
    assert (await person(rig, "ann")).state == "busy"
    talk.hang_up()
    await state(rig, "ann", "wrap_up")
    await state(rig, "ann", "idle")


async def test_the_wallboard_shows_who_waits(rig: Rig, ann: Phone) -> None:
    """A caller who waits is on the board, with the phone that rings."""
    ann.behaviour = Behaviour(0)
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs, 3, rig.log)
    (queue,) = [each for each in (await board(rig)).queues if each.name == "support"]
    ((waiting,)) = queue.waiting
    assert (waiting.call_id, waiting.ringing) == (caller.call_id, ("ann",))
    assert "ringing ann" in await command(rig, "show", "--once")
    caller.dialog.hang_up()


async def test_waiting_callers_are_told_their_place(rig: Rig, ann: Phone) -> None:
    """The second in line hears an announcement over the music, which then goes on."""
    first, second = await rig.caller("caller"), await rig.caller("caller-2")
    first.ask()
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 5, rig.log)
    ann.last.press("1")
    await first.hears("ann")
    second.ask()
    await second.hears("music")
    await second.hears("announcement")
    await second.hears("music")
    told = [each.text for each in rig.agent.spoken]
    assert any("You are number 1 in line." in each for each in told)


async def test_another_queue_takes_over(rig: Rig, ann: Phone, bob: Phone) -> None:
    """Nobody answers here, so the caller waits there, and is back with the AI after that."""
    ann.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask("then_bob")
    await until(lambda: bob.dialogs and "whisper" in bob.last.heard(), 5, rig.log)
    bob.last.press("1")
    await caller.hears("bob")
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "busy", "connected")
    bob.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask("then_bob")
    await until(lambda: rig.agent.heard(ResumeConversation), 5, rig.log)
    attempts = await rig.recorded(caller.call_id, "busy", "busy")
    assert [each["queue"] for each in attempts] == ["then_bob", "bob"]


async def test_a_number_takes_over(rig: Rig, ann: Phone, cleo: Phone) -> None:
    """A queue that nobody answers calls a number, which is connected when it is picked up."""
    ann.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask("number")
    await caller.hears("cleo", 6)
    caller.dialog.hang_up()
    attempts = await rig.recorded(caller.call_id, "busy", "connected")
    assert attempts[1]["member"] == "outside"


async def test_a_queue_that_ends_the_call(rig: Rig, ann: Phone) -> None:
    """Goodbye on purpose: the record says that nobody was there."""
    ann.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask("ends")
    await until(lambda: caller.dialog.ended_ns, 4, rig.log)
    assert (await call_ended(rig)).reason == "no_human"


async def test_a_message_is_taken(rig: Rig, ann: Phone, webhook: Webhook) -> None:
    """Prompt, tone, message: a file with the caller's voice, a line, and the webhook in the end."""
    ann.behaviour = Behaviour(486)
    webhook.bodies.clear()
    caller = await rig.caller()
    caller.ask("mail")
    await caller.hears("announcement", 5)
    await until(lambda: not caller.dialog.hears("announcement"), 3)
    await asyncio.sleep(2.2)
    caller.dialog.press("#")
    await until(lambda: caller.dialog.ended_ns, 4, rig.log)
    await until(lambda: webhook.bodies, 5, rig.log)
    told = webhook.bodies[-1]
    assert (told["kind"], told["caller"], told["queue"]) == ("voicemail", "caller", "mail")
    lines = (rig.folder / "mail" / "messages.jsonl").read_text().splitlines()
    assert json.loads(lines[-1]) == told
    await until(lambda: not list((rig.folder / "mail" / "outbox").glob("*.json")))
    with wave.open(told["file"]) as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    frames = [stereo[at : at + 160, 0] for at in range(4_000, 12_000, 160)]
    assert sum(who(each) == {"caller"} for each in frames) > 40
    assert (await call_ended(rig)).reason == "voicemail"


async def test_a_call_back_is_noted(rig: Rig, ann: Phone) -> None:
    """The number is put down, the caller is told, and the call ends."""
    ann.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask("callback", "router broken")
    await until(lambda: caller.dialog.ended_ns, 6, rig.log)
    line = json.loads((rig.folder / "mail" / "messages.jsonl").read_text().splitlines()[-1])
    assert (line["kind"], line["caller"]) == ("callback", "caller")
    assert line["reason"] == "router broken"
    assert rig.agent.spoken[-1].text.startswith("We will call you back")


async def test_the_longest_wait(rig: Rig, ann: Phone) -> None:
    """A caller who has waited long enough is back with the AI."""
    ann.behaviour = Behaviour(486)
    caller = await rig.caller()
    caller.ask("short")
    await until(lambda: rig.agent.heard(ResumeConversation), 5, rig.log)
    assert rig.agent.heard(ResumeConversation)[0].reason == "max_wait"  # type: ignore[attr-defined]


async def test_a_full_queue(rig: Rig, ann: Phone) -> None:
    """One more than may wait is back with the AI at once, and knows why."""
    ann.behaviour = Behaviour(0)
    first, second = await rig.caller("caller"), await rig.caller("caller-2")
    first.ask("small")
    await first.hears("music")
    second.ask("small")
    await until(lambda: rig.agent.heard(ResumeConversation), 3, rig.log)
    assert rig.agent.heard(ResumeConversation)[0].reason == "full"  # type: ignore[attr-defined]


async def test_a_person_sends_the_caller_on(rig: Rig, ann: Phone, bob: Phone) -> None:
    """REFER from the phone leads where the dial plan allows it; the person is released."""
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs and "whisper" in ann.last.heard(), 5, rig.log)
    ann.last.press("1")
    await caller.hears("ann")
    ann.last.refer(f"sip:999@127.0.0.1:{rig.port}")
    await until(lambda: rig.events("transfer_onward"), 3, rig.log)
    await asyncio.sleep(0.2)
    assert caller.dialog.hears("ann") and ("REFER", 603) in ann.statuses
    ann.last.refer(f"sip:300@127.0.0.1:{rig.port}")
    await caller.hears("music")
    await until(lambda: ann.last.ended_ns, 3, rig.log)
    await until(lambda: bob.dialogs and "whisper" in bob.last.heard(), 5, rig.log)
    bob.last.press("1")
    await caller.hears("bob")
    caller.dialog.hang_up()
    await rig.recorded(caller.call_id, "connected", "connected")


async def test_the_wallboard_on_a_terminal(rig: Rig, ann: Phone) -> None:
    """It fits a small window and its new size, shows who waits, and leaves the terminal tidy."""
    ann.behaviour = Behaviour(0)
    caller = await rig.caller()
    caller.ask()
    await until(lambda: ann.dialogs, 3, rig.log)
    terminal = Terminal(60, 6).start("queue", "show", "--config", str(rig.path))
    try:
        await until(lambda: "ringing ann" in terminal.rows(), 15, terminal.rows)
        lines = terminal.rows().split("\r\n")
        assert len(lines) <= 6 and all(len(each) <= 60 for each in lines)
        assert "1 waiting" in lines[0] and "more lines" in lines[-1]
        terminal.resize(100, 60)
        await until(lambda: "PEOPLE" in terminal.rows(), 5, terminal.rows)
        caller.dialog.hang_up()
        await until(lambda: "0 waiting" in terminal.rows(), 5, terminal.rows)
    finally:
        code = await terminal.interrupt()
    assert code == 130 and terminal.text.endswith("\x1b[?25h\x1b[?1049l")
