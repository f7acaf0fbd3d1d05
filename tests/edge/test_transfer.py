import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.queues import events as q
from edge.transfer import events as e
from edge.transfer.events import Outcome, TransferState
from edge.transfer.transfer import Transfer

pytestmark = pytest.mark.unit

MS = 1_000_000


class Play:
    """A transfer under test that keeps everything it asked for."""

    def __init__(self, **rules: object) -> None:
        self.transfer = Transfer("t", e.TransferRules(**rules))  # type: ignore[arg-type]  # test shorthand
        self.now_ms = 0
        self.actions: list[e.TransferAction] = list(self.transfer.start(0))

    def at(self, ms: int, *events: e.TransferEvent) -> list[e.TransferAction]:
        self.now_ms = ms
        new: list[e.TransferAction] = []
        for event in events:
            new += self.transfer.receive(event, ms * MS)
        self.actions += new
        return new

    def whisper(self, member: str = "ann") -> "Play":
        self.at(
            1_000,
            e.RingWanted(member, 20_000),
            e.PhoneRings(member),
            e.PhoneAnswered(member),
            e.WhisperEnded(member),
        )
        return self

    def connected(self, member: str = "ann") -> "Play":
        self.whisper(member)
        self.at(5_000, e.PhoneKey(member, "1"), e.LegsJoined())
        return self

    def outcomes(self) -> dict[str, Outcome]:
        ended = [a for a in self.actions if isinstance(a, e.AttemptEnded)]
        assert len({a.member for a in ended}) == len(ended)
        return {a.member: a.outcome for a in ended}

    def told(self) -> list[object]:
        return [a.event for a in self.actions if isinstance(a, e.TellFloor)]


def test_the_caller_hears_music_from_the_first_step() -> None:
    """The first action of all is the music."""
    assert Play().actions == [e.PlayMusic()]


def test_a_transfer_that_works() -> None:
    """Ring, whisper, accept, join; every timing is in the record at the end."""
    p = Play()
    assert p.at(100, e.RingWanted("ann", 20_000)) == [e.DialPhone("ann")]
    assert p.at(300, e.PhoneRings("ann")) == []
    picked = e.TellFloor(q.OfferPickedUp("t", "ann"))
    assert p.at(2_000, e.PhoneAnswered("ann")) == [picked, e.Whisper("ann")]
    assert p.at(6_000, e.WhisperEnded("ann")) == []
    assert p.at(7_000, e.PhoneKey("ann", "1")) == [e.JoinLegs("ann")]
    assert p.at(7_020, e.LegsJoined()) == [e.TellFloor(q.OfferAccepted("t", "ann"))]
    assert p.transfer.state is TransferState.CONNECTED
    ended = p.at(60_000, e.PhoneGone("ann", 200))
    times = e.AttemptTimes(*(ms * MS for ms in (100, 300, 2_000, 6_000, 7_000, 7_020, 60_000)))
    assert ended == [
        e.AttemptEnded("ann", Outcome.CONNECTED, 200, times),
        e.TellFloor(q.TalkEnded("ann")),
        e.EndCall(),
    ]


def test_the_human_hangs_up_and_the_ai_goes_on() -> None:
    """Where the queue wants it, the caller is back with the AI."""
    p = Play(after_hangup=e.AfterHangup.BACK_TO_AGENT).connected()
    assert p.at(60_000, e.PhoneGone("ann", 200))[-1] == e.BackToAgent("human_finished")


def test_a_worker_that_dies_with_the_phone_does_not_end_the_call() -> None:
    """A phone that was lost, not hung up, brings the caller back even where the end is policy."""
    p = Play().connected()
    assert p.at(60_000, e.PhoneGone("ann", 500))[-1] == e.BackToAgent("human_lost")
    assert p.outcomes() == {"ann": Outcome.CONNECTED}


