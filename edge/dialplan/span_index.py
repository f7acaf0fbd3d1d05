"""Find the rules whose spans take a number, or share numbers with a span or a word.

Numbers of one length, all with a plus or all without, stand in one line like houses in a street. A
rule's span is then told from others by where it begins and where it ends, whatever digits it needs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

from edge.dialplan.bits import bits_of
from edge.dialplan.toggles import Toggles
from edge.dialplan.word_index import Layer
from media.config.pattern import DIGITS, Part, Span, Word

MOST_RANGES = 4
"""Ranges of one rule that are told apart; of more, how far they reach between them."""
Street = tuple[bool, int]
"""Whether numbers have a plus, and how many characters they have with it."""
Stretch = tuple[int, int]
"""First and last number of a part of a street."""


class Line:
    """The spans of one street.

    Args:
        spans: by rule, ascending and apart from each other.
        count: how many rules there are.
        layers: spans of one rule, beyond exact numbers, that are told apart.
    """

    def __init__(self, spans: Mapping[int, Sequence[Stretch]], count: int, layers: int) -> None:
        self.spans = spans
        self.members = bits_of(spans, count)
        self._firsts = Toggles([(each[0][0], rule) for rule, each in spans.items()], count)
        self._lasts = Toggles([(each[-1][1], rule) for rule, each in spans.items()], count)
        self._ranges = {
            rule: wide
            for rule, each in spans.items()
            if (wide := [(low, high) for low, high in each if low < high])
        }
        self._on = Toggles(
            [
                (edge, rule)
                for rule, each in self._ranges.items()
                for low, high in each
                for edge in (low, high + 1)
            ],
            count,
        )
        self._count = count
        self._most_layers = layers

    @functools.cached_property
    def _layers(self) -> list[tuple[Toggles, Toggles]]:
        """Where the first, the second, ... range of each rule begins and ends."""
        found = []
        for at in range(min(self._most_layers, MOST_RANGES)):
            has = [(rule, each[at]) for rule, each in self._ranges.items() if len(each) > at]
            if not has:
                break
            lows = Toggles([(low, rule) for rule, (low, _) in has], self._count)
            highs = Toggles([(high, rule) for rule, (_, high) in has], self._count)
            found.append((lows, highs))
        return found

    def point(self, number: int) -> int:
        """Return the rules one of whose spans, beyond exact numbers, has a number."""
        return self._on.up_to(number)

    def sharing(self, low: int, high: int) -> int:
        """Return the rules with a number from low to high; of several spans, maybe too many."""
        return self._firsts.up_to(high) & ~self._lasts.below(low)

    def containing(self, low: int, high: int) -> int:
        """Return the rules one of whose spans, beyond exact numbers, has all from low to high."""
        found = 0
        for lows, highs in self._layers:
            found |= lows.up_to(low) & ~highs.below(high)
        return found

    def contained(self, low: int, high: int) -> int:
        """Return the rules with no number here but from low to high."""
        return self._lasts.up_to(high) & ~self._firsts.below(low)


class SpanIndex:
    """The spans of every rule, of called numbers or of callers.

    Args:
        spans: one entry for each rule.
        alone: rules that have one span and nothing else.
        few: so many rules with one exact number are looked at one by one.
        layers: see Line.
    """

    def __init__(self, spans: Sequence[Sequence[Span]], alone: int, few: int, layers: int) -> None:
        self._count = len(spans)
        numbers: dict[str, list[int]] = {}
        streets: dict[Street, dict[int, list[Stretch]]] = {}
        for rule, each in enumerate(spans):
            for span in each:
                if span.low == span.high:
                    numbers.setdefault(span.low, []).append(rule)
            for street, stretches in _by_street(each):
                streets.setdefault(street, {})[rule] = stretches
        self._crowded = {
            number: bits_of(rules, self._count)
            for number, rules in numbers.items()
            if len(rules) > few
        }
        self._exact = {
            number: rules for number, rules in numbers.items() if number not in self._crowded
        }
        self.lines = {street: Line(found, self._count, layers) for street, found in streets.items()}
        self.members = bits_of((at for at, each in enumerate(spans) if each), self._count)
        """Rules that have a span."""
        self.ranges = bits_of(
            (at for at, each in enumerate(spans) if any(not span.is_exact for span in each)),
            self._count,
        )
        """Rules that have a span of more than one number."""
        self._lonely = alone & self.members & ~self.ranges
        self._spans = spans

    @functools.cached_property
    def _lonely_words(self) -> Layer:
        """Rules of one exact number, for words that are no stretch."""
        words = [
            (rule, each[0].words()[0])
            for rule, each in enumerate(self._spans)
            if self._lonely >> rule & 1
        ]
        return Layer(words, self._count)

    def point(self, number: str, bits: int) -> int:
        """Return those of some rules that take a number."""
        found = self._crowded.get(number, 0)
        for rule in self._exact.get(number, ()):
            found |= 1 << rule
        line = self.lines.get(street_of(number))
        if line is not None and number.isascii() and number.removeprefix("+").isdecimal():
            found |= line.point(int(number))
        return bits & found

    def sharing(self, part: Part, bits: int) -> int:
        """Return those of some rules that share a number with a part.

        Of rules of several parts, and of ranges for a word that is no stretch, too many may be
        returned.
        """
        found, whole = 0, True
        for line, (low, high), is_whole in self._along(part):
            found |= line.sharing(low, high)
            whole = whole and is_whole
        found &= bits
        if not whole and isinstance(part, Word) and found & self._lonely:
            found &= ~self._lonely | self._lonely_words.sharing(part, found & self._lonely)
        return found

    def containing(self, part: Part, bits: int) -> int:
        """Return those of some rules that take all of a part by one span, beside others maybe."""
        if isinstance(part, Word) and not is_of_digits(part):
            return 0
        found = 0
        for line, (low, high), _ in self._along(part):
            found |= line.containing(low, high)
            if low == high:
                found |= self.point(_number(part), bits)
        return bits & found

    def contained(self, parts: Sequence[Part], bits: int) -> int:
        """Return those of some rules all of whose spans one of some parts takes.

        Some rules of several parts, and some for words that are no stretch, are missed; rules
        without spans are returned.
        """
        inside: dict[int, int] = dict.fromkeys(map(id, self.lines.values()), 0)
        for part in parts:
            for line, (low, high), whole in self._along(part):
                if whole:
                    inside[id(line)] |= line.contained(low, high)
                elif isinstance(part, Word) and bits & self._lonely:
                    lonely = bits & line.members & self._lonely
                    inside[id(line)] |= self._lonely_words.contained(part, lonely)
        for line in self.lines.values():
            bits &= ~line.members | inside[id(line)]
        return bits

    def _along(self, part: Part) -> Iterator[tuple[Line, Stretch, bool]]:
        """Yield each line that a part has numbers of, where, and whether it has all of those."""
        if isinstance(part, Span):
            line = self.lines.get(street_of(part.low))
            if line is not None:
                yield line, (int(part.low), int(part.high)), True
            return
        for street, line in self.lines.items():
            found = stretch_of(part, street)
            if found is not None:
                yield line, found[0], found[1]


def street_of(number: str) -> Street:
    """Return where a number of digits stands."""
    return number.startswith("+"), len(number)


def stretch_of(word: Word, street: Street) -> tuple[Stretch, bool] | None:
    """Return the least and the greatest number of a word in a street, and whether it has all.

    None where the word has no number of digits there.
    """
    plus, length = street
    sets = word.sets
    if len(sets) > length or (len(sets) < length and not word.open):
        return None
    if plus and sets:
        if "+" not in sets[0]:
            return None
        sets = sets[1:]
    lows, highs, whole, split = [], [], True, False
    for chars in sets:
        low, high, has = _ends(chars)
        if not has:
            return None
        whole = whole and (has == 10 or (not split and int(high) - int(low) + 1 == has))
        split = split or low != high
        lows.append(low)
        highs.append(high)
    more = length - plus - len(sets)
    if not lows and not more:
        return None
    return (int("".join(lows) + "0" * more), int("".join(highs) + "9" * more)), whole


@functools.lru_cache(maxsize=4_096)
def _ends(chars: frozenset[str]) -> tuple[str, str, int]:
    """Return the least and the greatest digit, empty where there is none, and how many are."""
    digits = chars & DIGITS
    return min(digits, default=""), max(digits, default=""), len(digits)


def is_of_digits(word: Word, start: int = 0) -> bool:
    """Say whether a word has nothing but numbers of digits, from a position on."""
    sets = word.sets[start:]
    if start == 0 and sets[:1] == (frozenset("+"),):
        sets = sets[1:]
    return not word.open and all(each <= DIGITS for each in sets)


def _number(part: Part) -> str:
    return part.low if isinstance(part, Span) else part.literal_prefix()


def _by_street(spans: Sequence[Span]) -> Iterator[tuple[Street, list[Stretch]]]:
    """Yield the spans of one rule street by street, ascending and apart from each other."""
    if len(spans) == 1:
        (span,) = spans
        yield street_of(span.low), [(int(span.low), int(span.high))]
        return
    streets: dict[Street, list[Stretch]] = {}
    for span in spans:
        streets.setdefault(street_of(span.low), []).append((int(span.low), int(span.high)))
    for street, found in streets.items():
        apart: list[Stretch] = []
        for low, high in sorted(found):
            if apart and low <= apart[-1][1] + 1:
                apart[-1] = (apart[-1][0], max(high, apart[-1][1]))
            else:
                apart.append((low, high))
        yield street, apart
