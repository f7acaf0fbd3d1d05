from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.admission import Admission
from edge.front.board import Books, Seat
from edge.front.desk import FrontDesk
from edge.front.front import FrontLine
from edge.front.program import FrontError, check, find_kamailio, kamailio_arguments
from edge.front.refusals import RefusalNotes
from edge.front.rpc import Rpc, RpcError, RpcRefusedError
from edge.front.settings import fronted_settings, is_fronted
from edge.front.users import digest_users, front_realm, ha1
from edge.pool import Pool
from edge.ua.messages import UaReady
from edge.ua.proxied import true_source
from media.config.load import parse_config
from media.config.model import Config

pytestmark = pytest.mark.unit

BASE = """\
sip: {address: 192.0.2.10, front: kamailio}
limits: {calls: 6}
agents: {a: {greeting: Hello., instructions: Help.}}
dialplan: [{agent: a}]
"""


def config(more: str = "", base: str = BASE) -> Config:
    """Load a configuration with a front."""
    loaded = parse_config((base + more).encode(), Path("/srv/c.yaml"))
    assert loaded.config is not None, [str(each) for each in loaded.reading.problems]
    return loaded.config


def ready(pool: Pool, number: int, slots: int = 4) -> None:
    """Bring a worker up."""
    pool.pass_time(10**12)
    place = pool.places[number]
    message = UaReady(slots, slots, 6_000 + number, None, "2.15.1")
    pool.receive_ready(number, place.generation, message, 10**12)


def line(pool: Pool, admission: Admission, told: Config) -> FrontLine:
    """Make the front of a control process."""
    return FrontLine(told, pool, admission, retry_after_s=lambda: 9, on_change=lambda: None)


def opened() -> Admission:
    """Return an admission that takes calls."""
    admission = Admission(needs_agent=False, reaches_agent=False)
    admission.media_up = True
    return admission


# ------------------------------------------------------------ the pool behind a front


def test_the_first_worker_says_how_many_are_needed() -> None:
    """Six callers on workers of four slots need two; outbound workers are not counted."""
    pool = Pool(1, 6, 1, fronted=True)
    ready(pool, 0)
    assert [(each.number, each.outbound) for each in pool.places] == [
        (0, False), (1, True), (2, False),
    ]  # fmt: skip
    ready(pool, 2)
    assert len(pool.places) == 3
    assert pool.limit == 6


def test_without_a_front_one_slot_is_kept_for_refusing() -> None:
    """The pool does not grow, and the build's last slot is not given away."""
    pool = Pool(1, 6)
    ready(pool, 0)
    assert len(pool.places) == 1
    assert pool.limit == 3


def test_free_slots_follow_legs_drains_and_the_door() -> None:
    """What is told of a worker is what it could take at this moment."""
    pool = Pool(1, 8, fronted=True)
    ready(pool, 0)
    place = pool.places[0]
    assert pool.free(place) == 0
    pool.open(True)
    assert pool.free(place) == 4
    pool.count_leg(0, place.generation, 1)
    assert pool.free(place) == 3
    pool.count_leg(0, place.generation - 1, 1)
    assert pool.free(place) == 3
    pool.drain(0, True)
    assert pool.free(place) == 0
    pool.drain(0, False)
    assert pool.free(place) == 3
    pool.count_leg(0, place.generation, -1)
    pool.count_leg(0, place.generation, -1)
    assert pool.free(place) == 4
    with pytest.raises(IndexError):
        pool.drain(7, True)


# ------------------------------------------------------------ what control says


def test_the_books_are_those_of_the_pool() -> None:
    """Seats with address and free slots, and never more callers than the limit."""
    pool, admission = Pool(1, 6, fronted=True), opened()
    front = line(pool, admission, config())
    ready(pool, 0)
    pool.open(True)
    books = front.books()
    assert books.seats == (Seat("sip:127.0.0.1:6000", 4), Seat("", 0))
    assert (books.free, books.is_open, books.retry_after_s) == (6, True, 9)
    ready(pool, 1)
    for _ in range(4):
        pool.count_leg(0, 1, 1)
        pool.count_leg(1, 1, 1)
    assert front.books().free == 0
    assert front.refusal() is not None


