import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.called_side import Destination
from edge.commands.calls import show_json, show_text
from edge.commands.calls_stats import transfer_lines
from edge.dialplan.plan import Action, DialPlan
from edge.front.addresses import REGISTERED_HEADER
from edge.queues.events import GaveUp
from edge.records.models import AttemptRow, CallRow
from edge.records.transfer_statistics import summarize_transfers
from edge.transfer.briefing import Briefing
from edge.transfer.events import AttemptEnded, AttemptTimes, Connect, Outcome
from edge.transfer.fallback import AGENT, Fallback, Kind, after_queue
from edge.transfer.handover import user_of
from edge.transfer.invitation import invitation
from edge.transfer.onward import onward_by_plan
from edge.transfer.order import Order
from edge.transfer.outbox import Outbox
from edge.transfer.over_trunk import route_over_trunk, way_out
from edge.transfer.records import AttemptContext, attempt_columns
from edge.transfer.refer_memory import HOUR_NS, ReferMemory
from edge.transfer.refer_target import blind_target
from edge.transfer.texts import announcement, fill
from edge.trunks.bridge import BridgedNumber
from edge.trunks.connecting import Connector
from edge.trunks.limits import TrunkUse
from edge.trunks.routing import Offered, Routing
from edge.trunks.servers import REGISTERED, Target
from media import ConfigError, RemoteError
from media.config.front import PhoneConfig
from media.config.model import AgentConfig, Config, RuleConfig, SipConfig
from media.config.queues import (
    AnnounceConfig,
    QueueConfig,
    QueueConnect,
    WhisperConfig,
)
from media.config.routing import ActionConfig, MatchConfig
from media.config.trunks import (
    DigestConfig,
    IdentityConfig,
    NumberFormat,
    NumbersConfig,
    OnOff,
    RegisterConfig,
    SessionTimersConfig,
    Srtp,
    Transfer,
    Transport,
    TrunkConfig,
)
from media.messages import CallId, ConversationSummary, Message

pytestmark = pytest.mark.unit

ORDER = Order(
    call_id=CallId("c-1"),
    stream=1,
    caller="+4930123",
    caller_uri="sip:+4930123@carrier",
    caller_name='Ann "A" Smith',
    trunk="carrier",
    persona="desk",
    codec="PCMA",
    queue="support",
    reason="router",
    decided_ns=1_000_000,
)


def config(**more: object) -> Config:
    agents = {"desk": AgentConfig("Hello.", "Be brief.")}
    trunk = TrunkConfig(
        servers=("sip.example:5080",), register=RegisterConfig("user", password="secret")
    )
    values: dict[str, object] = {
        "trunks": {"carrier": trunk},
        "sip": SipConfig(address="192.0.2.1"),
        **more,
    }
    return Config(agents, (RuleConfig(agent="desk"),), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("queue", "reason", "fallback"),
    [
        (QueueConfig(), GaveUp.NO_ANSWER, AGENT),
        (QueueConfig(on_nobody="voicemail"), GaveUp.CLOSED, Fallback(Kind.VOICEMAIL)),
        (QueueConfig(on_nobody="voicemail"), GaveUp.NO_ANSWER, AGENT),
        (QueueConfig(on_no_answer="queue b"), GaveUp.MAX_WAIT, Fallback(Kind.QUEUE, "b")),
        (QueueConfig(on_no_answer="queue a"), GaveUp.MAX_WAIT, AGENT),
        (QueueConfig(on_no_answer="number +491"), GaveUp.NO_ANSWER, Fallback(Kind.NUMBER, "+491")),
        (
            QueueConfig(on_nobody="number +491 trunk b"),
            GaveUp.FULL,
            Fallback(Kind.NUMBER, "+491 trunk b"),
        ),
        (
            QueueConfig(on_failure=ActionConfig(number="12", trunk="b")),
            GaveUp.FULL,
            Fallback(Kind.NUMBER, "12 trunk b"),
        ),
        (QueueConfig(on_nobody="callback"), GaveUp.FULL, Fallback(Kind.CALLBACK)),
        (QueueConfig(on_nobody="end"), GaveUp.NOBODY_HERE, Fallback(Kind.END)),
        (
            QueueConfig(on_failure=ActionConfig(queue="b")),
            GaveUp.NO_ANSWER,
            Fallback(Kind.QUEUE, "b"),
        ),
        (
            QueueConfig(on_failure=ActionConfig(number="12")),
            GaveUp.FULL,
            Fallback(Kind.NUMBER, "12"),
        ),
        (QueueConfig(on_failure=ActionConfig(reject=486)), GaveUp.FULL, Fallback(Kind.END)),
        (QueueConfig(on_failure=ActionConfig(agent="desk")), GaveUp.FULL, AGENT),
    ],
)
def test_where_a_caller_goes(queue: QueueConfig, reason: GaveUp, fallback: Fallback) -> None:
    """The fallback for the reason, else ``on_failure``, else the AI; no queue twice."""
    assert after_queue(queue, reason, ["a"]) == fallback


