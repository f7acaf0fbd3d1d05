"""Find the rules that take a number, or that share numbers with some parts of patterns.

Spans are found by where they begin and end (edge.dialplan.span_index), words by their characters
(edge.dialplan.word_index).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edge.dialplan.bits import ascending, bits_of, count_of
from edge.dialplan.coverage import EVERYTHING, common
from edge.dialplan.span_index import MOST_RANGES, SpanIndex, Street, Stretch, street_of, stretch_of
from edge.dialplan.stretches import Stretches
from edge.dialplan.word_index import WordIndex, around
from media.config.pattern import Part, Span, Word

FEW = 8
LAYERS = 12


class NumberIndex:
    """The parts of every rule's patterns, of called numbers or of callers.

    Args:
        parts: one entry for each rule; an empty one takes every number.
        few: so many words with one literal beginning are looked at one by one.
        layers: words, and ranges, of one rule that are kept as bits at most.
    """

    def __init__(
        self, parts: Sequence[Sequence[Part]], few: int = FEW, layers: int = LAYERS
    ) -> None:
        count = len(parts)
        self.every = bits_of((at for at, each in enumerate(parts) if not each), count)
        """Rules that take every number by not asking."""
        self.several = bits_of((at for at, each in enumerate(parts) if len(each) > 1), count)
        """Rules of more than one part."""
        self.words = WordIndex(
            [[part for part in each if isinstance(part, Word)] for each in parts], few, layers
        )
        self.spans = SpanIndex(
            [[part for part in each if isinstance(part, Span)] for each in parts],
            bits_of((at for at, each in enumerate(parts) if len(each) == 1), count),
            few,
            layers,
        )
        self._parts = parts
        self._words = [
            (at, part) for at, each in enumerate(parts) for part in each if isinstance(part, Word)
        ]
        self._by_street: dict[Street, dict[int, list[Stretch]]] = {}

    def union(self, street: Street, rules: int, spend: Callable[[int], None]) -> Stretches:
        """Return the numbers of one street that some rules take, but for scattered wildcards.

        Args:
            street: of them.
            rules: as bits.
            spend: told of the steps it takes.
        """
        found = Stretches()
        line = self.spans.lines.get(street)
        has: list[Mapping[int, Sequence[Stretch]]] = [line.spans] if line is not None else []
        has.append(self._stretches_of_words(street) if rules & self.words.members else {})
        every = sum(map(len, has))
        spend(min(count_of(rules), every) // 16)
        for rule in ascending(rules) if every else ():
            for each in has:
                for low, high in each.get(rule, ()):
                    found.add(low, high)
        return found

    def _stretches_of_words(self, street: Street) -> Mapping[int, Sequence[Stretch]]:
        """Return what words without scattered wildcards take of a street, by rule."""
        known = self._by_street.get(street)
        if known is None:
            known = self._by_street[street] = {}
            for rule, word in self._words:
                found = stretch_of(word, street)
                if found is not None and found[1]:
                    known.setdefault(rule, []).append(found[0])
        return known

    def point(self, number: str, bits: int) -> int:
        """Return those of some rules that take a number."""
        found = bits & self.every
        found |= self.spans.point(number, bits)
        return found | self.words.point(number, bits & ~found)

    def sharing(self, parts: Sequence[Part], bits: int) -> int:
        """Return those of some rules that share a number with parts; none are every number.

        Of rules of several parts, and for several parts, too many may be returned.
        """
        if not parts:
            return bits
        found = bits & self.every
        words = [each for each in parts if isinstance(each, Word)]
        for part in words:
            found |= self.spans.sharing(part, bits & ~found)
        for span in _hulls([each for each in parts if isinstance(each, Span)]):
            if span.is_exact:
                found |= self.point(span.low, bits)
            else:
                found |= self.spans.sharing(span, bits & ~found)
                words += span.words() if bits & ~found & self.words.members else ()
        for word in around(words):
            found |= self.words.sharing(word, bits & ~found)
        return found

    def sharing_surely(self, parts: Sequence[Part], bits: int) -> int:
        """Return those of some rules that share a number with parts, and no others."""
        found = self.sharing(parts, bits)
        unsure = found
        if len(parts) == 1 and isinstance(parts[0], Word):
            unsure &= self.several | (0 if self._is_stretch(parts[0]) else self.spans.ranges)
        for each in ascending(unsure & ~self.every if parts else 0):
            if common(parts, self._parts[each]) is None:
                found ^= 1 << each
        return found

    def _is_stretch(self, word: Word) -> bool:
        found = (stretch_of(word, street) for street in self.spans.lines)
        return all(each is None or each[1] for each in found)

    def containing(self, parts: Sequence[Part], bits: int) -> int:
        """Return rules that take all of some parts, each of them by one part of the rule.

        A rule of several parts that only together take one of the parts is not found.
        """
        every = bits & self.every
        # the part that takes most is in the fewest others
        for part in sorted(parts or EVERYTHING, key=_breadth):
            if bits == every:
                break
            found = every | self.spans.containing(part, bits)
            left = bits & ~found & self.words.members
            for word in (part,) if isinstance(part, Word) else part.words() if left else ():
                left = self.words.containing(word, left)
            bits = found | left
        return bits

    def contained(self, parts: Sequence[Part], bits: int) -> int:
        """Return rules all of whose numbers one part takes; some of several parts are missed."""
        if not parts or any(isinstance(p, Word) and p.open and not p.sets for p in parts):
            return bits
        bits = self.spans.contained(parts, bits & ~self.every)
        words: list[Word] = []
        for part in parts if bits & self.words.members else ():
            words += (part,) if isinstance(part, Word) else part.words()
        return self.words.contained(words, bits)


def _hulls(spans: Sequence[Span]) -> Sequence[Span]:
    """Return the spans; of many ranges one span for each street, that takes at least as much."""
    ranges = [each for each in spans if not each.is_exact]
    if len(ranges) <= MOST_RANGES:
        return spans
    ends: dict[Street, list[Span]] = {}
    for each in spans:
        ends.setdefault(street_of(each.low), []).append(each)
    return [
        Span(min(each.low for each in found), max(each.high for each in found))
        for found in ends.values()
    ]


def _breadth(part: Part) -> int:
    """Return by how many characters all numbers of a part begin alike."""
    if isinstance(part, Word):
        return len(part.literal_prefix())
    alike = 0
    for low, high in zip(part.low, part.high, strict=True):
        if low != high:
            break
        alike += 1
    return alike
