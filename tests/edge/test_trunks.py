import datetime
import hashlib
import random
import re
from pathlib import Path

import dns.resolver
import pytest

from edge.dialplan.plan import Action
from edge.trunks import identity
from edge.trunks.digest import (
    NONCE_LIFE_NS,
    Challenger,
    Proof,
    answer_challenge,
    parse_credentials,
)
from edge.trunks.gate import MOST_SOURCES, Admit, Gate, GateRules, RefusalReason
from edge.trunks.limits import SECOND_NS, TrunkUse
from edge.trunks.messages import CallProbed, ServerProbed, TrunkProbed
from edge.trunks.probe import report
from edge.trunks.recognition import Recognition, host_of, policy_of
from edge.trunks.registration import (
    Registration,
    RegistrationFailed,
    RegistrationUp,
    SendRegister,
)
from edge.trunks.resolve import SrvRecord, order_srv, resolve
from edge.trunks.routing import MOST_ROUNDS, Routing
from edge.trunks.servers import Servers, ServerState, Target, split_server
from edge.ua.messages import UaInvite
from media import ConfigError
from media.config.load import load_config
from media.config.model import (
    AgentConfig,
    Config,
    Front,
    RuleConfig,
    SipConfig,
    UnknownSource,
)
from media.config.routing import ActionConfig, MatchConfig
from media.config.trunks import (
    DigestConfig,
    FullConfig,
    HeadersConfig,
    Identity,
    IdentityConfig,
    NumbersConfig,
    QualifyConfig,
    RegisterConfig,
    Transport,
    TrunkConfig,
    TrunkLimits,
)

pytestmark = pytest.mark.unit

S = SECOND_NS


# ---------------------------------------------------------------- limits


def use(**limits: float) -> TrunkUse:
    trunk = TrunkConfig(
        sources=("10.0.0.1",),
        limits=TrunkLimits(**limits),  # type: ignore[arg-type]
        full=FullConfig(503, 20),
    )
    made = TrunkUse()
    made.set_trunks({"t": trunk})
    return made


def test_calls_at_once_are_counted_in_both_directions() -> None:
    """The call beyond the limit is refused; one that ended makes room for another."""
    trunk = use(calls=2)
    assert trunk.begin("t", 0) is None
    assert trunk.begin("t", 0) is None
    full = trunk.begin("t", 0)
    assert full is not None
    assert (full.sip_status, full.headers(7)) == (503, {"Retry-After": "20"})
    trunk.end("t")
    assert trunk.begin("t", 0) is None
    assert trunk.calls("t") == 2