def test_the_call_to_a_phone() -> None:
    """Number and reason on the display; the rest in headers that nobody can break lines in."""
    destination = invitation(config(), QueueConfig(), "sip:ann@192.0.2.7", ORDER, "broken\r\nX: y")
    assert destination.uri == "sip:ann@192.0.2.7"
    assert destination.from_uri == "sip:+4930123@192.0.2.1:5060"
    assert destination.display.startswith("+4930123 broken")
    assert destination.codecs == ("PCMA", "PCMU")
    assert destination.headers == {
        "P-Asserted-Identity": '"Ann \\"A\\" Smith" <sip:+4930123@192.0.2.1:5060>',
        "X-Cordboard-Call": "c-1",
        "X-Cordboard-Queue": "support",
        "Alert-Info": "<urn:alert:source:external>",
        "Call-Info": "<urn:cordboard:call:c-1>;purpose=info",
    }


def test_a_phone_that_registered_here_is_called_through_the_front() -> None:
    """The front is told whose registration leads there; it says which address of ours does."""
    known = config(
        phones={"anna": PhoneConfig(password="secret", srtp=Srtp.REQUIRED)},
        sip=SipConfig(address="::1", udp_port=5070),
    )
    phone = invitation(known, QueueConfig(), "anna", ORDER, "")
    assert (phone.uri, phone.registered) == ("sip:anna@[::1]:5070", "anna")
    assert (phone.proxy, phone.address) == ("sip:127.0.0.1:5062;lr", None)
    assert REGISTERED_HEADER not in phone.headers
    assert phone.srtp is Srtp.REQUIRED


class Ways:
    """The trunks of one configuration, without a process behind them."""

    def __init__(self, loaded: Config) -> None:
        self.routing = Routing.compile(loaded)
        self.target = Target("192.0.2.30", 5080, Transport.UDP, "sip.example")
        targets = (REGISTERED,) if not loaded.trunks["carrier"].servers else (self.target,)
        known = SimpleNamespace(targets=lambda _, **__: targets, note_dead=lambda *_: None)
        use = TrunkUse()
        use.set_trunks(loaded.trunks)
        nobody: Any = None
        self.connector = Connector(
            nobody, nobody, nobody, use, known, lambda: "192.0.2.1", lambda: 7
        )


def called(number: str, **trunk: Any) -> Destination:
    """Return the call to a person over a trunk."""
    trunk.setdefault("servers", ("sip.example:5080",))
    ways = Ways(config(trunks={"carrier": TrunkConfig(**trunk)}))
    route = route_over_trunk(ways, "carrier", number, ORDER, "broken", QueueConfig())
    return route.dialled(route.targets[0])


def test_a_number_over_a_trunk() -> None:
    """The trunk's server, credentials, number format, identity and terms are used."""
    made = called(
        "0151 12345678",
        register=RegisterConfig("user", password="secret"),
        numbers=NumbersConfig(country="49", outbound=NumberFormat.INTERNATIONAL),
        session_timers=SessionTimersConfig(mode=OnOff.OFF),
        rel100=OnOff.OFF,
        srtp=Srtp.REQUIRED,
        codecs=("PCMU",),
    )
    assert made.uri == "sip:004915112345678@sip.example"
    assert (made.user, made.password) == ("user", "secret")
    assert made.from_uri == "sip:user@sip.example"
    assert made.display == "+4930123 broken"
    assert made.headers["P-Asserted-Identity"] == "<sip:user@sip.example>"
    assert made.headers["X-Cordboard-Call"] == "c-1"
    assert made.headers["Alert-Info"] == "<urn:alert:source:external>"
    assert (made.session_timers, made.rel100, made.srtp) == ("off", "off", Srtp.REQUIRED)
    assert made.codecs == ("PCMU",)


def test_a_switchboard_that_registered_here_is_called_through_the_front() -> None:
    """It has no number of its own: its phones are shown the caller."""
    made = called(
        "7001", servers=(), digest=DigestConfig("pbx1", password="secret", accept_register=True)
    )
    assert made.registered == made.headers[REGISTERED_HEADER] == "pbx1"
    assert made.from_uri == "sip:+4930123@192.0.2.1:5060"
    assert "<sip:+4930123@192.0.2.1:5060>" in made.headers["P-Asserted-Identity"]


