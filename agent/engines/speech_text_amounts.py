"""Say written amounts and places in time: money, times, dates, telephone numbers, fractions.

English. Each function takes the characters that its rule in :mod:`agent.engines.speech_text` found.
"""

from __future__ import annotations

import re

from agent.engines.speech_text_numbers import (
    cardinal,
    clock,
    decimal,
    digits,
    ordinal,
    year,
)

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
MONTH = "|".join(_MONTHS) + "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
_COINS = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_CODES = {"USD": "$", "EUR": "€", "GBP": "£"}
_PER = {"mo": "month", "yr": "year", "h": "hour", "hr": "hour", "s": "second", "min": "minute"}
_PARTS = {2: "half", 4: "quarter"}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
AMOUNT = r"(?:\d{1,3}(?:\.\d{3})+,\d\d|\d+,\d\d(?!\d)|\d[\d,]*(?:\.\d\d?(?!\d))?)"
"""Both ways of writing 1,299.99; a comma before two digits is a decimal one."""
TIME = r"\d{1,2}(?:[:.]\d\d)?(?:\s?[aApP](?:\.[mM]\b\.?|[mM]\b))|\d{1,2}:\d\d"
DAY = r"(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)"
MONEY = (
    rf"[$€£]\s?{AMOUNT}(?:[kKM]\b|\s(?:million|billion)\b)?"
    rf"|\b{AMOUNT}\s?(?:[$€£]|(?:USD|EUR|GBP)\b)|\b(?:USD|EUR|GBP)\s{AMOUNT}"
)


def money(text: str) -> str:
    """Say an amount of money: $1,299.99, 3,50 €, $1.2M, EUR 10."""
    plain = re.sub(r"USD|EUR|GBP", lambda code: _CODES[code[0]], text)
    match = re.fullmatch(
        rf"(?P<sign>[$€£])?\s?(?P<number>{AMOUNT})\s?(?P<after>[$€£])?(?P<scale>[kKM]|\s?\w+)?",
        plain,
    )
    if match is None:
        return text
    coin, part = _COINS[match["sign"] or match["after"]]
    number = _point(match["number"])
    if match["scale"]:
        scale = {"k": "thousand", "K": "thousand", "M": "million"}.get(
            match["scale"], match["scale"].strip()
        )
        return f"{decimal(number)} {scale} {coin}s"
    whole, _, rest = number.partition(".")
    amount, cents = int(whole), int((rest or "0").ljust(2, "0"))
    small = ("pence" if part == "penny" else f"{part}s") if cents != 1 else part
    said = f"{cardinal(amount)} {coin if amount == 1 else coin + 's'}"
    if cents and not amount:
        return f"{cardinal(cents)} {small}"
    return f"{said} and {cardinal(cents)} {small}" if cents else said


def _point(number: str) -> str:
    """Return a number of either way of writing with a point and without thousands."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})*,\d\d|\d+,\d\d?", number):
        number = number.replace(".", "").replace(",", ".")
    return number.replace(",", "")


def money_range(text: str) -> str:
    """Say two amounts of which the first may have no coin: $10-15, $10-$15."""
    first, second = re.split(r"\s?[-–]\s?", text)
    sign = second[0] if second[0] in _COINS else first[0]
    return f"{decimal(_point(first.lstrip('$€£')))} to {money(sign + second.lstrip('$€£'))}"


def per(text: str) -> str:
    """Say "/month" behind an amount."""
    word = text[1:]
    return f"per {_PER.get(word, word)}"


def fraction(text: str) -> str:
    """Say 1/2, 3/4, 1 1/2; other slashes between numbers are said as such."""
    match = re.fullmatch(r"(?:(\d+)\s)?(\d+)/(\d+)", text)
    if match is None or not 2 <= int(match[3]) <= 10 or int(match[2]) >= int(match[3]):
        return " slash ".join(decimal(each) for each in text.split("/"))
    over, under = int(match[2]), int(match[3])
    name = _PARTS.get(under, ordinal(under))
    said = f"{'a' if over == 1 and match[1] else cardinal(over)} {name}{'s' if over > 1 else ''}"
    return f"{cardinal(int(match[1]))} and {said}" if match[1] else said


def dotted(text: str) -> str:
    """Say an address of numbers or a version: 192.168.1.1."""
    return " dot ".join(
        digits(each) if len(each) > 2 else cardinal(int(each)) for each in text.split(".")
    )


def code_digits(text: str) -> str:
    """Say digits one by one, a short pause at each hyphen or space."""
    return ", ".join(digits(each) for each in re.findall(r"\d+", text))


def day_names(text: str) -> str:
    """Say Mon-Fri."""
    names = [
        next(day for day in _DAYS if day.startswith(each[:3]))
        for each in re.split(r"\s?[-–]\s?", text)
    ]
    return " to ".join(names)


def time_range(text: str) -> str:
    """Say 9am-5pm, 9:00–17:00."""
    first, second = re.split(r"\s?[-–]\s?", text)
    return f"{time_of_day(first)} to {time_of_day(second)}"


def time_of_day(text: str) -> str:
    """Say 10:30 pm."""
    match = re.match(r"(\d{1,2})(?:[:.](\d\d))?\s*([apAP])?", text)
    if match is None or int(match[1]) > 24 or int(match[2] or 0) > 59:
        return " ".join(digits(part) for part in re.findall(r"\d+", text))
    return clock(int(match[1]), int(match[2] or 0), (match[3] or "").lower())


def iso_date(text: str) -> str:
    """Say 2026-03-14."""
    years, month, day = (int(each) for each in text.split("-"))
    return _date(month, day, years) or digits(text)


def dotted_date(text: str) -> str:
    """Say 14.03.2026: the day comes first."""
    day, month, years = (int(each) for each in text.split("."))
    return _date(month, day, years) or dotted(text)


def day_first_date(text: str) -> str:
    """Say 14 March 2026."""
    day, month, *years = text.split()
    name = next(each for each in _MONTHS if each.startswith(month[:3]))
    said = f"{ordinal(int(day))} of {name}"
    return f"{said}, {year(int(years[0]))}" if years else said


def slash_date(text: str) -> str:
    """Say 3/14/2026: the month comes first, where that can be."""
    month, day, years = (int(each) for each in text.split("/"))
    if month > 12:
        month, day = day, month
    return _date(month, day, years + 2000 if years < 100 else years) or digits(text)


def _date(month: int, day: int, years: int) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ""
    return f"{_MONTHS[month - 1]} {ordinal(day)}, {year(years)}"


def named_date(text: str) -> str:
    """Say March 14, 2026."""
    match = re.fullmatch(r"([A-Za-z]+)\.?\s(\d{1,2})(?:st|nd|rd|th)?(?:,?\s(\d{4}))?", text)
    if match is None:
        return text
    month = next(each for each in _MONTHS if each.startswith(match[1][:3]))
    said = f"{month} {ordinal(int(match[2]))}"
    return f"{said}, {year(int(match[3]))}" if match[3] else said


def phone(text: str) -> str:
    """Say a telephone number in its groups."""
    groups = re.findall(r"\d+", text.replace("(0)", ""))
    if len(groups) == 1 and len(groups[0]) == 10:
        whole = groups[0]
        groups = [whole[:3], whole[3:6], whole[6:]]
    elif len(groups) == 1:
        groups = [groups[0][at : at + 3] for at in range(0, len(groups[0]), 3)]
    said = ", ".join(digits(each) for each in groups)
    return f"plus {said}" if text.startswith("+") else said
