from __future__ import annotations

import pytest

from agent.guard import Guard, clean_text, numbers, shorten

pytestmark = pytest.mark.unit

FACTS = (
    "The doorbell works with 2.4 gigahertz Wi-Fi only. It does not work with 5 gigahertz.",
    "Without a subscription no recordings are saved.",
    "The battery lasts about six months.",
)


def admit(clause: str) -> str | None:
    """Check the first clause of an answer."""
    return Guard(FACTS, 25, 25).admit(clause)


@pytest.mark.parametrize(
    "clause",
    [
        "The battery lasts about six months.",
        "It lasts about 6 months.",
        "It does not work with 5 gigahertz.",
        "Without a subscription no recordings are saved.",
    ],
)
def test_what_the_facts_say_is_admitted(clause: str) -> None:
    """In the facts' words, with numbers as words or digits."""
    assert admit(clause) == clause


@pytest.mark.parametrize(
    "clause",
    [
        "The battery lasts about nine months.",
        "It works with 5 gigahertz.",
        "Without a subscription recordings are saved.",
        "The camera has a solar panel and radar.",
    ],
)
def test_what_the_facts_do_not_say_is_refused(clause: str) -> None:
    """Other numbers, turned-around negations and new claims."""
    assert admit(clause) is None


def test_a_bare_verdict_is_dropped() -> None:
    """A "yes" that cannot be compared with a fact is not said; what follows is."""
    assert admit("Yes, the battery lasts about six months.") == (
        "The battery lasts about six months."
    )


def test_an_answer_ends_before_it_is_too_long() -> None:
    """The clause that would exceed the limit is not said."""
    guard = Guard(FACTS, 8, 25)
    assert guard.admit("The battery lasts about six months.")
    assert guard.admit("The doorbell works with 2.4 gigahertz.") is None
    assert guard.refused == "too long"


def test_nothing_is_stated_without_facts() -> None:
    """No facts, no answer."""
    assert Guard((), 25, 25).admit("The sky is blue.") is None


def test_markup_and_labels_are_stripped() -> None:
    """What cannot be spoken is not."""
    assert (
        clean_text("**Agent:** use the `app`") == "use the app"
        or clean_text("Agent: **use** the `app`") == "use the app"
    )
    assert clean_text("- one\n- two") == "one two"


def test_numbers_are_the_same_in_words_and_digits() -> None:
    """Fifteen is 15."""
    assert numbers("hold it for fifteen seconds") == numbers("15 seconds") == {"15"}


def test_a_reviewed_text_is_cut_at_a_sentence() -> None:
    """Never in the middle, never to nothing."""
    assert shorten("One two three. Four five.", 4) == "One two three."
    assert shorten("One two three four.", 2) == "One two three four."


FIVE = (
    "Use a 2.4 gigahertz Wi-Fi. Open the app, choose device settings, then Wi-Fi.",
    "The doorbell works with 2.4 gigahertz Wi-Fi only, not with 5 gigahertz.",
)


def test_what_is_denied_of_a_number_is_not_affirmed() -> None:
    """A number that the facts only name behind a "not" is not offered, in words neither."""
    guard = Guard(FIVE, 25, 25)
    assert guard.admit("You can use five gigahertz with the camera.") is None
    assert guard.refused == "a number that the facts deny"
    assert Guard(FIVE, 25, 25).admit("It works with 2.4 gigahertz, not with 5 gigahertz.")
    assert Guard(FIVE, 25, 25).admit("The doorbell does not work with 5 gigahertz.")
    assert Guard(FIVE, 25, 25).admit("Use a 2.4 gigahertz Wi-Fi.")


def test_a_sentence_is_finished_beyond_the_limit_but_no_new_one_begun() -> None:
    """Half a sentence is no answer; a second sentence is a choice."""
    fact = "You can return it within 30 days in the original box. The refund is paid by card."
    guard = Guard([fact], 5, 25)
    assert guard.admit("You can return it") is not None
    assert guard.unfinished
    assert guard.admit("within 30 days in the original box.") is not None
    assert not guard.unfinished
    assert guard.admit("The refund is paid by card.") is None
    assert guard.refused == "too long"
    short = Guard([fact], 5, 11)
    assert short.admit("You can return it") is not None
    assert short.admit("within 30 days in the original box.") is not None
    shorter = Guard([fact], 5, 10)
    assert shorter.admit("You can return it") is not None
    assert shorter.admit("within 30 days in the original box.") is None


SHARING = (
    "You can share the camera with up to five family members in the app.",
    "The battery lasts about six months on one charge, less in cold weather.",
    "To reset the doorbell, hold the button on the back of the doorbell for 15 seconds.",
)


@pytest.mark.parametrize(
    ("clause", "ending"),
    [
        ("You can share the camera", "with up to five family members in the app."),
        ("It lasts about six months", "on one charge, less in cold weather."),
        ("You can share the camera with five family members in the app.", ""),
        ("You can share the doorbell", None),
        ("Use the camera", None),
    ],
)
def test_a_sentence_that_was_begun_ends_as_in_a_fact(clause: str, ending: str | None) -> None:
    """Where what was said stands in a fact; elsewhere nothing fits, and what is whole has it."""
    guard = Guard(SHARING, 25, 25)
    assert guard.admit(clause) == clause
    assert guard.ending() == ending


def test_an_ending_needs_room_and_everything_said_before_it() -> None:
    """No more words than an answer may have; no end of a sentence about something else."""
    guard = Guard(SHARING, 25, 12)
    assert guard.admit("You can share the camera")
    assert guard.ending() is None
    guard = Guard(("Hold the button of the doorbell for 15 seconds to reset it.",), 25, 25)
    assert guard.admit("You can reset the doorbell")
    assert guard.ending() is None


@pytest.mark.parametrize("clause", ["The --", "It is.", "The", "Yes, it does."])
def test_a_first_clause_without_meaning_is_no_answer(clause: str) -> None:
    """Nothing of it can be compared with a fact; a number alone can."""
    assert admit(clause) is None
    assert admit("6.") == "6."


def test_the_mark_of_what_was_cut_is_not_said() -> None:
    """A model that copies it from the history goes on or ends."""
    assert clean_text("The battery lasts -- about six months --") == (
        "The battery lasts about six months"
    )
    assert clean_text("mm-hm") == "mm-hm"
