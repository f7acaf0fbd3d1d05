"""Say numbers in English words."""

from __future__ import annotations

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = [
    "zero",
    "ten",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1_000, "thousand"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
LARGEST = 10**15 - 1
"""Longer numbers are read digit by digit."""


def cardinal(number: int) -> str:
    """Return a whole number in words: 1299 is one thousand two hundred ninety-nine."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number > LARGEST:
        return digits(str(number))
    for size, name in _SCALES:
        if number >= size:
            rest = number % size
            tail = f" {cardinal(rest)}" if rest else ""
            return f"{cardinal(number // size)} {name}{tail}"
    if number >= 100:
        rest = number % 100
        tail = f" {cardinal(rest)}" if rest else ""
        return f"{_ONES[number // 100]} hundred{tail}"
    if number >= 20:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    return _ONES[number]


def ordinal(number: int) -> str:
    """Return a rank in words: 21 is twenty-first."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(number: int) -> str:
    """Return a year as it is said: 1999, 2005, 2026."""
    century, rest = divmod(number, 100)
    if not 1100 <= number <= 2099 or 2000 <= number <= 2009:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} " + (f"oh {_ONES[rest]}" if rest < 10 else cardinal(rest))


def digits(text: str) -> str:
    """Return every digit of a text as a word."""
    return " ".join(_ONES[int(each)] for each in text if each.isdecimal())


def decimal(text: str) -> str:
    """Return a written number in words.

    Args:
        text: digits with thousands commas and at most one point, such as ``1,299.5``.
    """
    whole, _, fraction = text.replace(",", "").partition(".")
    coded = len(whole) > 1 and whole.startswith("0")
    said = digits(whole) if coded else cardinal(int(whole or "0"))
    return f"{said} point {digits(fraction)}" if fraction else said


def clock(hour: int, minute: int, half: str) -> str:
    """Return a time of day: nine thirty ay M.

    Args:
        hour: 0 to 24.
        minute: 0 to 59.
        half: ``a``, ``p`` or empty for the 24-hour clock.
    """
    words = cardinal(hour)
    if minute:
        words += f" oh {cardinal(minute)}" if minute < 10 else f" {cardinal(minute)}"
    elif not half:
        words += " o'clock" if hour <= 12 else " hundred"
    # "A" alone would be said like the article.
    return f"{words} {'ay' if half == 'a' else 'P'} M" if half else words