@pytest.mark.parametrize(
    ("status", "outcome", "result"),
    [
        (486, Outcome.BUSY, q.OfferResult.BUSY),
        (600, Outcome.BUSY, q.OfferResult.BUSY),
        (603, Outcome.DECLINED, q.OfferResult.DECLINED),
        (480, Outcome.NO_ANSWER, q.OfferResult.NO_ANSWER),
        (408, Outcome.NO_ANSWER, q.OfferResult.NO_ANSWER),
        (302, Outcome.FAILED, q.OfferResult.FAILED),
        (403, Outcome.REFUSED_BY_CARRIER, q.OfferResult.FAILED),
        (500, Outcome.FAILED, q.OfferResult.FAILED),
    ],
)
def test_how_a_phone_refuses(status: int, outcome: Outcome, result: q.OfferResult) -> None:
    """Every final status of a phone has one outcome; the floor learns it and rings the next."""
    p = Play()
    p.at(0, e.RingWanted("ann", 20_000))
    assert p.at(500, e.PhoneGone("ann", status))[-1] == e.TellFloor(
        q.OfferEnded("t", "ann", result)
    )
    assert p.outcomes() == {"ann": outcome}
    assert p.at(600, e.RingWanted("bob", 20_000)) == [e.DialPhone("bob")]


def test_a_phone_that_nobody_picks_up() -> None:
    """The ring time-out cancels the phone and is no answer."""
    p = Play()
    p.at(0, e.RingWanted("ann", 20_000), e.PhoneRings("ann"))
    assert p.transfer.next_deadline_ns() == 20_000 * MS
    assert p.at(19_999, e.TimePassed()) == []
    assert p.at(20_000, e.TimePassed())[0] == e.ReleasePhone("ann")
    assert p.outcomes() == {"ann": Outcome.NO_ANSWER}


def test_decline_in_the_whisper() -> None:
    """Key 2 releases the phone and the floor names the next one."""
    p = Play().whisper()
    assert p.at(3_000, e.PhoneKey("ann", "2"))[0] == e.ReleasePhone("ann")
    assert p.outcomes() == {"ann": Outcome.DECLINED}
    assert p.told()[-1] == q.OfferEnded("t", "ann", q.OfferResult.DECLINED)
    assert p.transfer.state is TransferState.WAITING


def test_repeat_plays_the_whisper_again_and_moves_the_deadline() -> None:
    """Key 3 repeats; other keys do nothing; the key's time-out starts at the whisper's end."""
    p = Play().whisper()
    assert p.at(2_000, e.PhoneKey("ann", "9")) == []
    assert p.at(3_000, e.PhoneKey("ann", "3")) == [e.Whisper("ann")]
    p.at(8_000, e.WhisperEnded("ann"))
    assert p.transfer.next_deadline_ns() == 23_000 * MS
    p.at(23_000, e.TimePassed())
    assert p.outcomes() == {"ann": Outcome.TIMED_OUT}


def test_accept_during_the_whisper() -> None:
    """Who has heard enough may accept before its end."""
    p = Play()
    p.at(0, e.RingWanted("ann", 20_000), e.PhoneAnswered("ann"))
    assert p.at(500, e.PhoneKey("ann", "1")) == [e.JoinLegs("ann")]


def test_accept_at_pick_up() -> None:
    """Where picking up is enough there is no whisper."""
    p = Play(accept=e.Accept.PICK_UP)
    p.at(0, e.RingWanted("ann", 20_000))
    assert p.at(500, e.PhoneAnswered("ann"))[-1] == e.JoinLegs("ann")


def test_hanging_up_in_the_whisper() -> None:
    """A phone that is put down in the whisper has its own label."""
    p = Play().whisper()
    p.at(3_000, e.PhoneGone("ann", 200))
    assert p.outcomes() == {"ann": Outcome.HUNG_UP_IN_WHISPER}


def test_a_machine_answers() -> None:
    """Voicemail is released and labelled; the caller goes on waiting."""
    p = Play()
    p.at(0, e.RingWanted("ann", 20_000), e.PhoneAnswered("ann"))
    assert p.at(4_000, e.VoicemailHeard("ann"))[0] == e.ReleasePhone("ann")
    assert p.outcomes() == {"ann": Outcome.VOICEMAIL}


