import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.queues import events as q
from edge.queues.messages import TalkChange
from edge.transfer import company as c
from edge.transfer import events as e
from edge.transfer.company import Company, CompanyState
from edge.transfer.in_call_keys import InCallKeys
from edge.transfer.rules import outside_rules, second_queue
from edge.transfer.transfer import Transfer
from media.config.model import Config
from media.config.queues import QueueConfig, SeatConfig, TalkKeys

pytestmark = pytest.mark.unit

MS = 1_000_000


class Play:
    """A company under test: the second person is bob."""

    def __init__(self, with_caller: bool = False, wait_ms: int = 5_000) -> None:
        self.company = Company(Transfer("t", e.TransferRules()), with_caller, wait_ms)
        self.began = self.company.start(0)
        self.actions: list[c.CompanyAction] = []

    def at(self, ms: int, *events: e.TransferEvent) -> list[c.CompanyAction]:
        new = [a for event in events for a in self.company.receive(event, ms * MS)]
        self.actions += new
        return new

    def met(self) -> "Play":
        self.at(100, e.RingWanted("bob", 20_000), e.PhoneAnswered("bob"), e.WhisperEnded("bob"))
        self.at(200, e.PhoneKey("bob", "1"), e.LegsJoined())
        return self


def test_a_consultation() -> None:
    """The caller waits with music; the second person hears the whisper, then the first person."""
    p = Play()
    assert p.began == [c.HoldCaller()]
    assert p.at(100, e.RingWanted("bob", 20_000)) == [e.DialPhone("bob")]
    picked = e.TellFloor(q.OfferPickedUp("t", "bob"))
    assert p.at(200, e.PhoneAnswered("bob")) == [picked, e.Whisper("bob")]
    assert p.at(300, e.PhoneKey("bob", "1")) == [c.Meet("bob", False)]
    assert p.at(320, e.LegsJoined()) == [e.TellFloor(q.OfferAccepted("t", "bob"))]
    assert p.company.state is CompanyState.CONSULTING


def test_three_from_the_beginning() -> None:
    """The caller stays with the first person until the second one is there."""
    p = Play(with_caller=True)
    assert p.began == []
    p.met()
    assert c.Meet("bob", True) in p.actions and c.HoldCaller() not in p.actions
    assert p.company.state is CompanyState.THREE_WAY


def test_from_two_to_three_and_back() -> None:
    """Whom one consults may be brought in, and the caller be asked to wait again."""
    p = Play().met()
    assert p.company.gather() == [c.Meet("bob", True)]
    assert p.company.state is CompanyState.THREE_WAY
    assert p.company.consult() == [c.HoldCaller(), c.Meet("bob", False)]
    assert p.company.state is CompanyState.CONSULTING


def test_a_change_of_mind_while_it_rings() -> None:
    """The caller is with the first person again at once, and all three meet afterwards."""
    p = Play()
    p.at(100, e.RingWanted("bob", 20_000))
    assert p.company.gather() == [c.CallerWithFirst()]
    p.at(200, e.PhoneAnswered("bob"))
    assert p.at(300, e.PhoneKey("bob", "1")) == [c.Meet("bob", True)]


def test_a_change_of_mind_while_they_are_being_joined() -> None:
    """What was joined without the caller is joined again with them."""
    p = Play()
    p.at(100, e.RingWanted("bob", 20_000), e.PhoneAnswered("bob"), e.PhoneKey("bob", "1"))
    p.company.gather()
    assert p.at(200, e.LegsJoined())[-1] == c.Meet("bob", True)


def test_cancelled_while_it_rings() -> None:
    """The phone is released and leaves no outcome: it did not fail."""
    p = Play()
    p.at(100, e.RingWanted("bob", 20_000))
    left = e.TellFloor(q.CallerLeft("t"))
    assert p.company.withdraw(200 * MS) == [e.ReleasePhone("bob"), left, c.CallerWithFirst()]
    assert p.company.state is CompanyState.OVER


def test_cancelled_while_they_talk() -> None:
    """The second person was reached, and is free for others again."""
    gone = Play().met().company.withdraw(9_000 * MS)
    (ended,) = [each for each in gone if isinstance(each, e.AttemptEnded)]
    assert ended.outcome is e.Outcome.CONNECTED
    assert e.TellFloor(q.TalkEnded("bob")) in gone and gone[-1] == c.CallerWithFirst()


@pytest.mark.parametrize("status", [200, 500])
def test_the_second_person_hangs_up(status: int) -> None:
    """Two are left, whatever happened to the third; the call is not over."""
    p = Play().met()
    actions = p.at(9_000, e.PhoneGone("bob", status))
    assert c.CallerWithFirst() in actions and e.EndCall() not in actions
    assert p.company.state is CompanyState.OVER