def test_the_rate_is_kept_over_any_stretch_of_time() -> None:
    """With 2.5 calls a second at most 2.5 times the seconds plus a burst of 2.5 pass, ever."""
    trunk = use(calls_per_second=2.5)
    draw = random.Random(3)
    now, passed = 0, []
    for _ in range(4_000):
        now += draw.randrange(S // 20)
        if trunk.begin("t", now) is None:
            passed.append(now)
    for start in range(0, len(passed), 7):
        for end in range(start, len(passed), 11):
            seconds = (passed[end] - passed[start]) / S
            assert end - start + 1 <= seconds * 2.5 + 2.5 + 1e-6
    assert len(passed) >= now / S * 2.4


def test_refused_calls_cost_no_tokens() -> None:
    """Somebody who retries a hundred times in a second delays nobody's next call."""
    trunk = use(calls_per_second=1)
    assert trunk.begin("t", 0) is None
    for at in range(100):
        assert trunk.begin("t", at * S // 200) is not None
    assert trunk.begin("t", S) is None


def test_a_reload_changes_limits_and_keeps_counts() -> None:
    """Calls in progress go on counting under the new limit."""
    trunk = use(calls=1)
    assert trunk.begin("t", 0) is None
    trunk.set_trunks({"t": TrunkConfig(limits=TrunkLimits(calls=2))})
    assert trunk.begin("t", 0) is None
    assert trunk.begin("t", 0) is not None
    assert trunk.begin("unknown", 0) is None
    assert use().begin("t", 0) is None


# ---------------------------------------------------------------- recognition


def test_the_most_specific_network_wins() -> None:
    """An address inside a network of another trunk belongs to the trunk that names it closer."""
    trunks = {
        "wide": TrunkConfig(sources=("10.0.0.0/8",)),
        "close": TrunkConfig(sources=("10.1.2.3",)),
        "six": TrunkConfig(sources=("2001:db8::/32",)),
    }
    known = Recognition(trunks, UnknownSource.FORBID)
    assert known.recognise("10.1.2.3:5060").trunk == "close"
    assert known.recognise("10.9.9.9:40000").trunk == "wide"
    assert known.recognise("[2001:db8::7]:5060").trunk == "six"
    assert known.recognise("::ffff:10.1.2.3").trunk == "close"
    assert known.recognise("192.0.2.1:5060").trunk is None
    assert known.recognise("not an address").trunk is None


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ("192.0.2.1:5060", "192.0.2.1"),
        ("[2001:db8::1]:5060", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_address_of_a_source(source: str, host: str) -> None:
    """Port, brackets and the IPv4-mapped form are taken off."""
    assert host_of(source) == host


def test_a_registered_contact_is_recognised_by_its_token() -> None:
    """The line token of the Request-URI says the trunk, wherever the call comes from."""
    trunks = {"isp": TrunkConfig(register=RegisterConfig("u", password="p"), servers=("isp.test",))}
    known = Recognition(trunks, UnknownSource.FORBID, {"abc123": "isp"}, {"203.0.113.5": "isp"})
    assert known.recognise("198.51.100.1:5060", "sip:u@1.2.3.4;line=abc123").trunk == "isp"
    assert known.recognise("198.51.100.1:5060", "sip:u@1.2.3.4;line=wrong").trunk is None
    assert known.recognise("203.0.113.5:5060").trunk == "isp"


def test_who_must_prove_themselves() -> None:
    """A digest trunk without sources challenges strangers; with sources its own address, too."""
    digest = DigestConfig("u", password="p")
    roaming = Recognition({"pbx": TrunkConfig(digest=digest)}, UnknownSource.FORBID)
    assert roaming.recognise("192.0.2.1:5060").challenge == "pbx"
    fixed = TrunkConfig(digest=digest, sources=("192.0.2.1",))
    both = Recognition({"pbx": fixed}, UnknownSource.FORBID)
    assert both.recognise("192.0.2.1:5060").challenge == "pbx"
    assert both.recognise("192.0.2.2:5060").challenge is None


def test_strangers_are_let_in_only_while_no_trunk_says_who_is_known() -> None:
    """Without trunks everybody may call; with the first trunk strangers get 403."""
    agents = {"desk": AgentConfig("Hello.", "Be brief.")}
    plan = (RuleConfig(agent="desk"),)
    trunk = {"t": TrunkConfig(sources=("10.0.0.1",))}
    assert policy_of(Config(agents, plan)) is UnknownSource.ACCEPT
    assert policy_of(Config(agents, plan, trunk)) is UnknownSource.FORBID
    asked = Config(agents, plan, trunk, sip=SipConfig(unknown_source=UnknownSource.DROP))
    assert policy_of(asked) is UnknownSource.DROP


# ---------------------------------------------------------------- gate


def gate(policy: UnknownSource, **rules: object) -> Gate:
    made = Gate(lambda sip_call_id: sip_call_id == "ours")
    made.set_rules(GateRules(policy, ("10.0.0.0/24",), ("tok",), **rules))  # type: ignore[arg-type]
    return made


def ask(made: Gate, now_ns: int, address: str = "192.0.2.1", call: str = "x") -> Admit:
    return made.receive(address, call, "sip:a@b", now_ns).admit


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        (UnknownSource.ACCEPT, Admit.PASS),
        (UnknownSource.FORBID, Admit.FORBID),
        (UnknownSource.DROP, Admit.DROP),
    ],
)
def test_a_stranger_gets_what_the_policy_says(policy: UnknownSource, first: Admit) -> None:
    """Accept passes, forbid answers 403, drop answers nothing."""
    assert ask(gate(policy), 0) is first


def test_known_requests_pass_whatever_their_number() -> None:
    """A trunk's network, a dialog of ours and the token of a registration are never limited."""
    made = gate(UnknownSource.DROP)
    for at in range(1_000):
        assert ask(made, at, address="10.0.0.9") is Admit.PASS
        assert ask(made, at, call="ours") is Admit.PASS
        assert made.receive("192.0.2.1", "x", "sip:u@h;line=tok", at).admit is Admit.PASS


def test_who_keeps_on_is_ignored_until_they_have_been_quiet() -> None:
    """After the eighth refusal in the window silence; it lasts from the last request on."""
    made = gate(UnknownSource.FORBID)
    rulings = [made.receive("192.0.2.1", "x", "", each * S // 10) for each in range(9)]
    assert [each.admit for each in rulings] == [Admit.FORBID] * 8 + [Admit.DROP]
    assert rulings[0].log is RefusalReason.UNKNOWN
    assert [each.log for each in rulings[1:8]] == [None] * 7
    assert rulings[8].log is RefusalReason.FLOOD
    assert ask(made, 200 * S) is Admit.DROP
    assert ask(made, 499 * S) is Admit.DROP
    assert ask(made, 800 * S) is Admit.FORBID
    assert ask(made, 0, address="192.0.2.2") is Admit.FORBID


def test_who_may_prove_themselves_is_let_through_until_they_fail() -> None:
    """With digest strangers pass a few times; the one who was vouched for passes on."""
    made = gate(UnknownSource.DROP, challenge=True)
    assert [ask(made, each) for each in range(9)] == [Admit.PASS] * 8 + [Admit.DROP]
    made.vouch("192.0.2.1", 10)
    assert all(ask(made, 20) is Admit.PASS for _ in range(100))


def test_forged_sources_do_not_fill_the_memory() -> None:
    """The oldest sources are forgotten beyond the limit."""
    made = gate(UnknownSource.FORBID)
    for number in range(MOST_SOURCES + 500):
        ask(made, 0, address=f"198.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(made._sources) == MOST_SOURCES


def test_behind_a_front_the_workers_let_everything_in() -> None:
    """The front is the one source that workers hear, and it has its own gate."""
    agents = {"desk": AgentConfig("Hello.", "Be brief.")}
    trunk = {"t": TrunkConfig(sources=("10.0.0.1",))}
    sip = SipConfig(front=Front.KAMAILIO)
    made = Routing.compile(Config(agents, (RuleConfig(agent="desk"),), trunk, sip=sip))
    assert made.gate_rules == GateRules(UnknownSource.ACCEPT)
    assert made.recognition.policy is UnknownSource.FORBID


# ---------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"p-asserted-identity": '"Bob" <sip:+4930@x>, <tel:+4930777>'}, "tel:+4930777"),
        ({"p-asserted-identity": "sip:+4930777@x;user=phone"}, "sip:+4930777@x"),
        ({"remote-party-id": '"B" <sip:123@x>;party=calling'}, "sip:123@x"),
        ({}, "sip:from@x"),
        ({"p-asserted-identity": "rubbish"}, "sip:from@x"),
    ],
)
def test_the_caller_is_read_from_the_trusted_headers(
    headers: dict[str, str], expected: str
) -> None:
    """In the trunk's order; what cannot be read is passed over."""
    assert identity.caller_of("sip:from@x", headers, IdentityConfig()) == expected


def test_identity_of_an_untrusted_trunk_is_its_from() -> None:
    """Without trust no header is believed; From may also come first."""
    headers = {"p-asserted-identity": "<sip:1@x>", "diversion": "<sip:2@x>"}
    assert identity.caller_of("sip:f@x", headers, IdentityConfig(trust=False)) == "sip:f@x"
    assert identity.diverted_of(headers, IdentityConfig(trust=False)) == ""
    first = IdentityConfig(caller=(Identity.FROM, Identity.P_ASSERTED_IDENTITY))
    assert identity.caller_of("sip:f@x", headers, first) == "sip:f@x"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"diversion": "<sip:new@x>;reason=unconditional, <sip:old@x>"}, "sip:old@x"),
        ({"history-info": "<sip:first@x>;index=1, <sip:now@x>;index=1.1"}, "sip:first@x"),
        ({"history-info": "<sip:only@x>;index=1"}, ""),
        ({}, ""),
    ],
)
def test_who_was_dialled_first(headers: dict[str, str], expected: str) -> None:
    """Diversion's oldest entry, or History-Info's first of several."""
    assert identity.diverted_of(headers, IdentityConfig()) == expected