def test_two_phones_answer_at_once() -> None:
    """The first has the whisper; the second is released as answered elsewhere, unlabelled."""
    p = Play()
    p.at(0, e.RingWanted("ann", 20_000), e.RingWanted("bob", 20_000))
    p.at(1_000, e.PhoneAnswered("bob"))
    assert p.at(1_030, e.PhoneAnswered("ann")) == [e.ReleasePhone("ann", answered_elsewhere=True)]
    assert p.at(1_031, e.RingUnwanted("ann", True), e.PhoneGone("ann", 200)) == []
    p.at(3_000, e.PhoneKey("bob", "1"), e.LegsJoined())
    p.at(9_000, e.PhoneGone("bob", 200))
    assert p.outcomes() == {"bob": Outcome.CONNECTED}


def picked_up(others: tuple[str, ...] = ("bob",)) -> Play:
    """Several phones ring, ann's is picked up, and media is about to join the legs."""
    p = Play(accept=e.Accept.PICK_UP)
    p.at(0, *(e.RingWanted(each, 20_000) for each in ("ann", *others)))
    p.at(2_000, e.PhoneAnswered("ann"))
    return p


LATE = (
    e.PhoneGone("bob", 486),
    e.RingUnwanted("bob", True),
    e.PhoneAnswered("cid"),
    e.RingUnwanted("cid", True),
    e.LegsJoined(),
)


@pytest.mark.parametrize("order", list(itertools.permutations(LATE)))
def test_other_phones_do_not_part_who_was_picked_up(order: tuple[e.TransferEvent, ...]) -> None:
    """However their last words fall around the join, caller and person are connected."""
    p = picked_up(("bob", "cid"))
    p.at(2_010, *order)
    assert p.transfer.state is TransferState.CONNECTED
    assert p.transfer.chosen == "ann"
    assert e.TellFloor(q.OfferAccepted("t", "ann")) in p.actions
    assert e.PlayMusic() not in p.actions[1:]
    p.at(60_000, e.CallerGone())
    assert p.outcomes()["ann"] is Outcome.CONNECTED


@pytest.mark.parametrize("status", [200, 408, 486, 500, 603])
def test_another_phone_ends_while_they_talk(status: int) -> None:
    """The end of a phone that was not picked up is not the end of the talk."""
    p = picked_up()
    p.at(2_010, e.LegsJoined())
    actions = p.at(2_020, e.PhoneGone("bob", status))
    assert [type(each) for each in actions] == [e.AttemptEnded, e.TellFloor]
    assert p.transfer.state is TransferState.CONNECTED


def test_another_phone_ends_while_referring() -> None:
    """The carrier is still the one who is asked."""
    p = Play(accept=e.Accept.PICK_UP, connect=e.Connect.REFER)
    p.at(0, e.RingWanted("ann", 20_000), e.RingWanted("bob", 20_000), e.PhoneAnswered("ann"))
    p.at(10, e.PhoneGone("bob", 486))
    assert p.transfer.state is TransferState.REFERRING
    p.at(900, e.ReferNews(200, True))
    assert p.outcomes() == {"bob": Outcome.BUSY, "ann": Outcome.CONNECTED}


def test_an_answer_that_crosses_the_cancel() -> None:
    """A phone that answers after its offer was taken back is released, not left alone."""
    p = Play()
    p.at(0, e.RingWanted("ann", 20_000))
    assert p.at(900, e.RingUnwanted("ann", False)) == [e.ReleasePhone("ann", False)]
    assert p.at(950, e.PhoneAnswered("ann")) == [e.ReleasePhone("ann", answered_elsewhere=True)]


@pytest.mark.parametrize("moment", ["waiting", "ringing", "whisper", "joining"])
def test_the_caller_hangs_up(moment: str) -> None:
    """Whenever the caller goes, every phone is released in the same step."""
    p = Play()
    if moment == "ringing":
        p.at(0, e.RingWanted("ann", 20_000), e.PhoneRings("ann"))
    if moment in ("whisper", "joining"):
        p.whisper()
    if moment == "joining":
        p.at(2_000, e.PhoneKey("ann", "1"))
    actions = p.at(3_000, e.CallerGone())
    if moment == "joining":
        assert actions == [e.ReleasePhone("ann"), e.SplitLegs()]
        p.at(3_001, e.LegsJoined(), e.LegsSplit(heard=False))
    assert p.told()[-1] == q.CallerLeft("t")
    assert p.transfer.state is TransferState.OVER
    if moment != "waiting":
        assert actions[0] == e.ReleasePhone("ann")
        assert p.outcomes() == {"ann": Outcome.CALLER_LEFT}