def test_only_the_last_way_of_a_rule_tries_servers_that_are_down() -> None:
    """What has an ``on_failure`` behind it does not wait for them; nobody is asked with it."""
    ways = Ways(config())
    asked: list[bool] = []
    ways.connector.carriers = SimpleNamespace(
        targets=lambda _, spare: asked.append(spare) or (), note_dead=lambda *_: None
    )
    number = Action(number="+491", trunk="carrier")
    offered = Offered("carrier", "1", "2", "sip:2@x", "", {}, 0, {})
    for make in ways.connector.chain(
        ways.routing, (number, number), offered, CallId("c"), {}
    ).links:
        assert isinstance(make(), BridgedNumber)
    assert asked == [True, False]


def test_a_trunk_that_says_nothing_of_callers() -> None:
    """Neither display nor identity show anybody."""
    made = called("+491", identity=IdentityConfig(send_from="anonymous"))
    assert (made.from_uri, made.display) == ("sip:anonymous@anonymous.invalid", "Anonymous")
    assert "P-Asserted-Identity" not in made.headers
    assert made.headers["Privacy"] == "id"


def test_a_trunk_that_is_gone_and_a_number_that_is_none() -> None:
    """Both are faults of the configuration."""
    ways = Ways(config())
    with pytest.raises(ConfigError, match="no trunk"):
        route_over_trunk(ways, "gone", "+491", ORDER, "", None)
    with pytest.raises(ConfigError, match="no number"):
        route_over_trunk(ways, "carrier", "a b", ORDER, "", None)


def test_an_outside_number_needs_a_way() -> None:
    """The trunk that is named, the caller's, the first with servers; else it is a fault."""
    lines = {
        "in": TrunkConfig(),
        "a": TrunkConfig(servers=("a",)),
        "b": TrunkConfig(servers=("b",)),
    }
    known = config(trunks=lines)
    assert way_out(known, "b", "a") == "b"
    assert way_out(known, "", "b") == "b"
    assert way_out(known, "", "in") == way_out(known, "", "") == "a"
    with pytest.raises(ConfigError, match="no trunk"):
        way_out(config(trunks={"in": TrunkConfig()}), "", "in")


@pytest.mark.parametrize(
    ("address", "trunk", "refer_to"),
    [
        ("sip:team@192.0.2.9", "carrier", "<sip:team@192.0.2.9>"),
        ("tel:+4930123", "carrier", "<tel:+4930123>"),
        ("+4930123", "carrier", "<sip:+4930123@sip.example:5080;user=phone>"),
        ("*12#", "carrier", "<sip:*12%23@sip.example:5080;user=phone>"),
        ("+4930123", "default", "<tel:+4930123>"),
    ],
)
def test_where_a_blind_refer_points(address: str, trunk: str, refer_to: str) -> None:
    """Addresses stay as they are, numbers become the carrier's own."""
    assert blind_target(config(), address, trunk) == refer_to


def test_a_blind_refer_names_numbers_as_the_trunk_writes_them() -> None:
    """As the calls of the dial plan that go out over it."""
    numbers = NumbersConfig(country="49", outbound=NumberFormat.NATIONAL)
    known = config(trunks={"carrier": TrunkConfig(servers=("192.0.2.9",), numbers=numbers)})
    assert blind_target(known, "+4930123", "carrier") == "<sip:030123@192.0.2.9;user=phone>"


def test_a_phone_that_registers_here_is_nothing_to_a_carrier() -> None:
    """Its name is no address."""
    with pytest.raises(RemoteError, match="cleo"):
        blind_target(config(), "cleo", "carrier")


def test_onward_goes_only_where_the_plan_leads() -> None:
    """Queues, numbers and the AI that a rule names; anything else is refused."""
    rules = (
        RuleConfig(queue="sales", match=MatchConfig(called=("300",))),
        RuleConfig(number="+4930555", trunk="carrier", match=MatchConfig(called=("301",))),
        RuleConfig(reject=403, match=MatchConfig(called=("302",))),
        RuleConfig(agent="desk", match=MatchConfig(called=("0",))),
    )
    base = config(queues={"sales": QueueConfig()})
    changed = Config(base.agents, rules, trunks=base.trunks, queues=base.queues)
    look_up = onward_by_plan(DialPlan.compile(changed))
    assert look_up("sip:300@pbx", "+49") == Fallback(Kind.QUEUE, "sales")
    assert look_up("sip:301@pbx", "+49") == Fallback(Kind.NUMBER, "+4930555 trunk carrier")
    assert look_up("sip:0@pbx;x=y", "+49") == AGENT
    assert look_up("sip:302@pbx", "+49") is None
    assert look_up("sip:00900123456@evil.example", "+49") is None