def test_the_last_allowed_call_is_not_refused() -> None:
    """The books count a call before it is judged."""
    pool, admission = Pool(1, 6, fronted=True), opened()
    front = line(pool, admission, config())
    ready(pool, 0)
    ready(pool, 1)
    for _ in range(3):
        pool.count_leg(0, 1, 1)
        pool.count_leg(1, 1, 1)
    assert front.refusal() is None


def test_while_closed_nobody_is_let_in() -> None:
    """A service that is not ready says so at the front already."""
    pool = Pool(1, 6, fronted=True)
    front = line(pool, Admission(), config())
    ready(pool, 0)
    assert (front.books().free, front.books().is_open) == (0, False)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ("accept", False)),
        ("trunks: {a: {sources: 198.51.100.1}}\n", ("forbid", False)),
        ("trunks: {a: {digest: {username: u, password: p}}}\n", ("forbid", False)),
        (
            "trunks: {a: {register: {username: u, password: p}, servers: a.example}}\n",
            ("forbid", True),
        ),
        ("trunks: {a: {sources: 198.51.100.1}}\nsip: {X, unknown_source: drop}\n", ("drop", False)),
        ("sip: {X, unknown_source: forbid}\n", ("forbid", False)),
    ],
)
def test_strangers_get_what_the_policy_says(more: str, expected: tuple[str, bool]) -> None:
    """Unsaid, they are taken while there is no trunk; tokens are control's to judge."""
    base = BASE
    if "X" in more:
        base = BASE.replace("sip: {address: 192.0.2.10, front: kamailio}\n", "")
        more = more.replace("X", "address: 192.0.2.10, front: kamailio")
    books = line(Pool(1, 6, fronted=True), opened(), config(more, base)).books()
    assert (books.unknown, books.strangers_pass) == expected


async def test_without_a_front_everything_is_empty() -> None:
    """No status line, no refusal, nothing to run, and the admission does not wait for it."""
    plain = config(base=BASE.replace(", front: kamailio", ""))
    pool, admission = Pool(1, 6), opened()
    front = line(pool, admission, plain)
    assert not is_fronted(plain)
    assert front.status() == ()
    assert front.refusal() is None
    front.changed(0)
    running = asyncio.create_task(front.run())
    await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    assert admission.why_not(workers_ready=True, calls=0, limit=1) is None


def test_a_front_that_is_not_up_is_told_by_the_status() -> None:
    """'cordboard status' says what is missing."""
    admission = opened()
    front = line(Pool(1, 6, fronted=True), admission, config())
    assert "Kamailio" in str(admission.why_not(workers_ready=True, calls=0, limit=1))
    assert not front.status()[0].up


def test_workers_behind_the_front_hear_only_loopback() -> None:
    """Their Contact and their way out are the front's."""
    settings = fronted_settings(config())
    assert (settings.address, settings.udp_port, settings.tcp_port) == ("127.0.0.1", 0, None)
    assert settings.contact.format(place=3) == "sip:w3@192.0.2.10:5060"
    assert settings.proxy == "sip:127.0.0.1:5062;lr"
    assert settings.behind_front


def test_the_true_source_is_the_fronts_word() -> None:
    """Without it, the datagram's."""
    told = {"x-cordboard-source": "[2001:db8::7]:5060;transport=tls"}
    assert true_source(told, "127.0.0.1:5062") == "[2001:db8::7]:5060"
    assert true_source({}, "127.0.0.1:5062") == "127.0.0.1:5062"
    assert true_source({"x-cordboard-source": ""}, "127.0.0.1:5062") == "127.0.0.1:5062"


# ------------------------------------------------------------ who has a password