def test_the_caller_hangs_up_while_talking() -> None:
    """Then the attempt was a success, the phone is released and its wrap-up begins."""
    p = Play().connected()
    assert p.at(9_000, e.CallerGone())[0] == e.ReleasePhone("ann")
    assert p.outcomes() == {"ann": Outcome.CONNECTED}
    assert p.told()[-1] == q.TalkEnded("ann")


def test_the_queue_gives_up() -> None:
    """The AI gets the caller back with a reason it can speak about."""
    assert Play().at(9_000, e.QueueGaveUp(q.GaveUp.NOBODY_HERE)) == [e.BackToAgent("nobody_here")]


def test_an_operator_stops_it() -> None:
    """A cancelled transfer releases the phones and returns the caller."""
    p = Play().whisper()
    assert p.at(3_000, e.Cancelled())[-1] == e.BackToAgent("cancelled")
    assert p.outcomes() == {"ann": Outcome.FAILED}


def test_media_cannot_join() -> None:
    """The caller hears music again and the next phone is tried."""
    p = Play().whisper()
    p.at(2_000, e.PhoneKey("ann", "1"))
    actions = p.at(2_100, e.JoinFailed("no such stream"))
    assert e.PlayMusic() in actions and e.ReleasePhone("ann") in actions
    assert p.outcomes() == {"ann": Outcome.FAILED}


def joining() -> Play:
    p = Play().whisper()
    p.at(2_000, e.PhoneKey("ann", "1"))
    return p


@pytest.mark.parametrize("late", [e.LegsJoined(), e.JoinFailed("no such stream")])
def test_a_person_who_hangs_up_before_media_has_answered(late: e.TransferEvent) -> None:
    """Nobody heard anything: the caller is not hung up on but waits for the next phone."""
    p = joining()
    assert p.at(2_010, e.PhoneGone("ann", 200)) == [e.SplitLegs()]
    assert p.at(2_011, late) == []
    actions = p.at(2_012, e.LegsSplit(heard=False))
    assert e.PlayMusic() in actions and e.EndCall() not in actions
    assert p.outcomes() == {"ann": Outcome.FAILED}
    assert p.transfer.state is TransferState.WAITING


def test_a_hang_up_that_overtakes_the_news_of_the_join() -> None:
    """Media has sent the person's voice: they were connected, whichever news came first."""
    p = joining()
    p.at(2_200, e.PhoneGone("ann", 200), e.LegsJoined())
    assert p.at(2_201, e.LegsSplit(heard=True))[-1] == e.EndCall()
    assert p.outcomes() == {"ann": Outcome.CONNECTED}
    assert p.told()[-2:] == [q.OfferAccepted("t", "ann"), q.TalkEnded("ann")]
    p = joining()
    p.at(2_200, e.PhoneGone("ann", 500))
    assert p.at(2_201, e.LegsSplit(heard=True))[-1] == e.BackToAgent("human_lost")


@pytest.mark.parametrize("heard", [True, False])
def test_a_person_who_hangs_up_right_after_the_join(heard: bool) -> None:
    """Heard, it was a short talk; unheard, the caller is back with the AI, not hung up on."""
    p = Play().connected()
    assert p.at(5_100, e.PhoneGone("ann", 200)) == [e.SplitLegs()]
    actions = p.at(5_101, e.LegsSplit(heard=heard))
    assert actions[-1] == (e.EndCall() if heard else e.BackToAgent("human_lost"))
    assert p.outcomes() == {"ann": Outcome.CONNECTED if heard else Outcome.FAILED}
    assert p.told()[-1] == q.TalkEnded("ann")
    p = Play().connected()
    p.at(5_100, e.PhoneGone("ann", 200), e.CallerGone())
    p.at(5_101, e.LegsSplit(heard=heard))
    assert p.outcomes() == {"ann": Outcome.CONNECTED}


