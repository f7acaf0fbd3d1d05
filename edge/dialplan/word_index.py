"""Find the rules whose words take a number, or share numbers with a word.

A word that begins like few others is found by its literal beginning. For the rest, whose wildcards
come early, the set of rules that allow a character at a position is kept as bits, and a number is
looked up by cutting the sets of its characters; that does not care where in a pattern the wildcards
are (T. V. Lakshman, D. Stiliadis, "High-speed policy-based packet forwarding", 1998, do the same
for packets). A rule of several such words has one in each *layer*, so that characters of different
words are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.dialplan.bits import ascending, bits_of
from edge.dialplan.coverage import left_over
from media.config.pattern import Word


class Layer:
    """At most one word of each rule.

    Args:
        words: rule and word.
        count: how many rules there are.
    """

    def __init__(self, words: Sequence[tuple[int, Word]], count: int) -> None:
        self.members = bits_of((rule for rule, _ in words), count)
        self.longest = max((len(word.sets) for _, word in words), default=0)
        sets: list[dict[frozenset[str], list[int]]] = [{} for _ in range(self.longest)]
        closed: list[list[int]] = [[] for _ in range(self.longest + 1)]
        opened: list[list[int]] = [[] for _ in range(self.longest + 1)]
        for rule, word in words:
            (opened if word.open else closed)[len(word.sets)].append(rule)
            for at, chars in enumerate(word.sets):
                sets[at].setdefault(chars, []).append(rule)
        self.closed = [bits_of(each, count) for each in closed]
        """By length: words of exactly that length."""
        self.opened = [bits_of(each, count) for each in opened]
        """By length: open words of at most that length."""
        for at in range(self.longest):
            self.opened[at + 1] |= self.opened[at]
        self._sets = [
            {chars: bits_of(rules, count) for chars, rules in each.items()} for each in sets
        ]
        self.chars = [_by_character(each, self.opened[at]) for at, each in enumerate(self._sets)]
        """By position and character: words that allow it there, open ones that ended included."""
        self._seen: dict[tuple[str, int, frozenset[str]], int] = {}

    def point(self, number: str, bits: int) -> int:
        """Return those of some rules whose word takes a number."""
        bits &= self.ends(len(number))
        for at in range(min(len(number), self.longest) - 1, -1, -1):
            if not bits:
                break
            bits &= self.chars[at].get(number[at], self.opened[at])
        return bits

    def ends(self, length: int) -> int:
        """Return the rules whose word takes numbers of a length."""
        if length > self.longest:
            return self.opened[self.longest]
        return self.closed[length] | self.opened[length]

    def sharing(self, word: Word, bits: int) -> int:
        """Return those of some rules whose word shares a number with another."""
        length = len(word.sets)
        if not word.open:
            bits &= self.ends(length)
        elif length > self.longest:
            bits &= self.opened[self.longest]
        return self._cut("touching", word, bits)

    def containing(self, word: Word, bits: int) -> int:
        """Return those of some rules whose word takes every number of another."""
        length = len(word.sets)
        bits &= self.opened[min(length, self.longest)] if word.open else self.ends(length)
        return self._cut("outer", word, bits)

    def contained(self, word: Word, bits: int) -> int:
        """Return those of some rules whose whole word another takes."""
        length = len(word.sets)
        if length > self.longest:
            return 0
        if not word.open:
            bits &= self.closed[length]
        return self._cut("inner", word, bits)

    def _cut(self, way: str, word: Word, bits: int) -> int:
        for at in range(min(len(word.sets), self.longest) - 1, -1, -1):
            if not bits:
                break
            key = (way, at, word.sets[at])
            found = self._seen.get(key)
            if found is None:
                found = self._seen[key] = self._related(way, at, word.sets[at])
            bits &= found
        return bits

    def _related(self, way: str, at: int, chars: frozenset[str]) -> int:
        found = 0 if way == "inner" else self.opened[at]
        for other, rules in self._sets[at].items():
            related = (
                not chars.isdisjoint(other)
                if way == "touching"
                else other >= chars
                if way == "outer"
                else other <= chars
            )
            found |= rules if related else 0
        return found


def _by_character(sets: dict[frozenset[str], int], opened: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for chars, rules in sets.items():
        for char in chars:
            found[char] = found.get(char, opened) | rules
    return found


class WordIndex:
    """The words of every rule, of called numbers or of callers.

    Args:
        words: one entry for each rule.
        few: so many words with one literal beginning are looked at one by one.
        layers: words of one rule that are kept as bits at most.
    """

    def __init__(self, words: Sequence[Sequence[Word]], few: int, layers: int) -> None:
        count = len(words)
        self._by_prefix: dict[str, list[tuple[int, Word]]] = {}
        for rule, each in enumerate(words):
            for word in each:
                self._by_prefix.setdefault(word.literal_prefix(), []).append((rule, word))
        self.members = bits_of((at for at, each in enumerate(words) if each), count)
        """Rules that have a word."""
        self.layers = [Layer(each, count) for each in self._take_crowded(count, few, layers)]
        self._lengths = sorted(set(map(len, self._by_prefix)))
        self._single: dict[int, list[Word]] = {}
        """By rule: the words that are in no layer."""
        for found in self._by_prefix.values():
            for rule, word in found:
                self._single.setdefault(rule, []).append(word)
        self._around = [Layer(each, count) for each in _around(words)]

    def _take_crowded(self, count: int, few: int, most: int) -> list[list[tuple[int, Word]]]:
        """Move the words whose beginning many share into layers, shortest beginnings first."""
        layers: list[list[tuple[int, Word]]] = []
        used = [0] * count
        for prefix in sorted(self._by_prefix, key=len):
            found = self._by_prefix[prefix]
            if len(found) <= few:
                continue
            left = []
            for rule, word in found:
                at = used[rule]
                if at == most:
                    left.append((rule, word))
                    continue
                used[rule] += 1
                if at == len(layers):
                    layers.append([])
                layers[at].append((rule, word))
            if left:
                self._by_prefix[prefix] = left
            else:
                del self._by_prefix[prefix]
        return layers

    def point(self, number: str, bits: int) -> int:
        """Return those of some rules that take a number."""
        found = 0
        for layer in self.layers:
            wanted = bits & layer.members & ~found
            if wanted:
                found |= layer.point(number, wanted)
        for rule, word in self._along(number):
            if word.match(number):
                found |= bits & 1 << rule
        return found

    def sharing(self, word: Word, bits: int) -> int:
        """Return those of some rules that share a number with a word.

        Of rules of several words too many may be returned.
        """
        found = 0
        for layer in self._around:
            wanted = bits & layer.members & ~found
            if wanted:
                found |= layer.sharing(word, wanted)
        return found

    def containing(self, word: Word, bits: int) -> int:
        """Return those of some rules that take all of a word by one of theirs."""
        found = 0
        for layer in self.layers:
            wanted = bits & layer.members & ~found
            if wanted:
                found |= layer.containing(word, wanted)
        for rule, other in self._along(word.literal_prefix()):
            if bits >> rule & 1 and left_over([word], [other]) is None:
                found |= 1 << rule
        return found

    def contained(self, words: Sequence[Word], bits: int) -> int:
        """Return those of some rules all of whose words one of some words takes.

        Some rules of several words are missed; those without words are returned.
        """
        for layer in self._around:
            wanted = bits & layer.members
            found = 0
            for word in words:
                if wanted & ~found:
                    found |= layer.contained(word, wanted & ~found)
            bits &= ~(wanted & ~found)
        return bits

    def singles_of(self, bits: int) -> list[Word]:
        """Return the words of some rules that are in no layer."""
        if not self._single:
            return []
        return [word for rule in ascending(bits) for word in self._single.get(rule, ())]

    def _along(self, text: str) -> Iterator[tuple[int, Word]]:
        for length in self._lengths:
            if length > len(text):
                return
            yield from self._by_prefix.get(text[:length], ())


def around(words: Sequence[Word]) -> Sequence[Word]:
    """Return one word for each length that takes at least what the words of that length take."""
    if len(words) < 2:
        return words
    by_length: dict[tuple[int, bool], list[Word]] = {}
    for word in words:
        by_length.setdefault((len(word.sets), word.open), []).append(word)
    return [
        Word(tuple(_union(chars) for chars in zip(*(w.sets for w in each), strict=True)), is_open)
        for (_, is_open), each in by_length.items()
    ]


def _union(sets: Sequence[frozenset[str]]) -> frozenset[str]:
    distinct = set(sets)
    return frozenset().union(*distinct) if len(distinct) > 1 else sets[0]


def _around(words: Sequence[Sequence[Word]]) -> list[list[tuple[int, Word]]]:
    layers: list[list[tuple[int, Word]]] = []
    for rule, each in enumerate(words):
        for at, word in enumerate(around(each)):
            if at == len(layers):
                layers.append([])
            layers[at].append((rule, word))
    return layers
