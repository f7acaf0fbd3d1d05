from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.front_caller import SDP, TlsCaller, ask, burst, credentials, many
from tests.harness.fronted import STRANGER_ADDRESS, TRUNK_ADDRESS, FrontedService
from tests.harness.outside_sip import SipMessage

pytestmark = pytest.mark.integration

PASSWORD = "correct horse"
SILENT_PORT = 28_196
"""A trunk that never answers: its callers hear ringing."""
MORE = """\
  house: {servers: "127.0.0.1:@PORT@", qualify: {interval_s: 0}, numbers: {outbound: as_is}}
  silent: {servers: "127.0.0.1:28196", qualify: {interval_s: 0}}
phones:
  "200": {username: desk200, password: correct horse}
  "201": {password: correct horse}
"""
DIALPLAN = """\
  - {match: {called: ring}, number: "100", trunk: silent}
  - {match: {called: "200"}, number: "200", trunk: house}
  - announce: tone.wav
"""


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontedService]:
    """Provide one service with phones, whose patience with strangers is short."""
    front = ", flood_requests: 20, refusals: 8, wrong_passwords: 3, ban_s: 600"
    service = FrontedService(tmp_path_factory.mktemp("door"), 8, front=front, dialplan=DIALPLAN)
    text = service.config.read_text()
    text = text.replace("agents:", MORE.replace("@PORT@", str(service.port)) + "agents:")
    service.config.write_text(text)
    service.start()
    yield service
    assert service.stop() == 0, service.log_tail()


def register(
    fronted: FrontedService, address: str, name: str, user: str, password: str
) -> tuple[SipMessage | None, SipMessage | None]:
    """Register; return the challenge and the answer to the credentials."""
    first = ask("REGISTER", fronted.port, address, user=name, sender=name)
    if first is None or first.status != 401:
        return first, None
    uri = f"sip:{name}@127.0.0.1:{fronted.port}"
    headers = credentials(first, "REGISTER", uri, user, password) + "Expires: 120\r\n"
    answer = ask("REGISTER", fronted.port, address, user=name, sender=name, headers=headers)
    return first, answer


def forget_contacts(fronted: FrontedService) -> None:
    """Take away what phone 200 has registered in other tests (RFC 3261 section 10.2.2)."""
    port, address = fronted.port, "127.0.0.30"
    first = ask("REGISTER", port, address, user="200", sender="200")
    assert first is not None
    uri = f"sip:200@127.0.0.1:{port}"
    gone = credentials(first, "REGISTER", uri, "desk200", PASSWORD) + "Expires: 0\r\n"
    answer = ask(
        "REGISTER", port, address, user="200", sender="200", headers=gone, contact="Contact: *"
    )
    assert answer is not None
    assert answer.status == 200


# ------------------------------------------------------------ TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_call_over_tls(fronted: FrontedService, version: ssl.TLSVersion) -> None:
    """INVITE, ACK and BYE over one connection, certificate verified; the trunk is recognised."""
    caller = TlsCaller(fronted.tls_port, str(fronted.folder / "cert.pem"), version)
    try:
        answer = caller.call()
        assert answer.status == 200
        assert any("transport=tls" in each for each in answer.all("record-route"))
        assert fronted.wait(lambda status: len(status["calls"]) == 1)
        assert caller.hang_up().status == 200
    finally:
        caller.close()
    fronted.wait_level()


def test_older_tls_is_refused(fronted: FrontedService) -> None:
    """A client that speaks no more than TLS 1.1 gets no connection."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{fronted.tls_port}", "-tls1_1",
               "-cipher", "ALL:@SECLEVEL=0"]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    assert done.returncode != 0
    assert b"Cipher is (NONE)" in done.stdout


# ------------------------------------------------------------ a worker dies before the answer


def test_a_caller_who_hears_ringing_is_told_when_the_worker_dies(fronted: FrontedService) -> None:
    """503 with Retry-After within seconds instead of ringing into the void."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", SILENT_PORT))
        with many(1, fronted.port) as (one,):
            one.dialled.number = "ring"
            answers: list[SipMessage] = []
            thread = threading.Thread(target=lambda: answers.append(one.invite(10)))
            thread.start()
            assert one.wait_for(lambda each: each.status == 180, 5) is not None
            workers = fronted.wait(lambda status: bool(status["calls"]))["workers"]
            taking = [each for each in workers if each["callers"]]
            os.kill(next(each["pid"] for each in taking if each["legs"]), signal.SIGKILL)
            killed = time.monotonic()
            thread.join()
            assert time.monotonic() - killed < 5
            assert answers[0].status == 503
            assert answers[0].header("retry-after") == "7"
    fronted.wait(lambda status: status["limit"] == 8)