@pytest.mark.parametrize("first", ["phone", "caller"])
def test_both_hang_up_before_media_has_answered(first: str) -> None:
    """Whoever was first, the phone is released and the label is what media says."""
    for heard, outcome in ((True, Outcome.CONNECTED), (False, Outcome.CALLER_LEFT)):
        p = joining()
        events = [e.PhoneGone("ann", 200), e.CallerGone()]
        actions = p.at(2_100, *(events if first == "phone" else events[::-1]))
        assert actions.count(e.SplitLegs()) == 1
        p.at(2_101, e.LegsSplit(heard=heard))
        assert p.outcomes() == {"ann": outcome}
        assert p.transfer.state is TransferState.OVER


def refer() -> Play:
    p = Play(connect=e.Connect.REFER).whisper()
    assert p.at(2_000, e.PhoneKey("ann", "1")) == [e.SendRefer("ann")]
    return p


def test_refer_accepted_and_confirmed() -> None:
    """202, then NOTIFY 200: both our dialogs are released and the outcome is connected."""
    p = refer()
    assert p.at(2_100, e.ReferNews(202, False)) == []
    actions = p.at(4_000, e.ReferNews(200, True), e.ReferNews(500, True))
    assert e.ReleaseCaller() in actions and e.ReleasePhone("ann") in actions
    assert p.outcomes() == {"ann": Outcome.CONNECTED}
    assert p.told()[-2:] == [q.OfferAccepted("t", "ann"), q.TalkEnded("ann")]


@pytest.mark.parametrize("first", ["phone", "caller"])
def test_refer_proven_by_both_dialogs_ending(first: str) -> None:
    """Without any NOTIFY, phone and carrier both leaving us means that they have each other."""
    p = refer()
    events = [e.PhoneGone("ann", 200), e.CallerGone()]
    p.at(2_500, e.ReferNews(202, False))
    p.at(3_000, *(events if first == "phone" else events[::-1]))
    assert p.outcomes() == {"ann": Outcome.CONNECTED}
    assert p.transfer.state is TransferState.OVER


def test_the_caller_hangs_up_while_referring() -> None:
    """Only the caller's dialog ends: after the grace the phone is released."""
    p = refer()
    assert p.at(3_000, e.CallerGone()) == []
    assert p.transfer.next_deadline_ns() == 3_500 * MS
    assert p.at(3_500, e.TimePassed())[0] == e.ReleasePhone("ann")
    assert p.outcomes() == {"ann": Outcome.CALLER_LEFT}


def test_the_caller_is_gone_when_the_carrier_says_no() -> None:
    """Nobody is left to join the person with: the phone is released and the transfer is over."""
    p = refer()
    p.at(2_100, e.ReferNews(202, False), e.CallerGone())
    actions = p.at(2_200, e.ReferNews(486, True))
    assert actions[0] == e.ReleasePhone("ann")
    assert actions[-1] == e.TellFloor(q.CallerLeft("t"))
    assert p.outcomes() == {"ann": Outcome.CALLER_LEFT}
    assert p.transfer.state is TransferState.OVER


@pytest.mark.parametrize("status", [403, 405, 420, 501, 603])
def test_a_trunk_that_does_not_take_refer(status: int) -> None:
    """It is remembered, and the legs are joined instead: nobody notices."""
    p = refer()
    assert p.at(2_200, e.ReferNews(status, True)) == [e.ReferRefused(status), e.JoinLegs("ann")]
    p.at(2_210, e.LegsJoined())
    assert p.transfer.state is TransferState.CONNECTED


def test_refer_that_fails_at_the_far_end_is_no_refusal() -> None:
    """A final 486 by NOTIFY joins the legs but does not mark the trunk."""
    assert refer().at(4_000, e.ReferNews(486, True)) == [e.JoinLegs("ann")]


def test_refer_and_silence() -> None:
    """No news at all, and news without a final: our own timers join the legs."""
    p = refer()
    assert p.at(12_000, e.TimePassed()) == [e.JoinLegs("ann")]
    p = refer()
    p.at(2_100, e.ReferNews(202, False))
    assert p.transfer.next_deadline_ns() == 42_000 * MS
    assert p.at(42_000, e.TimePassed()) == [e.JoinLegs("ann")]