def test_what_a_header_may_hold() -> None:
    """Nothing in a variable can begin a new header line."""
    assert identity.header_value("a\r\nX-Evil: 1\0") == "a  X-Evil: 1"


def test_a_withheld_caller_is_anonymous() -> None:
    """Privacy goes with an anonymous From; the asserted number is for the carrier."""
    from edge.numbers import Numbers

    trunk = TrunkConfig(identity=IdentityConfig(send_from="anonymous", number="+4930999"))
    uri, name, headers = identity.origin_of(trunk, Numbers(trunk.numbers), "+4930111", "us.test")
    assert (uri, name) == ("sip:anonymous@anonymous.invalid", "Anonymous")
    assert headers == {"P-Asserted-Identity": "<sip:+4930999@us.test>", "Privacy": "id"}


# ---------------------------------------------------------------- digest


def answer(challenge: str, user: str, password: str, nc: str = "00000001", **more: str) -> str:
    pairs = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    algorithm = {"SHA-256": "sha256", "MD5": "md5"}[pairs["algorithm"]]

    def digest(text: str) -> str:
        return hashlib.new(algorithm, text.encode()).hexdigest()

    secret = digest(f"{user}:{pairs['realm']}:{password}")
    request = digest("INVITE:sip:100@us")
    response = digest(f"{secret}:{pairs['nonce']}:{nc}:cafe:auth:{request}")
    values = {
        "username": user,
        "realm": pairs["realm"],
        "nonce": pairs["nonce"],
        "uri": "sip:100@us",
        "response": response,
        "cnonce": "cafe",
        **more,
    }
    quoted = ", ".join(f'{key}="{value}"' for key, value in values.items())
    return f"Digest {quoted}, algorithm={pairs['algorithm']}, qop=auth, nc={nc}"


