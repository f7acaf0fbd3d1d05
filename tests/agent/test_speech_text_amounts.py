from __future__ import annotations

import random

import pytest

from agent.engines.speech_text import spoken_text

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("€3,50", "three euros and fifty cents"),
        ("3,50 €", "three euros and fifty cents"),
        ("1.299,99 €", "one thousand two hundred ninety-nine euros and ninety-nine cents"),
        ("$1.2M", "one point two million dollars"),
        ("EUR 10", "ten euros"),
        ("25 USD", "twenty-five dollars"),
        ("$10-$15", "ten to fifteen dollars"),
        ("$5/month", "five dollars per month"),
        ("2,5 GHz", "two point five gigahertz"),
        ("16-24 V", "sixteen to twenty-four volts"),
        ("10-15%", "ten to fifteen percent"),
        ("5 GB/s", "five gigabytes per second"),
        ("25 m²", "twenty-five square meters"),
        ("30 sec or 5 min", "thirty seconds or five minutes"),
        ("1/2, 3/4 and 1 1/2 hours", "one half, three quarters and one and a half hours"),
        ("3 x 4 at 16:9", "three by four at sixteen to nine"),
        ("At 10:30 pm.", "At ten thirty P M."),
        ("10.30 pm", "ten thirty P M"),
        ("Mon-Fri 9am-5pm", "Monday to Friday nine ay M to five P M"),
        ("14.03.2026", "March fourteenth, twenty twenty-six"),
        ("14 March 2026", "fourteenth of March, twenty twenty-six"),
        ("555-1234", "five five five, one two three four"),
        ("(030) 5550-00", "zero three zero, five five five zero, zero zero"),
        ("+49 (0)30 5550-00", "plus four nine, three zero, five five five zero, zero zero"),
        ("PIN 1234.", "PIN one two three four."),
        ("order 4711-0815", "order four seven one one, zero eight one five"),
        ("192.168.1.1", "one nine two dot one six eight dot one dot one"),
        ("press # or press *", "press hash or press star"),
        ("a USB-C cable", "a U S B C cable"),
    ],
)
def test_amounts_are_said_as_people_say_them(written: str, said: str) -> None:
    """Both decimal marks, ranges with units, times, dates, numbers that are dialled."""
    assert spoken_text(written) == said


def test_amounts_next_to_each_other_never_fail() -> None:
    """Digits and marks in any order are said somehow: a model writes what it likes."""
    marks = ["$", "€", ",", ".", "/", "-", ":", " ", "%", "x", "pm", "GHz", "Mar", "USD", "#", "+"]
    chance = random.Random(7)
    for _ in range(3_000):
        text = "".join(
            chance.choice([*marks, str(chance.randrange(3_000))])
            for _ in range(chance.randrange(12))
        )
        assert not any(each.isdecimal() for each in spoken_text(text)), text