def test_refer_that_took_the_phone_but_not_the_caller() -> None:
    """The phone left us and the caller did not: the caller is not lost but waits again."""
    p = refer()
    p.at(2_100, e.ReferNews(202, False), e.PhoneGone("ann", 200))
    actions = p.at(42_000, e.TimePassed())
    assert e.PlayMusic() in actions
    assert p.outcomes() == {"ann": Outcome.FAILED}
    assert p.transfer.state is TransferState.WAITING


EVENTS = st.sampled_from(
    [
        *(kind(m) for m in ("ann", "bob") for kind in (e.PhoneRings, e.PhoneAnswered)),
        *(e.PhoneGone(m, s) for m in ("ann", "bob") for s in (200, 408, 486, 500, 603)),
        *(e.PhoneKey(m, d) for m in ("ann", "bob") for d in "123#"),
        *(kind(m) for m in ("ann", "bob") for kind in (e.WhisperEnded, e.VoicemailHeard)),
        *(e.RingWanted(m, 20_000) for m in ("ann", "bob")),
        *(e.RingUnwanted(m, True) for m in ("ann", "bob")),
        *(e.ReferNews(s, f) for s, f in ((202, False), (200, True), (405, True), (486, True))),
        e.LegsJoined(),
        e.JoinFailed("x"),
        e.VoicemailSuspected("ann"),
        e.VoicemailHeard("bob"),
        e.LegsSplit(heard=True),
        e.LegsSplit(heard=False),
        e.TimePassed(),
        e.QueueGaveUp(q.GaveUp.MAX_WAIT),
        e.CallerGone(),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(EVENTS, max_size=30), st.sampled_from(list(e.Connect)), st.integers(0, 99))
def test_whatever_happens_no_phone_is_left(
    events: list[e.TransferEvent], connect: e.Connect, seed: int
) -> None:
    """After any sequence that ends with the caller leaving, every dialled phone was released.

    And every attempt that ended has at most one outcome per dialling.
    """
    dice = random.Random(seed)
    p = Play(connect=connect)
    dialled: set[str] = set()
    outcomes: dict[str, int] = {}
    now_ms = 0
    for event in [*events, e.CallerGone(), e.LegsSplit(heard=False), e.TimePassed()]:
        now_ms += dice.choice([0, 10, 700, 16_000])
        if isinstance(event, e.RingWanted) and event.member in dialled:
            continue  # the floor never rings a phone that rings
        if isinstance(event, e.TimePassed) and event is events[-1:]:
            now_ms += 50_000
        for action in p.at(now_ms, event):
            match action:
                case e.DialPhone(member):
                    dialled.add(member)
                    outcomes[member] = 0
                case e.SendRefer(member, blind=True):
                    outcomes[member] = 0
                case e.ReleasePhone(member):
                    dialled.discard(member)
                case e.AttemptEnded(member):
                    outcomes[member] += 1
                    assert outcomes[member] == 1
        if isinstance(event, e.PhoneGone):
            dialled.discard(event.member)
    p_end = p.at(now_ms + 60_000, e.TimePassed())
    dialled -= {a.member for a in p_end if isinstance(a, e.ReleasePhone)}
    assert dialled == set()
    assert p.transfer.state is TransferState.OVER


# ---------------------------------------------------------------- blind REFER


def blind(*members: str) -> Play:
    p = Play(connect=e.Connect.BLIND_REFER)
    p.at(1_000, *(e.RingWanted(each, 20_000) for each in members))
    return p


def test_a_blind_refer_rings_nobody() -> None:
    """The carrier is asked at once, for one person only; its last report is the outcome."""
    p = blind("ann", "bob")
    picked = e.TellFloor(q.OfferPickedUp("t", "ann"))
    assert p.actions[1:] == [picked, e.SendRefer("ann", blind=True)]
    assert p.at(1_100, e.ReferNews(100, False), e.ReferNews(180, False)) == []
    p.at(3_000, e.ReferNews(200, True))
    assert p.outcomes() == {"ann": Outcome.CONNECTED}
    assert p.transfer.handed_over and e.ReleaseCaller() in p.actions
    assert p.at(3_001, e.ReferNews(500, True)) == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (486, Outcome.BUSY),
        (603, Outcome.DECLINED),
        (404, Outcome.REFUSED_BY_CARRIER),
        (480, Outcome.NO_ANSWER),
        (500, Outcome.FAILED),
    ],
)
def test_a_blind_refer_that_fails(status: int, outcome: Outcome) -> None:
    """The report's status is the outcome; the trunk knows REFER and is asked again."""
    p = blind("ann")
    p.at(1_100, e.ReferNews(100, False), e.ReferNews(status, True))
    assert p.outcomes() == {"ann": outcome}
    assert not [a for a in p.actions if isinstance(a, e.ReferRefused)]
    assert p.at(1_200, e.RingWanted("bob", 20_000))[-1] == e.SendRefer("bob", blind=True)


