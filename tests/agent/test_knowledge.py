from __future__ import annotations

import pytest

from agent.answering import is_about
from agent.knowledge import Knowledge, stem

pytestmark = pytest.mark.unit

FACTS = (
    "The battery lasts about six months on one charge.",
    "The doorbell works with 2.4 gigahertz Wi-Fi only.",
    "The warranty is two years from the day of purchase.",
    "Hold the button for 15 seconds to reset the doorbell.",
)
KNOWLEDGE = Knowledge(FACTS, [("What does a spare battery cost?", "It costs 29 dollars.")])


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("How long does the battery last?", FACTS[0]),
        ("does it work with my why fi", FACTS[1]),
        ("how long is the waranty", FACTS[2]),
        ("I need to re-set my door bell", FACTS[3]),
        ("what is the cost of a battery", "It costs 29 dollars."),
    ],
)
def test_the_right_fact_is_first(question: str, fact: str) -> None:
    """Other words, misspellings and the example's own question find it."""
    best = KNOWLEDGE.find(question)[0]
    assert best.text == fact and is_about(best)


@pytest.mark.parametrize("question", ["Who won the football game?", "Book me a flight", ""])
def test_nothing_is_found_for_what_is_not_known(question: str) -> None:
    """Words that no fact has cover nothing."""
    assert not any(is_about(each) for each in KNOWLEDGE.find(question))


def test_a_question_without_content_takes_it_from_what_was_said_before() -> None:
    """After the battery, "and how long is that" is about the battery."""
    assert (
        KNOWLEDGE.find("and how is that?", "Tell me about the battery months")[0].text == (FACTS[0])
    )


def test_forms_of_a_word_share_a_stem() -> None:
    """Plural, -ing and -ation forms are the same word."""
    assert stem("batteries") == stem("battery")
    assert stem("installation") == stem("installing") == stem("install")


TEXTS = (
    "The battery lasts about six months on one charge.",
    "A spare battery costs 29 dollars in our shop.",
    "The warranty is two years from the day of purchase.",
    "The warranty does not cover water damage or theft.",
    "We are closed on Sunday and on public holidays.",
    "The night vision reaches eight meters in the dark.",
)


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("What does a spare battery cost?", 1),
        ("What does the night vision reach?", 5),
        ("Is water damage covered by the warranty?", 3),
    ],
)
def test_a_question_is_sure_when_one_text_explains_all_of_it(question: str, fact: int) -> None:
    """Every word that carries meaning is in one text, and no other comes near it."""
    found = Knowledge(TEXTS).sure(question)
    assert found is not None and found.text == TEXTS[fact]


@pytest.mark.parametrize(
    "question",
    [
        "What does a spare battery for my hedgehog cost?",
        "Is anything except water damage covered?",
        "Is it?",
        "Warranty.",
        "Who won the game?",
    ],
)
def test_a_question_is_not_sure_when_anything_is_left_open(question: str) -> None:
    """An unknown word, an exception, no content or two texts alike: the model decides."""
    assert Knowledge(TEXTS).sure(question) is None


def test_two_texts_that_say_the_same_are_no_rivals() -> None:
    """A fact and the reviewed answer made from it score alike; one of them is said."""
    question = "How far does the night vision reach in the dark?"
    reviewed = "The night vision reaches eight meters in the dark."
    found = Knowledge(TEXTS, [(question, reviewed)]).sure(question)
    assert found is not None and "eight meters" in found.text
    other = Knowledge(TEXTS, [(question, "Please look into the manual.")]).find(question)
    assert len(other) == 2


def test_topics_are_what_most_texts_are_about() -> None:
    """As written, most frequent first, one form of each word; no small words, no amounts."""
    knowledge = Knowledge(
        (
            "Your return is free within thirty days.",
            "Returns are refunded when the return is here.",
            "The battery lasts six months.",
        ),
        [("Do you sell a spare battery?", "A battery costs 29 dollars."), ("Refund?", "A battery")],
    )
    topics = knowledge.topics(10)
    assert topics[:2] == ["battery", "return"]
    assert "returns" not in topics and topics.count("return") == 1
    assert not {"your", "within", "when", "the", "29", "thirty", "six"} & set(topics)
    assert all(len(each) > 3 and each.isalpha() for each in topics)
    assert knowledge.topics(1) == ["battery"]
    assert Knowledge(()).topics(5) == []