def check(made: Challenger, header: str, now_ns: int = 5, source: str = "192.0.2.1") -> Proof:
    credentials = parse_credentials(header)
    return made.check(credentials, "INVITE", "r", source, "pbx", "secret", now_ns)


@pytest.mark.parametrize("which", [0, 1])
def test_right_credentials_of_both_algorithms(which: int) -> None:
    """SHA-256 is asked for first, MD5 is taken as well; each answer counts once."""
    made = Challenger(b"k")
    challenges = made.challenges("r", "192.0.2.1", 5)
    assert [re.findall(r"algorithm=([\w-]+)", each) for each in challenges] == [
        ["SHA-256"],
        ["MD5"],
    ]
    header = answer(challenges[which], "pbx", "secret")
    assert check(made, header) is Proof.RIGHT
    assert check(made, header) is Proof.STALE
    assert check(made, answer(challenges[which], "pbx", "secret", "00000002")) is Proof.RIGHT


@pytest.mark.parametrize("which", [slice(0, 2), slice(0, 1), slice(1, 2)])
def test_our_own_answer_to_a_challenge(which: slice) -> None:
    """It is right by our own check, and by the strongest algorithm that is asked for."""
    made = Challenger(b"k")
    challenges = made.challenges("r", "192.0.2.1", 5)[which]
    header = answer_challenge(", ".join(challenges), "INVITE", "sip:a@b", "pbx", "secret", "cafe")
    assert header is not None and check(made, header) is Proof.RIGHT
    assert ("SHA-256" in header) is (len(challenges) == 2 or "SHA-256" in challenges[0])
    wrong = answer_challenge(challenges[0], "INVITE", "sip:a@b", "pbx", "secreT", "cafe")
    assert wrong is not None and check(made, wrong) is Proof.WRONG


def test_an_old_challenge_and_one_that_we_cannot_answer() -> None:
    """RFC 2069 has no qop and no nc; unknown algorithms and auth-int alone get no answer."""
    old = answer_challenge(
        'Digest realm="r", nonce="n", opaque="o"', "REFER", "sip:a@b", "u", "p", ""
    )
    one, two = (hashlib.md5(each.encode()).hexdigest() for each in ("u:r:p", "REFER:sip:a@b"))
    response = hashlib.md5(f"{one}:n:{two}".encode()).hexdigest()
    assert old is not None and f'response="{response}"' in old
    assert 'opaque="o"' in old and "nc=" not in old and "algorithm" not in old
    for more in ("algorithm=SHA-512", 'algorithm=MD5, qop="auth-int"'):
        header = f'Digest realm="r", nonce="n", {more}'
        assert answer_challenge(header, "REFER", "sip:a@b", "u", "p", "c") is None
    assert answer_challenge("Basic", "REFER", "sip:a@b", "u", "p", "c") is None


def test_wrong_missing_and_stale_credentials() -> None:
    """Wrong is told from too old, foreign nonces are stale, another realm is no answer at all."""
    made = Challenger(b"k")
    challenge = made.challenges("r", "192.0.2.1", 5)[1]
    right = answer(challenge, "pbx", "secret")
    assert check(made, answer(challenge, "pbx", "wrong")) is Proof.WRONG
    assert check(made, answer(challenge, "other", "secret")) is Proof.WRONG
    assert check(made, right.replace("MD5", "SHA-512")) is Proof.WRONG
    assert check(made, right, now_ns=6 + NONCE_LIFE_NS) is Proof.STALE
    assert check(made, right, source="192.0.2.9") is Proof.STALE
    assert check(Challenger(b"other"), right) is Proof.STALE
    assert check(made, right.replace('realm="r"', 'realm="x"')) is Proof.MISSING
    assert check(made, "") is Proof.MISSING
    assert check(made, "Basic abc") is Proof.MISSING
    assert check(made, right) is Proof.RIGHT


def test_mutated_credentials_never_pass() -> None:
    """Ten thousand headers with one character changed: none is right, none raises."""
    made = Challenger(b"k")
    right = answer(made.challenges("r", "192.0.2.1", 5)[0], "pbx", "secret")
    draw = random.Random(8)
    fields = ("username", "realm", "nonce", "uri", "response", "cnonce")
    spans = [re.search(rf'{name}="([^"]+)"', right) for name in fields]
    for _ in range(10_000):
        span = draw.choice(spans)
        assert span is not None
        at = draw.randrange(span.start(1), span.end(1))
        letter = draw.choice([each for each in "0123456789abcdefXYZ" if each != right[at].lower()])
        if letter.lower() == right[at].lower():
            continue
        assert check(made, right[:at] + letter + right[at + 1 :]) is not Proof.RIGHT


