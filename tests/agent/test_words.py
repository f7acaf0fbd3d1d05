from __future__ import annotations

import pytest

from agent.words import made_of, rest_of, same_words, split_words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Wi-Fi, wi fi and why-fi!", ("wifi", "wifi", "and", "wifi")),
        ("It's 2.4 GHz.", ("its", "2.4", "gigahertz")),
        ("My door bell", ("my", "doorbell")),
        ("Good bye, bye-bye", ("goodbye", "goodbye")),
        ("Größe", ("größe",)),
        ("...", ()),
    ],
)
def test_words_are_comparable(text: str, words: tuple[str, ...]) -> None:
    """Case, punctuation and the spellings of one thing do not matter."""
    assert split_words(text) == words


def test_transcripts_differ_only_by_words() -> None:
    """A full stop that comes later is no new question."""
    assert same_words("what is the warranty", "What is the warranty?")
    assert not same_words("what is the warranty", "what is your warranty")


def test_hums_in_every_spelling_are_the_same() -> None:
    """Repeated letters and spaces are the recogniser's choice."""
    assert made_of(split_words("Mm-hmm, uh huh. Okay"), ("mm-hm", "uh-huh", "okay"))
    assert not made_of(split_words("okay but"), ("okay",))
    assert not made_of((), ("okay",))


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ("", "The battery lasts about six months and charges in five hours."),
        ("Yes,", "The battery lasts about six months and charges in five hours."),
        ("The", "battery lasts about six months and charges in five hours."),
        ("It lasts about six months,", "and charges in five hours."),
        ("It is the", "The battery lasts about six months and charges in five hours."),
        ("Five, about", "The battery lasts about six months and charges in five hours."),
        ("The battery lasts about six months and charges in five hours", ""),
    ],
)
def test_what_was_said_of_a_text_is_not_said_again(said: str, rest: str) -> None:
    """It goes on behind the last words said, if they are from it."""
    assert rest_of("The battery lasts about six months and charges in five hours.", said) == rest
