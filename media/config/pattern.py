"""Parse number patterns: exact numbers, prefixes, ranges, wildcards and captures.

==========================  =====================================================
``+493012345``              exactly this number; spaces, - / ( ) in numbers do not count
``+4930*``                  every number that begins so (``*`` at the end)
``+49301000..+49301099``    every number of a range, both ends included
``+4930??``                 one digit for each question mark
``+4930[2-5]0``             one of some digits; ``[*]`` is the star key
``+4930{extension:3}``      three digits that become the variable ``extension``
``+4930{extension:2-4}``    two to four digits
``+4930{extension}``        the rest, one character or more
==========================  =====================================================

A pattern becomes *parts*: an exact number or a range is one *span*, anything else one or more
*words*, rows of character sets, open at their end or not. A span can be written as words, too. That
makes overlap and coverage of patterns decidable (see edge.dialplan.coverage).
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from media.config.checks import Check

ALPHABET = frozenset(chr(each) for each in range(0x21, 0x7F))
"""Characters a called party can have (SIP user part, RFC 3261 section 25.1, percent decoded)."""
DIGITS = frozenset(string.digits)
LONGEST_PATTERN = 120
MOST_WORDS = 200

_CAPTURE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([0-9]{1,2})(?:-([0-9]{1,2}))?)?")
_CLASS = re.compile(r"[0-9*#-]+")
_EXACT = re.compile(r"\+?[0-9]+")
_RANGE = re.compile(r"(\+?[0-9]+)\.\.(\+?[0-9]+)")
_NUMBER_START = re.compile(r"[+0-9(]")
_SEPARATORS = str.maketrans("", "", " -/()")
_SINGLES = {each: frozenset(each) for each in ALPHABET}


@dataclass(frozen=True, slots=True)
class Capture:
    """Part of a matched number that becomes a variable."""

    name: str
    start: int
    length: int | None
    """None: to the end."""


@dataclass(frozen=True, slots=True)
class Word:
    """A row of character sets."""

    sets: tuple[frozenset[str], ...]
    open: bool = False
    """Anything may follow."""
    captures: tuple[Capture, ...] = ()

    def match(self, number: str) -> bool:
        """Say whether a number is one of this word's."""
        if len(number) < len(self.sets) or (len(number) > len(self.sets) and not self.open):
            return False
        return all(each in one for each, one in zip(number, self.sets, strict=False))

    def captured(self, number: str) -> dict[str, str]:
        """Return the variables of a number that matched."""
        return {
            each.name: number[
                each.start : None if each.length is None else each.start + each.length
            ]
            for each in self.captures
        }

    def literal_prefix(self) -> str:
        """Return the characters that every number of this word begins with."""
        prefix = ""
        for each in self.sets:
            if len(each) != 1:
                break
            (char,) = each
            prefix += char
        return prefix


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers of digits from one to another, all equally long, all with a plus or all without."""

    low: str
    high: str
    """Not below ``low``; the same for an exact number."""
    captures: ClassVar[tuple[Capture, ...]] = ()

    @property
    def is_exact(self) -> bool:
        """Whether it is a single number."""
        return self.low == self.high

    def match(self, number: str) -> bool:
        """Say whether a number is one of them."""
        return (
            len(number) == len(self.low)
            and self.low <= number <= self.high
            and number.isascii()
            and number.removeprefix("+").isdecimal()
        )

    def captured(self, _: str) -> dict[str, str]:
        """Return the variables of a number that matched: none."""
        return {}

    def words(self) -> tuple[Word, ...]:
        """Return the words that take these numbers, each number by one of them, ascending."""
        return _words_of_span(self.low, self.high)


Part = Word | Span
"""What a pattern is made of."""


def words_of(parts: Iterable[Part]) -> tuple[Word, ...]:
    """Return the words that take what some parts take."""
    return tuple(
        word
        for each in parts
        for word in ((each,) if isinstance(each, Word) else _words_of_span(each.low, each.high))
    )


def parse_pattern(text: str) -> tuple[Part, ...]:
    """Parse a number pattern into the parts that it stands for.

    Raises:
        ValueError: with what is wrong and what was expected.
    """
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"the pattern is longer than {LONGEST_PATTERN} characters")
    if _EXACT.fullmatch(text):
        return (Span(text, text),)
    if ".." in text:
        return (_parse_range(text),)
    return _parse_general(text)


@functools.lru_cache(maxsize=65_536)
def _parse_general(text: str) -> tuple[Part, ...]:
    words = [Word(())]
    at = 0
    rest = text.strip()
    is_number = _NUMBER_START.match(rest) is not None
    if not rest:
        raise ValueError('the pattern is empty; every number is "*"')
    while at < len(rest):
        if any(each.open for each in words):
            raise ValueError(f'"{text}": nothing may follow what takes the rest')
        step, words = _parse_element(rest, at, words, is_number, text)
        at += step
        if len(words) > MOST_WORDS:
            raise ValueError(f'"{text}" stands for more than {MOST_WORDS} lengths; use {{name}}')
    if all(not each.sets and not each.open for each in words):
        raise ValueError(f'"{text}" holds no number; every number is "*"')
    literal = words[0].literal_prefix()
    if len(words) == 1 and words[0] == Word(tuple(map(frozenset, literal))):
        return (Span(literal, literal),) if _EXACT.fullmatch(literal) else tuple(words)
    return tuple(words)


def _parse_element(
    rest: str, at: int, words: list[Word], is_number: bool, text: str
) -> tuple[int, list[Word]]:
    char = rest[at]
    if char == "*" and at == len(rest) - 1:
        return 1, [Word(each.sets, True, each.captures) for each in words]
    if char == "*" and rest.startswith("+"):
        raise ValueError(f'"{text}": "*" takes the rest, so it comes last; the star key is "[*]"')
    if char == "?":
        return 1, [_longer(each, DIGITS) for each in words]
    if char in "[{":
        close = "]" if char == "[" else "}"
        end = rest.find(close, at)
        if end < 0:
            raise ValueError(f'"{text}": "{char}" has no "{close}"')
        inner = rest[at + 1 : end]
        if char == "[":
            chosen = _parse_class(inner, text)
            return end + 1 - at, [_longer(each, chosen) for each in words]
        return end + 1 - at, _parse_capture(inner, words, text)
    if is_number and char in " -/()":
        return 1, words
    if char not in ALPHABET or char in "]}":
        raise ValueError(f'"{text}": the character "{char}" cannot be in a number')
    return 1, [_longer(each, _SINGLES[char]) for each in words]


def _longer(word: Word, *sets: frozenset[str]) -> Word:
    return Word((*word.sets, *sets), word.open, word.captures)


def _parse_class(inner: str, text: str) -> frozenset[str]:
    if not _CLASS.fullmatch(inner):
        raise ValueError(f'"{text}": "[{inner}]" is no choice of digits; expected [2-5] or [137]')
    chosen: set[str] = set()
    for low, high, single in re.findall(r"([0-9])-([0-9])|([0-9*#-])", inner):
        if single == "-" or (low and high < low):
            raise ValueError(f'"{text}": "[{inner}]" is no choice of digits; expected [2-5]')
        chosen |= {single} if single else {str(each) for each in range(int(low), int(high) + 1)}
    return frozenset(chosen)


def _parse_capture(inner: str, words: list[Word], text: str) -> list[Word]:
    found = _CAPTURE.fullmatch(inner)
    if found is None:
        raise ValueError(
            f'"{text}": "{{{inner}}}" is no capture; expected {{name}}, {{name:3}} or {{name:2-4}}'
        )
    name = found[1]
    if any(each.name == name for word in words for each in word.captures):
        raise ValueError(f'"{text}" captures "{name}" twice')
    if found[2] is None:
        return [
            Word(
                (*each.sets, ALPHABET),
                True,
                (*each.captures, Capture(name, len(each.sets), None)),
            )
            for each in words
        ]
    low, high = int(found[2]), int(found[3] or found[2])
    if not 1 <= low <= high <= 20:
        raise ValueError(f'"{text}": "{{{inner}}}" must take 1 to 20 digits, the smaller first')
    return [
        Word(
            each.sets + (DIGITS,) * count,
            False,
            (*each.captures, Capture(name, len(each.sets), count)),
        )
        for each in words
        for count in range(low, high + 1)
    ]


def _parse_range(text: str) -> Span:
    if plain := _RANGE.fullmatch(text):
        low, high = plain.groups()
    else:
        low, _, high = (each.strip().translate(_SEPARATORS) for each in text.partition(".."))
    plus = "+" if low.startswith("+") else ""
    if high.startswith("+") != bool(plus) or not (
        low[len(plus) :].isdecimal() and high[len(plus) :].isdecimal() and text.isascii()
    ):
        raise ValueError(f'"{text}" is not a range; expected +49301000..+49301099')
    if len(low) != len(high):
        raise ValueError(f'"{text}": both ends of a range must have the same number of digits')
    if high < low:
        raise ValueError(f'"{text}" ends before it begins; did you mean "{high}..{low}"?')
    return Span(low, high)


@functools.lru_cache(maxsize=16_384)
def _words_of_span(low: str, high: str) -> tuple[Word, ...]:
    plus = low[: low.startswith("+")]
    prefix = tuple(_SINGLES[each] for each in plus)
    return tuple(
        Word((*prefix, *sets)) for sets in _split_range(low[len(plus) :], high[len(plus) :])
    )


def _split_range(low: str, high: str) -> list[tuple[frozenset[str], ...]]:
    """Split a range of equally long numbers into few rows of digit sets."""
    if not low:
        return [()]
    if set(low) == {"0"} and set(high) == {"9"}:
        return [(DIGITS,) * len(low)]
    first, last = low[0], high[0]
    if first == last:
        return [(_SINGLES[first], *each) for each in _split_range(low[1:], high[1:])]
    rest = len(low) - 1
    rows = [(_SINGLES[first], *each) for each in _split_range(low[1:], "9" * rest)]
    between = frozenset(str(each) for each in range(int(first) + 1, int(last)))
    if between:
        rows.append((between,) + (DIGITS,) * rest)
    rows += [(_SINGLES[last], *each) for each in _split_range("0" * rest, high[1:])]
    return rows


@dataclass(frozen=True, slots=True)
class IsPattern(Check):
    """Text that parse_pattern takes."""

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with the text."""
        try:
            parse_pattern(value)
        except ValueError as error:
            return str(error)
        return None


PatternText = Annotated[str, IsPattern()]