# ---------------------------------------------------------------- servers


def targets(*names: str) -> list[Target]:
    return [Target(each, 5060, Transport.UDP, each) for each in names]


def test_servers_are_tried_in_order_the_dead_ones_last() -> None:
    """A server goes down after so many unanswered OPTIONS and comes back with one answer."""
    one, two = targets("a", "b")
    servers = Servers(QualifyConfig(interval_s=30, timeout_ms=2_000, failures=2))
    servers.set_targets([one, two])
    assert servers.usable() == [one, two]
    now = 0
    for _ in range(2):
        assert [each.target for each in servers.due(now)] == [one, two]
        servers.receive_answer(two, 404, now)
        now += 2 * S
        gone = servers.expired(now)
        servers.all[1].due_ns = 0
        now += 2 * S
    assert [each.target for each in gone] == [one]
    assert servers.usable() == [two, one]
    assert servers.up() == [two]
    assert (servers.all[0].state, servers.all[1].state) == (ServerState.DOWN, ServerState.UP)
    servers.all[0].asked_ns = now
    assert servers.receive_answer(one, 200, now + 7_000_000)
    assert servers.usable() == [one, two]
    assert servers.all[0].round_trip_ms == 7


def test_a_call_that_finds_a_server_dead_spares_the_next_one_the_wait() -> None:
    """With qualify it is tried last until OPTIONS is answered; without, nothing would heal it."""
    one, two = targets("a", "b")
    servers = Servers(QualifyConfig())
    servers.set_targets([one, two])
    servers.note_dead(one, "INVITE: 408", 0)
    assert servers.usable() == [two, one]
    servers.set_targets([one, two, *targets("c")])
    assert servers.usable() == [two, *targets("c"), one]
    off = Servers(QualifyConfig(interval_s=0))
    off.set_targets([one, two])
    off.note_dead(one, "INVITE: 408", 0)
    assert off.usable() == [one, two]
    assert off.due(10**15) == []


def test_how_servers_are_written() -> None:
    """Host, port and transport become a URI; IPv6 keeps its brackets where they belong."""
    assert split_server("[2001:db8::1]:5080") == ("2001:db8::1", 5080)
    assert split_server("sip.carrier.test") == ("sip.carrier.test", None)
    assert Target("2001:db8::1", 5080, Transport.TCP).uri("100") == (
        "sip:100@[2001:db8::1]:5080;transport=tcp"
    )
    assert Target("h", 5060, Transport.UDP).uri() == "sip:h:5060"


# ---------------------------------------------------------------- routing


def routing(*rules: RuleConfig, trunk: TrunkConfig | None = None) -> Routing:
    agents = {"desk": AgentConfig("Hello.", "Be brief.")}
    trunks = {"t": trunk or TrunkConfig(sources=("10.0.0.1",))}
    return Routing.compile(Config(agents, rules or (RuleConfig(agent="desk"),), trunks))


def invite(**fields: object) -> UaInvite:
    values: dict[str, object] = {
        "leg": 1,
        "sip_call_id": "c",
        "from_uri": "sip:030111@carrier",
        "from_display": "",
        "to_uri": "sip:x@us",
        "request_uri": "sip:030222@us",
        "contact_uri": "",
        "source": "10.0.0.1:5060",
        "transport": "UDP",
        "local_address": "10.0.0.2",
        "offer": "",
    }
    return UaInvite(**{**values, **fields})  # type: ignore[arg-type]


def test_an_invite_is_read_as_its_trunk_writes_it() -> None:
    """Numbers become E.164 by the trunk's rules; mapped headers become variables."""
    trunk = TrunkConfig(
        sources=("10.0.0.1",),
        numbers=NumbersConfig(country="49", area="30"),
        headers=HeadersConfig(to_variables={"X-Customer": "customer"}),
    )
    made = routing(trunk=trunk)
    headers = {"x-customer": "4711\r\nX: y", "x-cordboard-hops": "2"}
    found = made.offered(invite(headers=headers), "t")
    assert (found.called, found.caller, found.hops) == ("+4930222", "+4930111", 2)
    assert found.variables == {"customer": "4711  X: y"}
    assert made.offered(invite(headers={"x-cordboard-hops": "-1"}), None).hops == 0