def test_nobody_is_reached() -> None:
    """When the queue gives up, the first person is told."""
    p = Play()
    p.at(100, e.RingWanted("bob", 20_000), e.PhoneGone("bob", 486))
    actions = p.at(200, e.QueueGaveUp(q.GaveUp.NO_ANSWER))
    assert actions == [c.CallerWithFirst(), c.TellFirst()]


def test_nobody_is_free() -> None:
    """The wait for somebody to become free is limited; a phone that rings is waited for."""
    p = Play(wait_ms=5_000)
    assert p.company.next_deadline_ns() == 5_000 * MS
    p.at(4_900, e.RingWanted("bob", 20_000))
    assert p.at(5_000, e.TimePassed()) == []
    actions = p.at(6_000, e.PhoneGone("bob", 486))
    assert [type(each) for each in actions[-3:]] == [e.TellFloor, c.CallerWithFirst, c.TellFirst]


def test_keys() -> None:
    """A sequence counts once, within time, wherever in the pressing it stands."""
    keys = InCallKeys(TalkKeys())

    def press(digits: str, at_ms: int = 0) -> list[TalkChange]:
        told = [keys.press(each, at_ms * MS) for each in digits]
        return [each for each in told if each is not None]

    assert press("*3") == [TalkChange.THREE_WAY]
    assert press("55**2") == [TalkChange.CONSULT]
    assert press("12*") == [] and press("0", 4_000) == []
    assert press("*0*1", 8_000) == [TalkChange.CANCEL, TalkChange.COMPLETE]


def test_which_queue_is_asked() -> None:
    """Its second line, else the queue itself; a named person in whatever queue they sit."""
    queues = {
        "support": QueueConfig(members={"ann": SeatConfig()}, second_line="experts"),
        "experts": QueueConfig(members={"bob": SeatConfig()}),
        "outside": QueueConfig(outside="tel:+49301"),
    }
    config = Config(agents={}, dialplan=(), queues=queues)
    assert second_queue(config, "support", "") == "experts"
    assert second_queue(config, "experts", "") == "experts"
    assert second_queue(config, "support", "ann") == "support"
    assert second_queue(config, "outside", "") is None
    assert second_queue(config, "support", "zoe") is None


@pytest.mark.parametrize(
    ("way", "connect"),
    [
        (e.Connect.BRIDGE, e.Connect.BRIDGE),
        (e.Connect.REFER, e.Connect.BLIND_REFER),
        (e.Connect.BLIND_REFER, e.Connect.BLIND_REFER),
    ],
)
def test_a_number_outside_has_nothing_to_replace(way: e.Connect, connect: e.Connect) -> None:
    """Every REFER to it is a blind one, and picking up is accepting."""
    rules = outside_rules(QueueConfig(outside="tel:+49301"), way)
    assert (rules.connect, rules.accept) == (connect, e.Accept.PICK_UP)


MEMBERS = ("bob", "cleo")
STEPS = st.sampled_from(
    [
        *(e.RingWanted(each, 20_000) for each in MEMBERS),
        *(kind(each) for each in MEMBERS for kind in (e.PhoneRings, e.PhoneAnswered)),
        *(e.PhoneKey(each, digit) for each in MEMBERS for digit in "12"),
        *(e.PhoneGone(each, status) for each in MEMBERS for status in (200, 486, 500)),
        e.LegsJoined(),
        e.JoinFailed("x"),
        e.QueueGaveUp(q.GaveUp.NO_ANSWER),
        e.TimePassed(),
        TalkChange.CONSULT,
        TalkChange.THREE_WAY,
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=25), st.booleans(), st.integers(0, 30_000))
def test_whatever_happens_nobody_is_left(
    steps: list[e.TransferEvent | TalkChange], with_caller: bool, wait_ms: int
) -> None:
    """After a withdrawal no phone rings, and the caller's last place is with the first person."""
    p = Play(with_caller, wait_ms)
    actions, ringing, now_ms = list(p.began), set(), 0
    for step in steps:
        if p.company.state is CompanyState.OVER:
            break
        now_ms += 700
        if step is TalkChange.CONSULT:
            new = p.company.consult()
        elif step is TalkChange.THREE_WAY:
            new = p.company.gather()
        elif isinstance(step, e.RingWanted) and step.member in ringing:
            continue  # the floor never rings a phone that rings
        else:
            assert not isinstance(step, TalkChange)
            new = p.at(now_ms, step)
            ringing -= {step.member} if isinstance(step, e.PhoneGone) else set()
        ringing |= {each.member for each in new if isinstance(each, e.DialPhone)}
        ringing -= {each.member for each in new if isinstance(each, e.ReleasePhone)}
        actions += new
    if p.company.state is not CompanyState.OVER:
        new = p.company.withdraw((now_ms + 1) * MS)
        ringing -= {each.member for each in new if isinstance(each, e.ReleasePhone)}
        actions += new
    assert not ringing
    places = (c.HoldCaller, c.CallerWithFirst, c.Meet)
    assert [each for each in actions if isinstance(each, places)][-1] == c.CallerWithFirst()
    assert e.EndCall() not in actions
