import dataclasses
import random
import re

import pytest

from edge.commands.wallboard import Line, board, headline, screen, wallboard
from edge.queues.events import CallerJoined, CallerLeft, MemberLoggedIn, MemberPaused, OfferAccepted
from edge.queues.floor import Floor
from edge.queues.members import SECOND_NS, Member, QueueRules, Seat
from edge.queues.messages import PersonView, QueueStatus, QueueView, WaitingView
from edge.queues.score import Score
from edge.queues.strategy import Strategy
from edge.queues.view import view
from media.config.model import Config
from media.messages import CallId

pytestmark = pytest.mark.unit

S = SECOND_NS
WAITING = (
    WaitingView(CallId("a"), 1, 3_725, ("bob",), 90, "+4930123456"),
    WaitingView(CallId("b"), 2, 7, (), 90, "anna"),
)
QUEUE = QueueView("billing", True, "linear", ("ann", "bob"), WAITING, 9, 5, 1, 1, 5 / 7, 20.0, 6.4)
PEOPLE = (
    PersonView("ann", "101", "wrap_up", 13, 1, 47, "billing", "c"),
    PersonView("bob", "102", "ringing", 4, 0, None, "", "a"),
    PersonView("maximilian", "103", "off_duty", 60, 12),
)
STATUS = QueueStatus((QUEUE,), PEOPLE)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def test_what_is_on_the_board() -> None:
    """Who waits, since when, what rings for them; who does what, since when and how long yet."""
    assert wallboard(STATUS).splitlines() == [
        "BILLING  open, linear, 0 of 2 free",
        "  waiting 2   within 20 s 71%   answered 5 of 9   left 1   sent back 1   mean wait 6 s",
        "    1. +4930123456  1:02:05  ringing bob  a",
        "    2. anna          0:07  about 1:30 to go  b",
        "",
        "PEOPLE",
        "  ann         wrap-up      0:13     1 call  0:47 left   c",
        "  bob         ringing      0:04    0 calls              a",
        "  maximilian  off duty     1:00   12 calls",
    ]
    assert headline(STATUS, "12:00:00").text == (
        "12:00:00  2 waiting, longest 1:02:05, 0 of 3 people free"
    )
    assert headline(dataclasses.replace(STATUS, queues=()), "12:00:00").text == (
        "12:00:00  0 waiting, 0 of 3 people free"
    )


def test_who_waits_too_long_stands_out() -> None:
    """A caller beyond the queue's service level is what somebody should see to."""
    styles = {each.text[:6].strip(): each.style for each in board(STATUS)}
    assert styles["1."] == "alarm" and styles["2."] == ""


@pytest.mark.parametrize(("columns", "rows"), [(200, 50), (60, 14), (40, 5), (20, 2)])
@pytest.mark.parametrize("color", [True, False])
def test_the_screen_is_never_left(columns: int, rows: int, color: bool) -> None:
    """Every size shows the top and the left, says what is hidden, and wraps nothing."""
    lines = [headline(STATUS, "12:00:00"), Line(""), *board(STATUS)]
    text = screen(lines, columns, rows, color=color)
    assert color is ("\x1b[1m" in text)
    shown = ESCAPES.sub("", text).split("\n")
    assert len(shown) == min(rows, len(lines))
    assert all(len(each) <= columns for each in shown)
    assert shown[0].startswith("12:00:00  2 waiting"[: columns - 1])
    if rows < len(lines):
        assert shown[-1] == f"... {len(lines) - rows + 1} more lines"[:columns]


def floor() -> Floor:
    """Return a queue with one person."""
    rules = QueueRules("help", (Seat("ann"),), Strategy.LINEAR, service_level_ns=20 * S)
    return Floor([rules], [Member("ann")], random.Random(1))


def shown(f: Floor, now_s: int) -> tuple[str, int]:
    """Return a person's state and for how long it has lasted."""
    person = view(f, Config({}, ()), {}, {}, now_s * S).people[0]
    return person.state, person.state_s


def test_states_last_since_they_began() -> None:
    """Idle since the last call or the last change of duty, paused since the pause."""
    f = floor()
    assert shown(f, 30) == ("idle", 30)
    f.receive(MemberPaused("ann", True), 40 * S)
    f.receive(MemberPaused("ann", True), 45 * S)
    assert shown(f, 50) == ("paused", 10)
    f.receive(MemberPaused("ann", False), 60 * S)
    f.receive(MemberLoggedIn("ann", False), 70 * S)
    assert shown(f, 75) == ("off_duty", 5)
    f.receive(MemberLoggedIn("ann", True), 80 * S)
    f.receive(CallerJoined("a", "help"), 90 * S)
    f.receive(OfferAccepted("a", "ann"), 95 * S)
    f.receive(MemberPaused("ann", True), 100 * S)
    assert shown(f, 101) == ("busy", 6)


def test_the_service_level_counts_those_who_found_the_queue_open() -> None:
    """In time, too late, hung up: one of three; who came out of hours is nobody's fault."""
    f = floor()
    f.receive(CallerJoined("shut", "help", open=False), 0)
    assert f.scores["help"].service_level is None
    f.receive(CallerJoined("late", "help"), 0)
    f.receive(CallerJoined("leaves", "help"), 0)
    f.receive(OfferAccepted("late", "ann"), 21 * S)
    f.receive(CallerLeft("leaves"), 22 * S)
    assert f.scores["help"].service_level == 0.0
    f.scores["help"].add_answered(20 * S)
    assert f.scores["help"].service_level == pytest.approx(1 / 3)
    assert Score(S).service_level is None