def test_numbers_of_the_plan_itself_are_followed() -> None:
    """A number without a trunk is routed again; its own failure comes after the other's."""
    at = datetime.datetime.now(datetime.UTC)
    rules = (
        RuleConfig(
            name="a",
            match=MatchConfig(called=("+4930222",)),
            number="+49301",
            on_failure=ActionConfig(reject=486),
        ),
        RuleConfig(
            name="b",
            match=MatchConfig(called=("+49301",)),
            agent="desk",
            on_failure=ActionConfig(announce="/sorry.wav"),
        ),
    )
    made = routing(*rules)
    offered = made.offered(invite(request_uri="sip:+4930222@us"), "t")
    actions = made.actions(made.decide(offered, at, 0.0), offered, at, 0.0)
    kinds = [(each.agent, each.announce, each.reject) for each in actions]
    assert kinds == [("desk", None, None), (None, "/sorry.wav", None), (None, None, 486)]


def test_a_plan_that_would_go_round_for_ever_ends_with_483() -> None:
    """The check refuses such plans; should one get through, no call hangs in it."""
    at = datetime.datetime.now(datetime.UTC)
    made = routing(RuleConfig(name="me", number="+49301"))
    offered = made.offered(invite(), "t")
    actions = made.actions(made.decide(offered, at, 0.0), offered, at, 0.0)
    assert actions[-1] == Action(reject=483, reason="the dial plan goes round in circles")
    assert len(actions) <= MOST_ROUNDS


def test_what_can_do_without_the_agent_process() -> None:
    """Only a plan whose every rule is a persona without a substitute needs it."""
    assert routing(RuleConfig(agent="desk")).needs_agent
    assert not routing(RuleConfig(agent="desk"), RuleConfig(reject=404)).needs_agent
    fallback = ActionConfig(announce="/sorry.wav")
    assert not routing(RuleConfig(agent="desk", on_failure=fallback)).needs_agent


def test_a_password_that_cannot_be_read_is_named() -> None:
    """All of them at once, with the trunk and the section."""
    trunk = TrunkConfig(
        digest=DigestConfig("u", password_file="/nonexistent/one"),
        register=RegisterConfig("u", password_file="/nonexistent/two"),
        servers=("h",),
    )
    with pytest.raises(ConfigError) as caught:
        routing(trunk=trunk)
    assert [each.split(" ")[0] for each in caught.value.problems] == [
        "trunks.t.register:",
        "trunks.t.digest:",
    ]


def test_a_reload_keeps_the_tokens_of_registrations() -> None:
    """Contacts that carriers have learnt go on being recognised; new trunks get new tokens."""
    register = RegisterConfig("u", password="p")
    agents = {"desk": AgentConfig("Hello.", "Be brief.")}
    plan = (RuleConfig(agent="desk"),)
    one = {"isp": TrunkConfig(register=register, servers=("isp.test",))}
    old = Routing.compile(Config(agents, plan, one))
    old.recognition.servers["203.0.113.5"] = "isp"
    new = Routing.compile(Config(agents, plan, {**one, "two": one["isp"]}), old=old)
    assert new.tokens["isp"] == old.tokens["isp"]
    assert new.tokens["two"] != new.tokens["isp"]
    assert new.recognition.servers == {"203.0.113.5": "isp"}
    gone = Routing.compile(Config(agents, plan), old=new)
    assert gone.recognition.servers == {}


# ---------------------------------------------------------------- registration


def registration(**fields: int) -> Registration:
    values = {"expires_s": 600, "retry_s": 10, "retry_max_s": 60, "forbidden_retry_s": 900}
    return Registration(RegisterConfig("u", password="p", **{**values, **fields}), 0)


def test_a_registration_is_refreshed_at_half_of_what_was_granted() -> None:
    """The server's grant counts, not what was asked for; only the first success is news."""
    made = registration()
    assert made.pass_time(0) == [SendRegister(600)]
    assert made.pass_time(S) == []
    assert made.receive_answer(200, "OK", 120, S) == [RegistrationUp(120)]
    assert made.pass_time(60 * S) == []
    assert made.pass_time(61 * S) == [SendRegister(600)]
    assert made.receive_answer(200, "OK", 120, 62 * S) == []
    assert made.is_good(181 * S)
    assert not made.is_good(182 * S)


def test_failures_wait_twice_as_long_each_time_and_a_success_forgets_them() -> None:
    """10, 20, 40, 60, 60 s; then 10 again; a refresh that fails leaves the registration good."""
    made, now, waits = registration(), 0, []
    for _ in range(5):
        assert made.pass_time(now) == [SendRegister(600)]
        (failed,) = made.receive_answer(503, "Busy", 0, now)
        assert isinstance(failed, RegistrationFailed)
        waits.append(failed.retry_s)
        now += failed.retry_s * S
    assert waits == [10, 20, 40, 60, 60]
    made.pass_time(now)
    made.receive_answer(200, "OK", 100, now)
    made.pass_time(now + 50 * S)
    assert made.receive_answer(503, "Busy", 0, now + 51 * S) == [
        RegistrationFailed(503, "Busy", 10)
    ]
    assert made.is_good(now + 60 * S)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_wrong_password_is_not_tried_again_soon(status: int) -> None:
    """Servers lock accounts; the wait is the long one from the first time on."""
    made = registration()
    made.pass_time(0)
    assert made.receive_answer(status, "No", 0, 0) == [RegistrationFailed(status, "No", 900)]
    assert made.pass_time(899 * S) == []
    assert made.pass_time(900 * S) == [SendRegister(600)]