# ------------------------------------------------------------ strangers


def test_a_stranger_is_refused_and_after_some_patience_ignored(fronted: FrontedService) -> None:
    """Eight times 403 or a challenge, then silence for his address and only for his."""
    address = "127.0.0.20"
    answers = [ask("INVITE", fronted.port, address, timeout_s=2.0) for _ in range(10)]
    assert all(each is not None and each.status in (403, 407) for each in answers[:8])
    assert answers[8:] == [None, None]
    assert f"source_banned source={address} reason=unknown_source" in fronted.log_text()
    assert ask("OPTIONS", fronted.port, "127.0.0.21") is not None


def test_a_flooding_stranger_is_shut_out_within_two_seconds_and_a_trunk_is_not(
    fronted: FrontedService,
) -> None:
    """Of sixty at once the limit of twenty is answered; 150 of a trunk are all answered."""
    assert burst("REGISTER", 60, fronted.port, STRANGER_ADDRESS) == 20
    assert f"source_banned source={STRANGER_ADDRESS} reason=flood" in fronted.log_text()
    trunk = [ask("OPTIONS", fronted.port, TRUNK_ADDRESS) for _ in range(150)]
    assert all(each is not None and each.status == 200 for each in trunk)
    assert ask("REGISTER", fronted.port, STRANGER_ADDRESS, timeout_s=0.3) is None
    with many(1, fronted.port) as (one,):
        assert one.invite().status == 200
    fronted.wait_level()


def test_a_scanner_gets_nothing(fronted: FrontedService) -> None:
    """Who says that it is sipvicious is not answered, not even later under another name."""
    address = "127.0.0.22"
    scan = "User-Agent: friendly-scanner\r\n"
    assert ask("OPTIONS", fronted.port, address, headers=scan, timeout_s=0.3) is None
    assert ask("REGISTER", fronted.port, address, timeout_s=0.3) is None
    assert f"source_banned source={address} reason=scanner" in fronted.log_text()


def test_other_methods_are_refused(fronted: FrontedService) -> None:
    """MESSAGE, PUBLISH and REFER outside of calls get 405 with Allow, SUBSCRIBE 489."""
    asked = ask("SUBSCRIBE", fronted.port, TRUNK_ADDRESS)
    assert asked is not None
    assert asked.status == 489
    for method in ("MESSAGE", "PUBLISH", "REFER"):
        answer = ask(method, fronted.port, TRUNK_ADDRESS)
        assert answer is not None
        assert answer.status == 405
        assert "INVITE" in answer.header("allow")


# ------------------------------------------------------------ desk phones


def test_a_phone_registers_with_its_password(fronted: FrontedService) -> None:
    """401, then 200 with the Contact and the time it is good for."""
    challenge, answer = register(fronted, "127.0.0.30", "200", "desk200", PASSWORD)
    assert challenge is not None
    assert challenge.status == 401
    assert answer is not None
    assert answer.status == 200
    assert "expires=120" in answer.header("contact")


def test_a_phone_cannot_register_as_another(fronted: FrontedService) -> None:
    """The right password of one phone does not open another's address."""
    _, answer = register(fronted, "127.0.0.31", "201", "desk200", PASSWORD)
    assert answer is not None
    assert answer.status == 403


def test_wrong_passwords_end_in_silence_for_that_user_from_there(fronted: FrontedService) -> None:
    """Three times 403, then nothing for this user and source, but for others as before."""
    address = "127.0.0.32"
    statuses = []
    for _ in range(3):
        _, answer = register(fronted, address, "201", "201", "wrong")
        assert answer is not None
        statuses.append(answer.status)
    assert statuses == [403] * 3
    assert ask("REGISTER", fronted.port, address, user="201", timeout_s=0.3) is None
    assert f"user_banned source={address} user=201" in fronted.log_text()
    _, answer = register(fronted, "127.0.0.33", "201", "201", PASSWORD)
    assert answer is not None
    assert answer.status == 200


def test_an_unknown_user_learns_nothing(fronted: FrontedService) -> None:
    """The answers for a user who does not exist are those for a wrong password."""
    known, wrong = register(fronted, "127.0.0.34", "201", "201", "wrong")
    unknown, neither = register(fronted, "127.0.0.35", "299", "299", "wrong")
    assert known is not None
    assert unknown is not None
    assert wrong is not None
    assert neither is not None
    assert (unknown.status, neither.status) == (known.status, wrong.status)