def test_a_trunk_that_knows_no_blind_refer() -> None:
    """It is remembered, the phone is rung by us, and the whisper and the key follow."""
    p = blind("ann")
    assert p.at(1_100, e.ReferNews(405, True)) == [e.ReferRefused(405), e.DialPhone("ann")]
    assert p.at(2_000, e.PhoneAnswered("ann"))[-1] == e.Whisper("ann")
    assert p.at(3_000, e.PhoneKey("ann", "1")) == [e.JoinLegs("ann")]
    p = blind("ann")
    p.at(1_100, e.ReferNews(405, True))
    p.at(21_100, e.TimePassed())
    assert p.outcomes() == {"ann": Outcome.NO_ANSWER}


@pytest.mark.parametrize("reports", [0, 1])
def test_silence_after_a_blind_refer(reports: int) -> None:
    """Without a last word from the carrier the attempt timed out."""
    p = blind("ann")
    p.at(1_100, *[e.ReferNews(100, False)] * reports)
    deadline_ns = p.transfer.next_deadline_ns()
    assert deadline_ns == (41_000 if reports else 11_000) * MS
    p.at(deadline_ns // MS, e.TimePassed())
    assert p.outcomes() == {"ann": Outcome.TIMED_OUT}


@pytest.mark.parametrize(
    ("reports", "outcome"),
    [(0, Outcome.CALLER_LEFT), (1, Outcome.CONNECTED), (2, Outcome.CALLER_LEFT)],
)
def test_the_dialog_ends_after_a_blind_refer(reports: int, outcome: Outcome) -> None:
    """Right after 202 the carrier took over; before it, or after it rang, the caller left."""
    p = blind("ann")
    p.at(1_100, *[e.ReferNews(100, False)] * reports)
    p.at(1_500, e.CallerGone())
    assert p.outcomes() == {"ann": outcome}
    assert p.transfer.handed_over is (outcome is Outcome.CONNECTED)
    assert e.ReleaseCaller() not in p.actions


def test_a_report_of_603_is_not_the_trunks_refusal() -> None:
    """With Replaces, too: what the phone says is not what the trunk thinks of REFER."""
    p = Play(connect=e.Connect.REFER).whisper()
    p.at(5_000, e.PhoneKey("ann", "1"))
    assert p.at(6_000, e.ReferNews(100, False), e.ReferNews(603, True)) == [e.JoinLegs("ann")]


# ---------------------------------------------------------------- machines


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        (e.TimePassed(), Outcome.VOICEMAIL),
        (e.PhoneGone("ann", 200), Outcome.VOICEMAIL),
        (e.PhoneKey("ann", "2"), Outcome.DECLINED),
    ],
)
def test_a_suspected_machine(ends: e.TransferEvent, outcome: Outcome) -> None:
    """Who talks on and presses nothing was a machine; a key proves a person."""
    p = Play().whisper()
    assert p.at(4_000, e.VoicemailSuspected("ann")) == []
    p.at(60_000, ends)
    assert p.outcomes() == {"ann": outcome}


def test_a_person_who_sends_the_caller_on_was_connected() -> None:
    """Taking the caller from somebody who talks to them does not make the talk a failure."""
    p = Play().connected()
    p.at(60_000, e.Cancelled())
    assert p.outcomes() == {"ann": Outcome.CONNECTED}
