"""Write text the way it is said: numbers, money, dates, times, codes, units, addresses.

The record keeps the written text; every spoken word knows which written characters it stands for,
so that what was heard can be told from where playback stopped. English only: text of other
languages goes through untouched but for markup and pictures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.engines.speech_text_amounts import (
    DAY,
    MONEY,
    MONTH,
    TIME,
    code_digits,
    day_first_date,
    day_names,
    dotted,
    dotted_date,
    fraction,
    iso_date,
    money,
    money_range,
    named_date,
    per,
    phone,
    slash_date,
    time_of_day,
    time_range,
)
from agent.engines.speech_text_numbers import cardinal, decimal, digits, ordinal, year

_UNITS = {
    "GHz": "gigahertz",
    "MHz": "megahertz",
    "kHz": "kilohertz",
    "Hz": "hertz",
    "Gbps": "gigabits per second",
    "Mbps": "megabits per second",
    "kbps": "kilobits per second",
    "TB": "terabyte",
    "GB": "gigabyte",
    "MB": "megabyte",
    "KB": "kilobyte",
    "mAh": "milliamp hour",
    "mA": "milliamp",
    "mm": "millimeter",
    "cm": "centimeter",
    "km": "kilometer",
    "m": "meter",
    "ft": "foot",
    "in": "inch",
    "kg": "kilogram",
    "mg": "milligram",
    "g": "gram",
    "lbs": "pound",
    "lb": "pound",
    "oz": "ounce",
    "V": "volt",
    "W": "watt",
    "dB": "decibel",
    "°C": "degree Celsius",
    "°F": "degree Fahrenheit",
    "°": "degree",
    "%": "percent",
    "mph": "miles per hour",
    "km/h": "kilometers per hour",
    "ms": "millisecond",
    "sec": "second",
    "min": "minute",
    "hr": "hour",
    "hrs": "hour",
    "m²": "square meter",
    "fps": "frames per second",
    "MP": "megapixel",
}
_SPELLED = frozenset(
    [
        "LED",
        "USB",
        "SD",
        "HD",
        "RMA",
        "IP",
        "ID",
        "TV",
        "QR",
        "LTE",
        "DVR",
        "NVR",
        "AI",
        "AC",
        "DC",
        "PC",
        "FAQ",
        "UK",
        "US",
        "USA",
        "LAN",
        "WAN",
        "VPN",
        "DNS",
        "SSID",
        "POE",
        "CCTV",
        "IR",
        "PIR",
        "SMS",
        "API",
        "VIP",
    ]
)
_SHORT = {
    "e.g.": "for example",
    "i.e.": "that is",
    "etc.": "et cetera",
    "vs.": "versus",
    "approx.": "approximately",
    "Mr.": "Mister",
    "Mrs.": "Missus",
    "Ms.": "Miz",
    "Dr.": "Doctor",
    "&": "and",
    "+": "plus",
    "=": "equals",
    "WiFi": "Wi-Fi",
}
_PICTURES = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3\U0001f1e6-\U0001f1ff]"
)
_MARKUP = re.compile(r"\*+|`+|~~|(?<!\w)_+|_+(?!\w)|^#+\s*|^>\s*")
_DOMAIN = r"(?:com|org|net|io|co|uk|de|eu|fr|gov|edu|info|app|dev|shop|example)"


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """Written characters and how they are said."""

    start: int
    """First character in the written text."""
    end: int
    """One behind the last."""
    spoken: str
    """Words with the punctuation that shapes the melody; empty where nothing is said."""


def spoken_words(text: str, language: str = "en") -> list[SpokenWord]:
    """Return what is said, in order, with the place of each part in the text.

    Args:
        text: what the record shows.
        language: the voice's, such as ``en`` or ``en-us``.
    """
    english = language.lower().split("-")[0].split("_")[0] == "en"
    rule = _ENGLISH if english else _PLAIN
    found: list[SpokenWord] = []
    for match in rule.finditer(text):
        name = match.lastgroup or "word"
        said = _SAY[name](match.group(0)) if english else match.group(0)
        cleaned = _MARKUP.sub("", _PICTURES.sub("", said)).strip()
        if cleaned in ("-", "•", "—", "–"):
            cleaned = ","
        found.append(SpokenWord(match.start(), match.end(), cleaned))
    return found


def spoken_text(text: str, language: str = "en") -> str:
    """Return what a voice should say for a written text.

    Args:
        text: what the record shows.
        language: the voice's, such as ``en``.
    """
    said = " ".join(each.spoken for each in spoken_words(text, language) if each.spoken)
    return re.sub(r"\s+([,.;:!?])", r"\1", said).lstrip(",;: ")


def _letters(text: str) -> str:
    """Spell letters and digits; a hyphen is a short pause."""
    parts = []
    for group in re.split(r"[-_/]", text):
        parts.append(
            " ".join(digits(each) if each.isdecimal() else _spelled(each) for each in group)
        )
    return ", ".join(part for part in parts if part)


def _code(text: str) -> str:
    short = re.fullmatch(r"([A-Za-z]{1,2})-?(\d{1,3})", text)
    if short is not None:
        return f"{_spelled(short[1])} {cardinal(int(short[2]))}"
    if picture := re.fullmatch(r"(\d{1,2})(\d\d)p", text):
        return f"{cardinal(int(picture[1]))} {cardinal(int(picture[2]))} P"
    if large := re.fullmatch(r"(\d{1,2})([KkGgx])", text):
        return f"{cardinal(int(large[1]))} {'times' if large[2] == 'x' else large[2].upper()}"
    return _letters(text)


def _unit(text: str) -> str:
    match = re.fullmatch(r"([-−]?)([\d,]*\.?\d+)[\s-]?(\D+)", text)
    if match is None:
        return text
    number = re.sub(r"^(\d+),(\d\d?)$", r"\1.\2", match[2])
    name = _UNITS[match[3]]
    fixed = name.endswith(("hertz", "percent")) or " per " in name
    if match[2] != "1" and not fixed:
        head, _, tail = name.partition(" ")
        if name.endswith(("hour", "square meter")):
            name += "s"
        else:
            plural = {"foot": "feet", "inch": "inches"}.get(head, f"{head}s")
            name = f"{plural} {tail}".strip()
    return ("minus " if match[1] else "") + f"{decimal(number)} {name}"


def _address(text: str) -> str:
    plain = re.sub(r"^https?://", "", text).rstrip("/")
    marks = {"@": "at", ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "+": "plus"}
    marks |= {"?": "question mark", "=": "equals", "#": "hash", ":": "colon", "&": "and"}
    words = []
    for part in re.findall(r"[A-Za-z]+|\d+|\S", plain):
        if part.isdecimal():
            words.append(digits(part))
        elif part.lower() == "www":
            words.append("W W W")
        else:
            words.append(marks.get(part, part))
    return " ".join(words)


def _number(text: str) -> str:
    sign = "minus " if text.startswith(("-", "−")) else ""
    bare = text.lstrip("-−")
    if "." not in bare and "," not in bare and (len(bare) > 5 or bare.startswith("0")):
        return sign + digits(bare)
    return sign + decimal(bare)


def _range(text: str) -> str:
    first, second = re.split(r"\s?[-–]\s?", text)
    if re.fullmatch(r"[\d.]+", second):
        return f"{decimal(first)} to {decimal(second)}"
    return f"{decimal(first)} to {_unit(second)}"


def _joined(text: str, mark: str, word: str) -> str:
    return f" {word} ".join(decimal(each.strip()) for each in text.split(mark))


def _word(text: str) -> str:
    if text.isdecimal():
        return digits(text)
    bare = text.rstrip(".,;:!?…)\"'”")
    tail = text[len(bare) :]
    bare = bare.lstrip("(\"'“")
    if tail.startswith(".") and f"{bare}." in _SHORT:
        bare, tail = f"{bare}.", tail[1:]
    tail = re.sub(r"[\"'”]", "", tail)
    tail = tail.replace(")", "" if len(tail) > 1 else ",")
    if bare in _SHORT:
        return _SHORT[bare] + tail
    if "-" in bare and bare.split("-")[0] in _SPELLED and bare.replace("-", "").isupper():
        return " ".join(_spelled(each) for each in bare.split("-")) + tail
    if bare in _SPELLED or (bare.endswith("s") and bare[:-1] in _SPELLED):
        return _spelled(bare.removesuffix("s") if bare not in _SPELLED else bare) + tail
    return bare + tail


def _spelled(letters: str) -> str:
    """Return letters one by one; "A" alone would be said like the article."""
    return " ".join("ay" if each in "Aa" else each.upper() for each in letters)


def _compound(text: str) -> str:
    number, _, word = text.partition("-")
    return f"{decimal(number)} {word}"


_UNIT = "|".join(
    re.escape(each) + (r"\b" if each[-1].isalpha() else "")
    for each in sorted(set(_UNITS) - {"in"}, key=len, reverse=True)
)
_RULES: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("link", r"\[[^\]]+\]\([^)\s]+\)", lambda text: text[1 : text.index("]")]),
    ("mail", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    (
        "address",
        rf"https?://[^\s,;)]+[^\s,;).!?]|(?:www\.)?[A-Za-z][\w-]*(?:\.[\w-]+)*\.{_DOMAIN}\b"
        r"(?:/[\w/-]*)?",
        _address,
    ),
    ("iso", r"\b\d{4}-\d\d-\d\d\b", iso_date),
    ("dotted_date", r"\b\d{1,2}\.\d{1,2}\.\d{4}\b", dotted_date),
    ("slash", r"\b\d{1,2}/\d{1,2}/\d{2,4}\b", slash_date),
    ("always", r"\b24/7\b", lambda text: "twenty-four seven"),
    ("month", rf"\b(?:{MONTH})\.?\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s\d{{4}}\b)?", named_date),
    ("day_first", rf"\b\d{{1,2}}\s(?:{MONTH})\b(?:\s\d{{4}}\b)?", day_first_date),
    ("day_names", rf"\b{DAY}\s?[-–]\s?{DAY}\b", day_names),
    ("money_range", r"[$€£]\d+(?:\.\d\d)?\s?[-–]\s?[$€£]?\d+(?:\.\d\d)?\b", money_range),
    ("money", MONEY, money),
    ("per", r"(?<=[\w%])/(?:day|week|month|mo|year|yr|hour|hr|h|minute|min|second|s)\b", per),
    ("dotted", r"\bv?\d+(?:\.\d+){2,}\b", lambda text: dotted(text.lstrip("v"))),
    ("time_range", rf"\b(?:{TIME})\s?[-–]\s?(?:{TIME})(?!\w)", time_range),
    ("time", rf"\b(?:{TIME})(?!\w)", time_of_day),
    (
        "phone",
        r"\+\d[\d\s().-]{6,}\d|\(?\b\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}\b|\b\d{10}\b|\b\d{3}-\d{4}\b"
        r"|\(?\b0\d{1,5}\)?[\s/-]\d[\d\s-]{3,}\d\b",
        phone,
    ),
    ("fraction", r"(?<![\w./])(?:\d+\s)?\d{1,2}/\d{1,2}\b(?!/)", fraction),
    (
        "coded",
        r"(?<=\bPIN )\d+|(?<=\bZIP )\d+|(?i:(?<=\bcode )|(?<=\border ))\d+(?:-\d+)*",
        code_digits,
    ),
    (
        "range",
        rf"(?<![\w.])\d+(?:\.\d+)?\s?[-–]\s?\d+(?:\.\d+)?(?:\s?(?:{_UNIT})|\b(?![-–]))",
        _range,
    ),
    ("ratio", r"\b\d{1,2}:\d{1,2}\b", lambda text: _joined(text, ":", "to")),
    ("by", r"\b\d+\s?[x×]\s?\d+\b", lambda text: _joined(text.replace("×", "x"), "x", "by")),
    ("key", r"(?<=\bpress )[#*]", lambda text: "hash" if text == "#" else "star"),
    (
        "unit",
        r"(?<![\w.])[-−]?(?:\d+,\d\d?(?!\d)|[\d,]*\.?\d+)[\s-]?(?:" + _UNIT + ")",
        _unit,
    ),
    ("rank", r"\b\d+(?:st|nd|rd|th)\b", lambda text: ordinal(int(text[:-2]))),
    ("compound", r"\b\d+-[a-z]{2,}\b", _compound),
    (
        "code",
        r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*\b",
        _code,
    ),
    ("year", r"(?<=\b[Ii]n\s)(?:19|20)\d\d\b(?![,.]\d)", lambda text: year(int(text))),
    ("number", r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?", _number),
    ("markup", r"[*`#~]+", lambda text: ""),
    ("mark", r"[,.;:!?…]+(?=\s|$|[\"')*])", lambda text: text),
    ("word", r"[^\s\d$€£\[*`#~]+?(?=[\s\d$€£\[*`#~]|$)|\S", _word),
)
_SAY = {name: say for name, _, say in _RULES}
_ENGLISH = re.compile("|".join(f"(?P<{name}>{rule})" for name, rule, _ in _RULES), re.MULTILINE)
_PLAIN = re.compile(r"\S+")