@pytest.mark.parametrize(
    ("queue", "trunk", "refused", "wanted"),
    [
        (QueueConnect.AUTO, Transfer.AUTO, False, Connect.BRIDGE),
        (QueueConnect.AUTO, Transfer.REFER, False, Connect.REFER),
        (QueueConnect.AUTO, Transfer.REFER, True, Connect.BRIDGE),
        (QueueConnect.AUTO, Transfer.BRIDGE, False, Connect.BRIDGE),
        (QueueConnect.AUTO, Transfer.BLIND_REFER, False, Connect.BLIND_REFER),
        (QueueConnect.REFER, Transfer.AUTO, False, Connect.REFER),
        (QueueConnect.REFER, Transfer.BLIND_REFER, False, Connect.REFER),
        (QueueConnect.BLIND_REFER, Transfer.AUTO, False, Connect.BLIND_REFER),
        (QueueConnect.BLIND_REFER, Transfer.REFER, True, Connect.BRIDGE),
        (QueueConnect.BLIND_REFER, Transfer.BRIDGE, False, Connect.BRIDGE),
        (QueueConnect.REFER, Transfer.BRIDGE, False, Connect.BRIDGE),
        (QueueConnect.BRIDGE, Transfer.REFER, False, Connect.BRIDGE),
    ],
)
def test_the_ladder(queue: QueueConnect, trunk: Transfer, refused: bool, wanted: Connect) -> None:
    """Bridge unless queue or trunk say REFER, and the trunk has not refused it lately."""
    memory = ReferMemory()
    if refused:
        memory.refuse("t", 0)
    assert memory.way(queue, trunk, "t", 1) is wanted
    assert memory.refused("t", HOUR_NS + 1) is False


async def test_the_briefing_with_and_without_a_summary() -> None:
    """The summary where it came, else what the record says; the keys are always named."""
    briefing = Briefing(ORDER, WhisperConfig(accept_key="5"))
    assert briefing.short_reason() == "router"
    assert briefing.whisper_text() == (
        "A call from +4930123 for support. Reason: router. "
        "Press 5 to take the call, 2 to decline, 3 to repeat."
    )

    async def ask(_: Message, __: float) -> Message:
        return ConversationSummary("Ann's router is dead.", "dead router")

    await briefing.fetch(ask)
    assert briefing.summarized and briefing.short_reason() == "dead router"
    assert briefing.whisper_text().startswith("Ann's router is dead. Press 5")


async def test_a_summary_that_fails_is_no_obstacle() -> None:
    """A refusal settles the wait at once; a summary that never comes is waited for so long."""

    async def refuse(_: Message, __: float) -> Message:
        raise RemoteError("gone")

    briefing = Briefing(ORDER, WhisperConfig())
    await briefing.fetch(refuse)
    await asyncio.wait_for(briefing.settle(60), 1)
    assert not briefing.summarized
    await asyncio.wait_for(Briefing(ORDER, WhisperConfig()).settle(0.01), 1)


def test_sentences() -> None:
    """Place holders are filled, other braces stand; waits are told in whole minutes."""
    assert fill("{a} {b} {0", a=1) == "1 {b} {0"
    texts = AnnounceConfig()
    assert announcement(texts, 2, None) == "You are number 2 in line."
    assert announcement(texts, 1, 50).endswith("less than a minute.")
    assert announcement(texts, 3, 130).endswith("about 3 minutes.")


def test_times_count_from_the_decision() -> None:
    """Every column is milliseconds from the decision, or nothing."""
    times = AttemptTimes(51_000_000, 101_000_000, None, None, None, None, 1_001_000_000)
    context = AttemptContext(CallId("c"), "support", 1_000_000, 11_000_000)
    row = attempt_columns(context, 2, AttemptEnded("ann", Outcome.BUSY, 486, times))
    assert row["music_ms"] == 10 and row["dialed_ms"] == 50 and row["ringing_ms"] == 100
    assert row["answered_ms"] is None and row["ended_ms"] == 1_000
    assert (row["number"], row["outcome"], row["sip_status"]) == (2, "busy", 486)


@pytest.mark.parametrize(
    ("uri", "user"),
    [("sip:+49@c", "+49"), ("tel:+49;x=1", "+49"), ("sip:c", "c"), ("sip:a;b=c@h", "a")],
)
def test_whom_a_uri_names(uri: str, user: str) -> None:
    """What people read on a display."""
    assert user_of(uri) == user


