from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from media.messages import CallAnswered, HangupRequested, StartConversation
from tests.edge.trunks.carrier import Carrier
from tests.edge.trunks.exchange import Exchange

pytestmark = pytest.mark.integration


def dial(
    exchange: Exchange, *more: str, trunk: str = "carrier"
) -> subprocess.CompletedProcess[str]:
    arguments = ("dial", "--agent", "desk", "--to", "030 400", "--trunk", trunk, "--wait")
    return exchange.command(*arguments, *more)


def outbound(exchange: Exchange, call_id: str) -> dict:  # type: ignore[type-arg]
    deadline = time.monotonic() + 6
    while True:
        (row,) = exchange.records("call_id = ?", call_id)
        if row["ended_at"] is not None:
            return row
        assert time.monotonic() < deadline, row
        time.sleep(0.05)


def test_a_persona_calls_somebody(exchange: Exchange, carrier: Carrier) -> None:
    """The agent is ready before the INVITE goes out, greets on the answer, hangs up with BYE."""
    with ThreadPoolExecutor() as pool:
        running = pool.submit(dial, exchange, "--var", "name=Smith", "--var", "ticket=77")
        started = exchange.hear(StartConversation)
        assert started.agent == "desk"
        assert started.variables["name"] == "Smith"
        assert (started.variables["called"], started.variables["trunk"]) == ("+4930400", "carrier")
        invite = carrier.wait("INVITE")
        assert exchange.hear(CallAnswered).call_id == started.call_id
        deadline = time.monotonic() + 3
        while not carrier.heard and time.monotonic() < deadline:
            time.sleep(0.02)
        assert carrier.heard
        exchange.tell(HangupRequested(started.call_id, "agent_goodbye"))
        done = running.result(20)
    carrier.wait("BYE")
    assert invite.first_line.startswith("INVITE sip:4930400@")
    assert invite.header("x-ticket") == "77"
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{started.call_id} over carrier"
    assert lines[1] == "answered"
    assert lines[2].endswith("agent_goodbye (200, by agent)")
    row = outbound(exchange, started.call_id)
    assert (row["direction"], row["trunk"], row["agent"]) == ("outbound", "carrier", "desk")
    assert row["sip_call_id"] == invite.header("call-id")
    assert row["duration_ms"] > 0


@pytest.mark.parametrize("status", [486, 404])
def test_who_does_not_answer(exchange: Exchange, carrier: Carrier, status: int) -> None:
    """The command fails and says what the far end said; so does the record."""
    carrier.status = status
    done = dial(exchange)
    assert done.returncode == 1
    assert f"not_reached ({status}, by called)" in done.stdout
    row = outbound(exchange, done.stdout.split(" ")[0])
    assert (row["reason"], row["sip_status"], row["duration_ms"]) == ("not_reached", status, 0)


def test_the_second_server_is_dialled_when_the_first_cannot(
    exchange: Exchange, carrier: Carrier, spare: Carrier
) -> None:
    """503 before any ringing goes on to the next server; its far end hangs up."""
    carrier.status, carrier.ring = 503, False
    with ThreadPoolExecutor() as pool:
        running = pool.submit(dial, exchange)
        spare.wait("ACK")
        time.sleep(0.2)
        spare.hang_up()
        done = running.result(20)
    carrier.ring = True
    assert done.returncode == 0, done.stdout + done.stderr
    assert "caller_hangup (200, by caller)" in done.stdout