def test_the_digest_secret_is_that_of_the_rfc() -> None:
    """RFC 2617 section 3.5: Mufasa and the Circle Of Life."""
    assert ha1("Mufasa", "testrealm@host.com", "Circle Of Life") == (
        "939e7578ed9e3c518a452acee763bce9"
    )


def test_phones_and_registering_trunks_have_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """By digest user, in one realm; a trunk with addresses is control's, a lost secret nobody's."""
    monkeypatch.setenv("ANNA", "one")
    monkeypatch.delenv("BERT", raising=False)
    more = """\
phones:
  anna: {password_env: ANNA}
  bert: {password_env: BERT}
  carl: {username: c-7, password: three}
trunks:
  pbx: {digest: {username: pbx, password: x, realm: house, accept_register: true}}
  line: {digest: {username: line, password: x}, full: {status: 486}}
  both: {digest: {username: both, password: x}, sources: 198.51.100.1}
"""
    loaded = config(more)
    users = digest_users(loaded)
    assert sorted(users) == ["anna", "c-7", "line", "pbx"]
    assert front_realm(loaded) == "house"
    assert users["anna"].ha1 == ha1("anna", "house", "one")
    assert (users["c-7"].identity, users["c-7"].address) == ("phone:carl", "carl")
    assert (users["pbx"].identity, users["pbx"].address) == ("trunk:pbx", "pbx")
    assert (users["line"].address, users["line"].refusal) == ("", "486/-")
    assert front_realm(config()) == "cordboard"


# ------------------------------------------------------------ the command socket


class Kamailio(asyncio.DatagramProtocol):
    """Answers commands on a unix socket as Kamailio does, from tables of its own."""

    def __init__(self) -> None:
        self.tables: dict[tuple[str, str], Any] = {}
        self.methods: list[str] = []
        self.silent = False
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, octets: bytes, address: Any) -> None:
        request = json.loads(octets)
        method, parameters = request["method"], request["params"]
        self.methods.append(method)
        if self.silent:
            return
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"], "result": "Ok."}
        if method in ("htable.seti", "htable.sets"):
            self.tables[parameters[0], parameters[1]] = parameters[2]
        elif method == "htable.get" and tuple(parameters) in self.tables:
            reply["result"] = {"item": {"value": self.tables[tuple(parameters)]}}
        elif method != "htable.flush":
            del reply["result"]
            reply["error"] = {"code": 500, "message": "Key name doesn't exist in htable."}
        self._transport.sendto(b"not JSON", address)
        self._transport.sendto(json.dumps(reply).encode(), address)


@pytest.fixture
async def kamailio(tmp_path: Path) -> Iterator[Kamailio]:  # type: ignore[misc]
    """Listen as Kamailio."""
    here = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.bind(str(tmp_path / "kamailio.sock"))
    here.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Kamailio, sock=here)
    yield protocol
    transport.close()


async def test_a_command_gets_its_result_or_its_error(tmp_path: Path, kamailio: Kamailio) -> None:
    """Refusals and silence are different errors."""
    rpc = Rpc(tmp_path / "kamailio.sock")
    await rpc.open()
    assert await rpc.call("htable.seti", ("front", "free", 3)) == "Ok."
    assert (await rpc.call("htable.get", ("front", "free")))["item"]["value"] == 3
    with pytest.raises(RpcRefusedError, match="doesn't exist"):
        await rpc.call("htable.get", ("front", "mark"))
    rpc.close()
    with pytest.raises(RpcError, match="not connected"):
        await rpc.call("core.uptime")


async def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    """It is the caller who tries again."""
    with pytest.raises(RpcError):
        await Rpc(tmp_path / "kamailio.sock").open()