def test_silence_lateness_and_the_end() -> None:
    """No answer in 40 s is 408; what comes unasked changes nothing; stop takes it back once."""
    made = registration()
    assert made.receive_answer(200, "OK", 60, 0) == []
    made.pass_time(0)
    assert made.pass_time(40 * S) == [RegistrationFailed(408, "no answer", 10)]
    assert made.stop(41 * S) == []
    good = registration()
    good.pass_time(0)
    good.receive_answer(200, "OK", 60, 0)
    assert good.stop(S) == [SendRegister(0)]
    assert good.stop(S) == []
    assert good.pass_time(1_000 * S) == []


def test_a_lost_worker_registers_again_at_once() -> None:
    """The contact's socket is another one now; a stopped registration stays stopped."""
    made = registration()
    made.pass_time(0)
    made.receive_answer(200, "OK", 60, 0)
    made.lose_worker(5 * S)
    assert made.pass_time(5 * S) == [SendRegister(600)]
    made.stop(6 * S)
    made.lose_worker(7 * S)
    assert made.pass_time(8 * S) == []


# ---------------------------------------------------------------- resolving


class Names:
    """A resolver that knows a few names."""

    def __init__(self, **zone: tuple[int, list[object]]) -> None:
        self.zone = {key.replace("__", "."): value for key, value in zone.items()}
        self.asked: list[str] = []

    async def resolve(self, name: str, kind: str, **_: object) -> object:
        self.asked.append(f"{kind} {name}")
        found = self.zone.get(f"{kind}.{name}")
        if found is None:
            raise dns.resolver.NXDOMAIN
        ttl, records = found

        class Answer(list):  # type: ignore[type-arg]
            rrset = type("Set", (), {"ttl": ttl})()

        return Answer(records)


def srv(priority: int, weight: int, port: int, target: str) -> object:
    fields = {"priority": priority, "weight": weight, "port": port, "target": target}
    return type("Record", (), fields)()


def address(text: str) -> object:
    return type("Record", (), {"address": text})()


async def test_srv_then_addresses() -> None:
    """Priorities order the hosts, their ports go with them, the shortest TTL counts."""
    names = Names(
        **{
            "SRV._sip._udp.isp.test": (
                600,
                [srv(20, 0, 5070, "b.isp.test."), srv(10, 0, 5080, "a.isp.test.")],
            ),
            "A.a.isp.test": (90, [address("192.0.2.1"), address("192.0.2.2")]),
            "AAAA.b.isp.test": (90, [address("2001:db8::2")]),
        }
    )
    found = await resolve(TrunkConfig(servers=("isp.test",)), names)  # type: ignore[arg-type]
    assert [(each.host, each.port, each.name) for each in found.targets] == [
        ("192.0.2.1", 5080, "isp.test"),
        ("192.0.2.2", 5080, "isp.test"),
        ("2001:db8::2", 5070, "isp.test"),
    ]
    assert found.good_for_s == 90


async def test_a_port_or_an_address_asks_for_no_srv() -> None:
    """RFC 3263 4.2: a port is taken as it is; without SRV the name's own address is."""
    names = Names(**{"A.isp.test": (5, [address("192.0.2.1")])})
    trunk = TrunkConfig(servers=("isp.test:5062", "203.0.113.9", "isp.test", "gone.test"))
    found = await resolve(trunk, names)  # type: ignore[arg-type]
    assert [(each.host, each.port) for each in found.targets] == [
        ("192.0.2.1", 5062),
        ("203.0.113.9", 5060),
        ("192.0.2.1", 5060),
    ]
    assert found.failed == ("gone.test",)
    assert found.good_for_s == 15
    assert names.asked[:2] == ["A isp.test", "AAAA isp.test"]


def test_srv_weights_share_the_load() -> None:
    """In ten thousand draws a weight of three comes first three times as often as one of one."""
    records = [SrvRecord(1, 1, 5060, "a"), SrvRecord(1, 3, 5060, "b"), SrvRecord(0, 0, 5060, "c")]
    draw = random.Random(5)
    orders = [[e.host for e in order_srv(records, draw.random)] for _ in range(10_000)]
    assert all(each[0] == "c" and sorted(each) == ["a", "b", "c"] for each in orders)
    assert 0.72 < sum(each[1] == "b" for each in orders) / len(orders) < 0.78