def test_a_phone_that_comes_back_elsewhere_is_not_refused(fronted: FrontedService) -> None:
    """Each restart brings another Contact; the oldest goes, a refresh takes nobody's place."""
    forget_contacts(fronted)
    contacts = []
    for _ in range(7):
        _, answer = register(fronted, "127.0.0.37", "200", "desk200", PASSWORD)
        assert answer is not None
        assert answer.status == 200
        contacts.append(answer.header("contact").count("<sip:"))
    assert contacts == [1, 2, 3, 4, 4, 4, 4]
    forget_contacts(fronted)


@pytest.mark.parametrize("name", ["desk200", "200"])
def test_a_phone_calls_with_its_password(fronted: FrontedService, name: str) -> None:
    """407, then the call; control is told which phone it is and never sees the credentials.

    From is the phone's number or its user name: phones write the one or the other.
    """
    with many(1, fronted.port, "127.0.0.36") as (one,):
        uri = f"sip:100@127.0.0.1:{fronted.port}"
        one.dialled.caller = name
        challenge = one.invite()
        assert challenge.status == 407
        header = credentials(challenge, "INVITE", uri, "desk200", PASSWORD)
        plain = one._request
        one._request = lambda *given: plain(*given).replace(  # type: ignore[method-assign]
            "User-Agent: outside\r\n", f"User-Agent: outside\r\n{header}"
        )
        assert one.invite().status == 200
    fronted.wait_level()


def test_a_phone_that_nobody_registered_is_not_there(fronted: FrontedService) -> None:
    """A call that the plan sends to it ends with 480, and no worker keeps a leg."""
    forget_contacts(fronted)
    with many(1, fronted.port) as (one,):
        one.dialled.number = "200"
        assert one.invite(20).status == 480
    fronted.wait_level()


def test_a_registered_softphone_rings_and_answers(fronted: FrontedService, tmp_path: Path) -> None:
    """Baresip registers with digest; a caller is put through to it by a worker and the front."""
    forget_contacts(fronted)
    program = shutil.which("baresip")
    assert program, "baresip is not installed: apt-get install baresip-core"
    modules = next(Path("/usr/lib").rglob("baresip/modules"))
    lines = [
        "sip_listen 127.0.0.1:0",
        "net_interface 127.0.0.1",
        f"audio_source aufile,{fronted.folder}/tone.wav",
        "audio_player aubridge,nobody",
        *[f"{kind}_srate 8000\n{kind}_channels 1" for kind in ("ausrc", "auplay")],
        "rtp_ports 28150-28190",
        f"module_path {modules}",
        *[f"module {name}.so" for name in ("g711", "aufile", "aubridge")],
        *[f"module_app {name}.so" for name in ("account", "menu")],
    ]
    (tmp_path / "config").write_text("\n".join(lines) + "\n")
    (tmp_path / "accounts").write_text(
        f'<sip:200@127.0.0.1:{fronted.port}>;auth_user=desk200;auth_pass="{PASSWORD}";'
        "answermode=auto;regint=60\n"
    )
    (tmp_path / "contacts").write_text("")
    with (tmp_path / "baresip.log").open("wb") as log:
        phone = subprocess.Popen(
            [program, "-f", str(tmp_path), "-t", "40"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        said = tmp_path / "baresip.log"
        deadline = time.monotonic() + 10
        while "200 OK" not in said.read_text(errors="replace") and time.monotonic() < deadline:
            time.sleep(0.1)
        with many(1, fronted.port) as (one,):
            one.dialled.number = "200"
            answer = one.invite(15)
            assert answer.status == 200, said.read_text(errors="replace") + fronted.log_tail()
            # the leg to the phone is in a worker's next heartbeat
            fronted.wait(lambda status: sum(each["legs"] for each in status["workers"]) == 2)
            assert one.bye().status == 200
            one.remote_tag = ""
        fronted.wait_level()
    finally:
        phone.terminate()
        phone.wait(10)


def test_the_sdp_is_not_touched(fronted: FrontedService) -> None:
    """The front passes audio by: what the caller gets is media's address, not Kamailio's."""
    with many(1, fronted.port) as (one,):
        answer = one.invite(sdp=SDP)
        assert "m=audio 28" in answer.body
        assert "a=nortpproxy" not in answer.body
    fronted.wait_level()
