from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.speech_text import spoken_text, spoken_words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "It is $1,299.99.",
            "It is one thousand two hundred ninety-nine dollars and ninety-nine cents.",
        ),
        ("5 € or $1 or £0.50", "five euros or one dollar or fifty pence"),
        ("$2.5 million", "two point five million dollars"),
        ("from 9:30 am to 5 p.m.", "from nine thirty ay M to five P M"),
        ("at 14:05 or 9:00", "at fourteen oh five or nine o'clock"),
        ("on March 5, 2026", "on March fifth, twenty twenty-six"),
        ("on 2026-03-21", "on March twenty-first, twenty twenty-six"),
        ("by 12/31/2025", "by December thirty-first, twenty twenty-five"),
        ("call 555-012-3456", "call five five five, zero one two, three four five six"),
        ("+44 20 7946 0018", "plus four four, two zero, seven nine four six, zero zero one eight"),
        ("5550123456", "five five five, zero one two, three four five six"),
        ("the 2.4 GHz Wi-Fi", "the two point four gigahertz Wi-Fi"),
        ("16 GB, 1 GB, 3 mm", "sixteen gigabytes, one gigabyte, three millimeters"),
        ("100% at -20°C", "one hundred percent at minus twenty degrees Celsius"),
        ("serial AB12-34CD9", "serial ay B one two, three four C D nine"),
        ("the D200 in 1080p", "the D two hundred in ten eighty P"),
        ("mail help.desk@example.com", "mail help dot desk at example dot com"),
        ("see https://www.orion.com/faq.", "see W W W dot orion dot com slash faq."),
        ("the 21st or 2nd", "the twenty-first or second"),
        ("5-10 minutes", "five to ten minutes"),
        ("a 2-year warranty", "a two year warranty"),
        (
            "in 1999 and 7,500 of them",
            "in nineteen ninety-nine and seven thousand five hundred of them",
        ),
        ("order 0041233", "order zero zero four one two three three"),
        ("e.g. the LED (blue).", "for example the L E D blue."),
        ("**Bold** and `code` 😀!", "Bold and code!"),
        ("- First\n- Second", "First, Second"),
        ("[our page](https://x.com/y)", "our page"),
        ("open 24/7", "open twenty-four seven"),
        ("Hold it for ten seconds.", "Hold it for ten seconds."),
        ("I'm sure: it's fine, isn't it?", "I'm sure: it's fine, isn't it?"),
        ("", ""),
    ],
)
def test_english(written: str, said: str) -> None:
    """Written English becomes what an operator would say."""
    assert spoken_text(written, "en-us") == said


@pytest.mark.parametrize("text", ["3 Geräte für 5 €, bitte.", "배터리는 6개월 갑니다."])
def test_other_languages_pass(text: str) -> None:
    """Text of another language is left to the voice."""
    assert spoken_text(text, "de") == text


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    """Whatever a model writes, every visible character belongs to exactly one part, in order."""
    words = spoken_words(text, "en")
    ends = [0, *(each.end for each in words)]
    for before, each in zip(ends, words, strict=False):
        assert before <= each.start < each.end
        assert not text[before : each.start].strip()
    assert not text[ends[-1] :].strip()


@given(st.text(alphabet="0123456789.,:/-$€ %apmGHz+()", max_size=24))
def test_any_figures_are_taken(text: str) -> None:
    """No sequence of digits and marks breaks the rules, and all digits are spoken as words."""
    said = spoken_text(text, "en")
    assert not any(each.isdecimal() for each in said)
