from __future__ import annotations

import pytest

from agent.caller_name import find_name, without_name

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello, this is Peter Brown. My doorbell was stolen.", "Peter Brown"),
        ("good morning my name is susan clarke and I was charged twice", "Susan Clarke"),
        ("this is maria gonzalez calling i forgot my password", "Maria Gonzalez"),
        ("Hi, it's John Miller from Miller and Sons.", "John Miller"),
        ("My name's Anna.", "Anna"),
        ("peter speaking", "Peter"),
        ("I am Jane Doe, I have a question.", "Jane Doe"),
    ],
)
def test_a_name_that_is_announced_is_found(text: str, name: str) -> None:
    """Whatever the recogniser does to capitals."""
    assert find_name(["Hello.", text]) == name


@pytest.mark.parametrize(
    "text",
    [
        "No, this is urgent.",
        "I am moving house.",
        "It is broken.",
        "this is about my doorbell",
        "It's Saturday and nobody is there.",
        "i am calling about the battery",
        "this is not what I asked",
        "my name is not important",
        "",
    ],
)
def test_no_name_is_guessed(text: str) -> None:
    """What is not announced as a name is none."""
    assert find_name([text]) == ""


def test_the_announcement_is_taken_out() -> None:
    """What is left is the matter."""
    assert without_name("this is Maria Lopez calling i forgot my password", "Maria Lopez") == (
        "i forgot my password"
    )
    assert without_name("My camera is broken.", "") == "My camera is broken."