# ---------------------------------------------------------------- probing


def probed(headers: dict[str, str], body: str = "") -> str:
    server = ServerProbed("udp:192.0.2.1:5060", 200, 12, headers, body)
    trunk = TrunkConfig(servers=("192.0.2.1", "192.0.2.2"))
    silent = ServerProbed("udp:192.0.2.2:5060", 0)
    return report(TrunkProbed("isp", (server, silent)), trunk)


def test_what_a_server_said_becomes_yaml_that_loads(tmp_path: Path) -> None:
    """Methods, extensions, codecs in the server's order, DTMF; the result passes the check."""
    body = (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=audio 0 RTP/AVP 9 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    ).replace("audio 0", "audio 4000")
    allow = "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, REFER, INFO"
    headers = {"allow": allow, "supported": "replaces", "server": "SBC 9"}
    text = probed(headers, body)
    assert "udp:192.0.2.1:5060: 200 in 12 ms, SBC 9" in text
    assert "udp:192.0.2.2:5060: no answer" in text
    for line in ("codecs: [PCMU, PCMA]", "dtmf: rfc4733", 'mode: "off"', 'rel100: "off"'):
        assert line in text
    assert "transfer: auto" in text
    path = tmp_path / "cordboard.yaml"
    path.write_text(
        f"{text}\ndialplan: [{{agent: d}}]\nagents: {{d: {{greeting: Hi., instructions: Hi.}}}}\n"
    )
    trunk = load_config(path).trunks["isp"]
    assert trunk.codecs == ("PCMU", "PCMA")
    assert "srtp:" not in text
    assert "srtp: required" in probed(headers, body.replace("RTP/AVP", "RTP/SAVP"))
    assert "srtp: optional" in probed(headers, body + "a=crypto:1 X inline:Y\r\n")


ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8 97\r\na=rtpmap:97 telephone-event/8000\r\na=ptime:30\r\n"
)
CALL = CallProbed(
    "udp:192.0.2.1:5060",
    "+4930400",
    200,
    "OK",
    ("180 Ringing", "183 Session Progress"),
    400,
    2_100,
    early_media=True,
    reliable=True,
    headers={"allow": "INVITE, REFER, UPDATE", "supported": "replaces", "session-expires": "1200"},
    body=ANSWER,
)


def test_a_call_shows_what_options_does_not() -> None:
    """Early media, PRACK, timers, ptime, codecs and DTMF come from the call where there was one."""
    server = ServerProbed("udp:192.0.2.1:5060", 200, 12, {"allow": "INVITE", "supported": "x"})
    text = report(TrunkProbed("isp", (server,), (CALL,)), TrunkConfig(servers=("192.0.2.1",)))
    for line in (
        "# trunk isp, asked with OPTIONS and a call",
        "#   180 Ringing, 183 Session Progress, reliable (PRACK), the first after 400 ms",
        "#   early media: SDP before the answer",
        "#   answered after 2100 ms, ended by us at once",
        "# methods: INVITE, REFER, UPDATE",
        "    # it sends packets of 30 ms",
        "    codecs: [PCMA]",
        "    dtmf: rfc4733",
        "    session_timers: {mode: supported, expires_s: 1200}",
        "    rel100: supported",
        "    transfer: auto",
    ):
        assert line in text.splitlines(), text


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (CallProbed("udp:x", "1", 486, "Busy Here"), "from OPTIONS"),
        (CallProbed("udp:x", "1", 487, "x", ("180 Ringing",), 9), "not answered, taken back by us"),
        (CallProbed("udp:x", "1", 408), "no final answer came"),
    ],
)
def test_a_call_that_nobody_takes_says_so(call: CallProbed, said: str) -> None:
    """How the call ended is told, and what it could not show."""
    server = ServerProbed("udp:192.0.2.1:5060", 200, 12, {"allow": "INVITE"})
    text = report(TrunkProbed("isp", (server,), (call,)), TrunkConfig(servers=("192.0.2.1",)))
    assert said in text
    assert "codecs and DTMF" in text


def test_what_was_not_said_is_not_guessed() -> None:
    """A bare 200 leaves the safe values, each with a comment; no answer leaves no YAML."""
    text = probed({"via": "x"})
    assert "# Allow was not said" in text
    assert "# codecs and DTMF were not said" in text
    assert "transfer: bridge" in text
    silent = TrunkProbed("isp", (ServerProbed("udp:192.0.2.2:5060", 0),))
    assert "trunks:" not in report(silent, TrunkConfig(servers=("192.0.2.2",)))