def test_a_silent_server_is_passed_over(
    exchange: Exchange, carrier: Carrier, spare: Carrier
) -> None:
    """The second server is dialled; what the first answers too late gets ACK and BYE."""
    carrier.mute, carrier.answer_after_s = True, 1.8
    with ThreadPoolExecutor() as pool:
        running = pool.submit(dial, exchange)
        spare.wait("ACK")
        carrier.wait("ACK")
        carrier.wait("BYE")
        assert not spare.seen("BYE")
        spare.hang_up()
        done = running.result(20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "caller_hangup (200, by caller)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--agent", "nobody", "--to", "+4930400", "--trunk", "carrier"), "no agent nobody"),
        (("--agent", "desk", "--to", "+4930400", "--trunk", "small"), "no trunk small"),
        (("--agent", "desk", "--to", "+4930400"), "which trunk?"),
        (
            ("--agent", "desk", "--to", "sip:a@evil.test;x", "--trunk", "carrier", "--var", "x"),
            "KEY",
        ),
        (("--agent", "desk", "--to", "a b<c>", "--trunk", "carrier"), "is no number"),
        (("--agent", "dsk", "--to", "1", "--trunk", "carrier"), 'did you mean "desk"?'),
    ],
)
def test_what_cannot_be_dialled(
    exchange: Exchange, carrier: Carrier, arguments: tuple[str, ...], said: str
) -> None:
    """A name that does not exist or text that is no number places no call."""
    done = exchange.command("dial", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.startswith("cordboard dial: ")
    assert carrier.seen("INVITE") == []


def test_a_trunk_is_probed(exchange: Exchange, carrier: Carrier) -> None:
    """OPTIONS to every server; YAML that the configuration would take, the unsaid as comments."""
    done = exchange.command("trunk", "probe", "carrier")
    assert done.returncode == 0, done.stderr
    assert f"udp:127.0.0.1:{carrier.port}: 200 in" in done.stdout
    assert "# without REFER: no hand-over by the carrier" in done.stdout
    assert "session_timers: {mode: supported}" in done.stdout
    assert "transfer: bridge" in done.stdout
    assert carrier.wait("OPTIONS").header("accept").startswith("application/sdp")
    assert "no trunk nowhere" in exchange.command("trunk", "probe", "nowhere").stderr


def test_a_trunk_is_probed_by_a_call(exchange: Exchange, carrier: Carrier) -> None:
    """One INVITE that offers everything; early media, timers and codecs are read, BYE at once."""
    carrier.early, carrier.answer_after_s = True, 0.5
    carrier.headers = (
        "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, REFER",
        "Supported: replaces, timer",
        "Session-Expires: 600;refresher=uac",
    )
    done = exchange.command("trunk", "probe", "carrier", "--call", "030 400")
    assert done.returncode == 0, done.stderr
    carrier.wait("BYE")
    (invite,) = carrier.seen("INVITE")
    assert invite.first_line.startswith("INVITE sip:4930400@")
    assert "100rel" in invite.header("supported")
    assert invite.header("x-cordboard-hops") == "1"
    for said in (
        "# call of +4930400 over udp:127.0.0.1:",
        "early media: SDP before the answer",
        "expires_s: 600",
        "codecs: [PCMA]",
        "dtmf: rfc4733",
        "transfer: auto",
        "# without PRACK",
    ):
        assert said in done.stdout, done.stdout
    shown = json.loads(exchange.command("trunks", "--json").stdout)
    assert shown["trunks"][0]["calls"] == 0


def test_a_probing_call_that_nobody_answers_is_taken_back(
    exchange: Exchange, carrier: Carrier
) -> None:
    """After --ring seconds CANCEL goes out, and the command fails and says so."""
    carrier.answer_after_s = 8
    done = exchange.command("trunk", "probe", "carrier", "--call", "030400", "--ring", "1")
    assert done.returncode == 1
    carrier.wait("CANCEL")
    assert "not answered, taken back by us" in done.stdout
    assert "no early media" in done.stdout
    assert carrier.seen("BYE") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("carrier", "--call", "a b"), "is no number"),
        (("carrier", "--call", "030400", "--ring", "0"), "not 1 to 120 seconds"),
    ],
)
def test_probing_calls_that_are_not_placed(
    exchange: Exchange, carrier: Carrier, arguments: tuple[str, ...], said: str
) -> None:
    """What cannot be called is said, and nothing is sent."""
    done = exchange.command("trunk", "probe", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert carrier.seen("INVITE") == []


def test_a_probing_call_to_a_trunk_that_requires_srtp(exchange: Exchange, carrier: Carrier) -> None:
    """It offers SRTP and no plain RTP; what the far end makes of that is shown."""
    carrier.answer_after_s = 0.0
    done = exchange.command("trunk", "probe", "secret", "--call", "030400", "--ring", "5")
    invite = carrier.wait("INVITE")
    assert "RTP/SAVP" in invite.body and "a=crypto:" in invite.body
    assert "030400" in done.stdout + done.stderr


def test_the_trunks_are_shown(exchange: Exchange) -> None:
    """One line a server, for people and as JSON."""
    shown = exchange.command("trunks")
    assert shown.returncode == 0
    assert "small  0 of 1 calls" in shown.stdout
    assert "a caller from no trunk: forbid" in shown.stdout
    trunks = json.loads(exchange.command("trunks", "--json").stdout)
    assert [each["name"] for each in trunks["trunks"]] == [
        *("carrier", "small", "busy", "plain", "secret", "stream", "pbx")
    ]