async def test_the_desk_tells_a_new_kamailio_and_every_later_one(
    tmp_path: Path, kamailio: Kamailio
) -> None:
    """Up once everything was told; a Kamailio that forgot is told again."""
    books = Books((Seat("sip:127.0.0.1:1", 4),), 4, True, 5)
    changes: list[bool] = []
    refused: list[str] = []
    notes = RefusalNotes(lambda each: refused.append(each.sip_call_id))
    (tmp_path / "pid").write_text("4711\n")
    desk = FrontDesk(
        tmp_path / "kamailio.sock",
        tmp_path / "pid",
        lambda: books,
        lambda: changes.append(desk.up),
        notes,
    )
    assert desk.pid == 0
    running = asyncio.create_task(desk.run())
    while not changes:
        await asyncio.sleep(0.005)
    assert (desk.up, desk.pid, changes) == (True, 4711, [True])
    assert kamailio.tables["free", "0"] == 4
    books = Books((Seat("sip:127.0.0.1:1", 3),), 3, True, 5)
    desk.changed()
    while kamailio.tables["free", "0"] != 3:
        await asyncio.sleep(0.005)
    kamailio.tables["note", "1"] = "1 1795684665.5 503 full YQ==      ."
    kamailio.tables["notes", "count"] = 1
    async with asyncio.timeout(5):
        while kamailio.tables.get(("notes", "heard")) != 1:
            await asyncio.sleep(0.01)
    assert refused == ["a"]
    kamailio.tables.clear()
    async with asyncio.timeout(5):
        while kamailio.tables.get(("front", "mark")) is None:
            await asyncio.sleep(0.01)
    kamailio.tables["note", "1"] = "1 1795684665.5 503 full Yg==      ."
    kamailio.tables["notes", "count"] = 1
    async with asyncio.timeout(5):
        while kamailio.tables.get(("notes", "heard")) != 1:
            await asyncio.sleep(0.01)
    assert refused == ["a", "b"]
    assert kamailio.tables["uri", "0"] == "sip:127.0.0.1:1"
    running.cancel()


# ------------------------------------------------------------ the program


def test_a_missing_kamailio_is_said_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that can be followed."""
    monkeypatch.setattr("edge.front.program.shutil.which", lambda *_, **__: None)
    with pytest.raises(FrontError, match="apt-get install kamailio kamailio-tls-modules"):
        find_kamailio(config())


def test_a_missing_certificate_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the key's name in the YAML."""
    monkeypatch.setattr("edge.front.program.shutil.which", lambda *_, **__: "/bin/true")
    more = "front: {tls_certificate: /nowhere/c.pem, tls_key: /nowhere/k.pem}\n"
    with pytest.raises(FrontError, match=r"front.tls_certificate: /nowhere/c.pem"):
        find_kamailio(config(more))


def test_a_front_that_cannot_start_says_so_in_the_log(tmp_path: Path) -> None:
    """Like the other processes: one whole line of JSON."""
    file = tmp_path / "c.yaml"
    file.write_text(
        f"home: {tmp_path}\nagents: {{a: {{greeting: Hello, instructions: Help.}}}}\n"
        "dialplan: [{agent: a}]\nlog: {format: json}\n"
        "sip: {address: 127.0.0.1, front: kamailio}\nlimits: {calls: 2}\n"
        "front: {tls_certificate: /nowhere/c.pem, tls_key: /nowhere/k.pem}\n"
    )
    command = [sys.executable, "-m", "edge.front", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (event,) = map(json.loads, done.stderr.splitlines())
    assert (event["event"], event["role"]) == ("process_failed", "edge.front")
    assert "/nowhere/c.pem" in event["reason"]


def test_what_kamailio_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    """The program's own errors reach the operator, its other chatter does not."""
    program = tmp_path / "kamailio"
    program.write_text("#!/bin/sh\necho chatter >&2\necho ' 0(1) CRITICAL: line 7' >&2\nexit 255\n")
    program.chmod(0o700)
    with pytest.raises(FrontError, match=r"kamailio.cfg:  0\(1\) CRITICAL: line 7"):
        check(str(program), tmp_path)
    assert "-DD" in kamailio_arguments(tmp_path)