async def test_the_outbox_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What a webhook did not take is a file until it does."""
    bodies: list[bytes] = []
    open_for_business = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.split(b"content-length:")[1].split()[0]))
        status = b"200 OK" if open_for_business else b"500 Broken"
        if open_for_business:
            bodies.append(body)
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    first = Outbox(retry_s=(0.01,))
    await first.put(tmp_path, url, {"kind": "voicemail", "call_id": "c"})
    await asyncio.sleep(0.2)
    await first.stop()
    assert list((tmp_path / "outbox").iterdir()) and not bodies
    open_for_business = True
    second = Outbox(retry_s=(0.01,))
    second.resume(tmp_path, url)
    for _ in range(200):
        if bodies and not list((tmp_path / "outbox").iterdir()):
            break
        await asyncio.sleep(0.01)
    await second.stop()
    server.close()
    assert [json.loads(each) for each in bodies] == [{"kind": "voicemail", "call_id": "c"}]
    assert not list((tmp_path / "outbox").iterdir())


def wire_ns(*times_ms: int) -> list[int]:
    """Return times as media tells them."""
    return [each * 1_000_000 for each in times_ms]


def attempt(call_id: str, number: int, outcome: str, **times: int) -> AttemptRow:
    """Return one attempt's row."""
    return AttemptRow(call_id=call_id, number=number, outcome=outcome, **times)


def test_transfers_are_summed_up() -> None:
    """Outcomes, music for each call, two-way audio for each join, the summary at the first ring."""
    rows = [
        attempt("a", 1, "busy", music_ms=20, ringing_ms=60, summary_ms=80),
        attempt("a", 2, "connected", music_ms=20, ringing_ms=90, summary_ms=80, accepted_ms=500,
                caller_hears_ms=620, person_hears_ms=540),
        attempt("b", 1, "no_answer", music_ms=30),
        attempt("b", 2, "connected", music_ms=30, ringing_ms=100, summary_ms=50, accepted_ms=400),
        attempt("c", 1, "caller_left", music_ms=40, ringing_ms=70),
    ]  # fmt: skip
    found = summarize_transfers(rows)
    assert found.outcomes == {"connected": 2, "busy": 1, "no_answer": 1, "caller_left": 1}
    assert found.music is not None and (found.music.p50, found.music.worst) == (30, 40)
    assert found.two_way is not None and (found.two_way.count, found.two_way.worst) == (1, 120)
    assert (found.summarized, found.first_rings) == (1, 3)
    text = "\n".join(transfer_lines(found))
    assert "two voices  120 / 120 ms after the key" in text
    assert "summary     there at the first ring in 33% of 3" in text
    assert transfer_lines(summarize_transfers([])) == []


def test_the_record_shows_every_attempt() -> None:
    """``cordboard calls show`` lists who was tried, how it ended, and when from the decision."""
    call = CallRow(
        call_id="c",
        state="closed",
        direction="inbound",
        sip_call_id="x",
        trunk="default",
        source="192.0.2.9:5060",
        caller="sip:a@b",
        caller_name="",
        called="sip:1@b",
        offered_at="2026-01-01T00:00:00.000Z",
    )
    times = AttemptTimes(51_000_000, 101_000_000, None, None, None, None, 1_001_000_000)
    context = AttemptContext(CallId("c"), "support", 1_000_000, 11_000_000)
    rows = [
        AttemptRow(**attempt_columns(context, 1, AttemptEnded("ann", Outcome.BUSY, 486, times))),
        AttemptRow(**attempt_columns(context, 2, AttemptEnded("", Outcome.CALLER_LEFT, 0, times))),
    ]
    text = show_text(call, [], rows)
    assert "support: ann  busy (486)  music 10, dialed 50, ringing 100, ended 1000" in text
    assert "support: nobody rung  caller_left" in text
    whole = AttemptTimes(*(ms * 1_000_000 for ms in (51, 101, 301, 401, 501, 503, 9_001)))
    heard = AttemptContext(CallId("c"), "support", 1_000_000, 11_000_000, *wire_ns(61, 571, 531))
    row = attempt_columns(heard, 3, AttemptEnded("bob", Outcome.CONNECTED, 200, whole))
    assert "music 10, summary 60, dialed 50" in show_text(call, [], [AttemptRow(**row)])
    assert "joined 502, caller hears 570, person hears 530" in show_text(
        call, [], [AttemptRow(**row)]
    )
    shown = json.loads(show_json(call, [], rows))
    assert [each["outcome"] for each in shown["attempts"]] == ["busy", "caller_left"]
