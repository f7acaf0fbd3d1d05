"""Find the facts that a question is about (sans-IO).

Facts and examples are short texts; they are scored by BM25 over word stems. A word that no fact
knows is read as the known word it looks like, which takes in what recognisers mishear. Whether
the facts can answer at all is said by *coverage*: how much of the question's weight they share.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.synonyms import same_meaning
from agent.words import split_words

K1 = 1.2
B = 0.2
LOOKALIKE = 0.85
NEAR_SCORE = 0.6
"""A further fact counts only when it scores at least so much of the best one."""
SURE_SCORE = 4.0
"""Fewer telling words in common than this makes no reviewed text a sure answer."""
EVERYWHERE_SHARE = 0.15
"""Words of more than this share of all texts (the products' names) make none of them sure."""
RIVAL_SCORE = 0.92
"""Another text that scores so much of the best one may as well be meant."""
SAME_SHARE = 0.6
"""So many of the shorter one's words shared, and two texts say the same."""
_STOP = frozenset(
    split_words(
        "a an the and or but if so of to in on at for from with by as is are am was were be "
        "been do does did can could will would shall should may might must i im ive id you your "
        "yours youre me my mine we our us it its he she they them their this that these those "
        "there here what when where who whom why how which whats hows wheres have has had "
        "having get gets got please thanks thank hello hi hey yes no not dont doesnt didnt cant "
        "wont isnt just really very also too any some all about tell know want wanted need like "
        "question ask asking okay ok um uh er well then than into up out now again one more "
        "much many long go going make say said actually keeps keep happens happen still let "
        "lets give whether yeah oh maybe think something anything thing things ill youll itll "
        "theres because mean help sir madam possible way after few every down"
    )
)
_FILLING = frozenset(
    split_words(
        "next exactly currently usually normally normal always completely totally already another "
        "please guys folks today somehow someone somebody anybody anyone both able want wondering "
        "wonder got only ever yet right too until till yesterday recently lately ago already "
        "unhappy happy satisfied disappointed exact procedure constantly simply sorry "
        "unfortunately alright ah oh wait excuse"
    )
)
"""Words that a question may have without asking for more."""
_AMOUNTS = frozenset(
    split_words(
        "five seven eight nine fifteen thirty hours hour days minutes seconds month months week "
        "weeks year years dollars cent under within full free back off takes take costs cost works "
        "work does using used without other"
    )
)
"""Words that many texts have and none is about."""
_DENIALS = frozenset(split_words("except unless without instead besides other else"))
_NEGATIONS = frozenset(
    split_words(
        "not no never none nothing cannot cant dont doesnt didnt wont isnt arent wasnt werent "
        "havent hasnt hadnt couldnt wouldnt shouldnt"
    )
)
_SUFFIXES = ("ations", "ation", "ments", "ment", "ings", "ing", "ers", "er", "ed", "es", "s")


def stem(word: str) -> str:
    """Cut an English word to a stem that its forms share; short words stay whole."""
    if word.endswith("ies") and len(word) > 5:
        word = f"{word[:-3]}y"
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            word = word.removesuffix(suffix)
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 4 else word


_FORMS = (
    ("?long", re.compile(r"\bhow (?:long|many (?:years|months|days|hours))\b|\buntil when\b")),
    ("?much", re.compile(r"\bhow much\b|\bprice\b|\bcosts?\b|\bpay\b|\bfee\b")),
    ("?many", re.compile(r"\bhow many (?!years|months|days|hours)")),
    ("?how", re.compile(r"\bhow (?:do|can|to|should|would)\b")),
    ("?far", re.compile(r"\bhow far\b|\brange\b|\bdistance\b")),
    ("?when", re.compile(r"\bwhen\b|\bwhat time\b")),
    ("?where", re.compile(r"\bwhere\b")),
    ("?need", re.compile(r"\b(?:do|must|should) i (?:need|have to)\b|\bnecessary\b|\brequired\b")),
)
_AMOUNT = r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|fifteen|twenty|thirty|half)\b"
_DURATION = rf"{_AMOUNT}.{{0,12}}\b(?:second|minute|hour|day|week|month|year)s?\b"
_FITTING = {
    # a way to do something: an imperative, "to do this, do that", "you can"
    "?how": re.compile(
        r"(?:^|[.,;:] )(?:please|to \w+|hold|open|press|choose|slide|use|screw|move|clean|check"
        r"|go|tap|turn|plug|download|set|call|say|send|bring|enter|you (?:can|may|need|must))\b"
    ),
    "?long": re.compile(_DURATION),
    "?many": re.compile(_AMOUNT),
    "?much": re.compile(rf"{_AMOUNT}|\bfree\b"),
    "?far": re.compile(_AMOUNT),
    "?when": re.compile(rf"{_DURATION}|day\b|\bclock\b|\b(?:from|until) {_AMOUNT}"),
}
"""What a text must have to tell how, how long, how many, how much, how far or when."""
FORM_WEIGHT = 0.5
"""What is asked for (how long, how much) orders the facts but never decides that one is known."""


def question_forms(text: str) -> tuple[str, ...]:
    """Return what kind of answer is asked for."""
    lower = text.lower()
    return tuple(name for name, pattern in _FORMS if pattern.search(lower))


def content_stems(text: str) -> tuple[str, ...]:
    """Return the stems of the words that carry meaning."""
    return tuple(stem(each) for each in split_words(text) if each not in _STOP)


def meaning(text: str) -> tuple[str, ...]:
    """Return the stems of the words that carry meaning, each as the word that stands for it."""
    words = same_meaning(split_words(text))
    return tuple(stem(each) for each in words if each not in _STOP)


def asked_meaning(question: str) -> tuple[str, ...]:
    """Return a question's meaning without what only fills it."""
    words = same_meaning(split_words(question))
    return tuple(stem(each) for each in words if each not in _STOP and each not in _FILLING)


@dataclass(frozen=True, slots=True)
class Match:
    """A fact that a question may be about."""

    text: str
    """The fact, or the example's reviewed answer."""
    score: float
    coverage: float
    """Share of the question's weight found in this fact, 0 to 1."""
    index: int


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    stems: Counter[str]
    length: int
    forms: frozenset[str]
    """What its own question asks for."""
    negated: frozenset[str]
    """The meaning of its sentences that say "not"."""


class Knowledge:
    """Everything that one persona may state.

    Args:
        facts: texts that may be said.
        examples: (question, reviewed answer); found by either, said as the answer.
    """

    def __init__(self, facts: Sequence[str], examples: Sequence[tuple[str, str]] = ()) -> None:
        pairs = [("", each) for each in facts] + list(examples)
        self._texts = [f"{question} {answer}" for question, answer in pairs]
        self._entries = [_entry(question, answer) for question, answer in pairs]
        self._mean = sum(each.length for each in self._entries) / max(1, len(self._entries))
        spread = Counter(each for entry in self._entries for each in entry.stems)
        total = len(self._entries)
        everywhere = max(3.0, EVERYWHERE_SHARE * total)
        self._everywhere = {word for word, count in spread.items() if count > everywhere}
        self._weights = {
            word: math.log(1 + (total - count + 0.5) / (count + 0.5))
            for word, count in spread.items()
        }
        self._unknown_weight = math.log(1 + (total + 0.5) / 0.5)

    def read(self, question: str) -> tuple[str, ...]:
        """Return a question's stems, each unknown one as the known one it looks like."""
        return tuple(self._lookalike(each) for each in asked_meaning(question))

    def find(self, question: str, context: str = "", limit: int = 2) -> list[Match]:
        """Return the best matching entries, best first.

        Args:
            question: the caller's words.
            context: what was talked about before; counts for little, and only for the order,
                unless the question has no content of its own.
            limit: at most so many.
        """
        asked = self.read(question)
        before = self.read(context)
        weights: dict[str, float] = dict.fromkeys(asked, 1.0)
        weights |= dict.fromkeys(question_forms(question), FORM_WEIGHT)
        for each in before:
            weights.setdefault(each, 0.3)
        covered = set(asked) if asked else set(before)
        matches = [self._match(index, weights, covered) for index in range(len(self._entries))]
        matches = [each for each in matches if each.score > 0.0]
        ranked = sorted(matches, key=lambda each: (-each.score, each.index))[:limit]
        return [each for each in ranked if each.score >= NEAR_SCORE * ranked[0].score]

    def sure(self, question: str) -> Match | None:
        """Return the text that answers a question as it stands, None where that is not certain.

        Certain means: it explains every word that carries meaning, one of them at least is not
        in texts everywhere, the question turns nothing around, the text tells what was asked for,
        and no other text that says something else fits nearly as well.
        """
        if set(self.read(question)) <= self._everywhere or denies(question):
            return None
        found = self.find(question, limit=4)
        if not found or found[0].coverage < 1.0 or found[0].score < SURE_SCORE:
            return None
        best = found[0]
        entry = self._entries[best.index]
        if not _tells(entry, question) or _turns_around(entry, question):
            return None
        rivals = [each for each in found[1:] if each.score >= RIVAL_SCORE * best.score]
        return best if all(say_the_same(best.text, each.text) for each in rivals) else None

    def topics(self, limit: int) -> list[str]:
        """Return the words that most texts are about, as they are written; most frequent first."""
        spread = Counter(
            word
            for text in self._texts
            for word in dict.fromkeys(split_words(text))
            if word not in _STOP and word not in _FILLING and word not in _AMOUNTS
            if len(word) > 3 and word.isalpha()
        )
        # of the forms of one word (return, returns) the most frequent stands for all
        named: dict[str, str] = {}
        for word, _ in spread.most_common():
            named.setdefault(stem(word), word)
        return list(named.values())[:limit]

    def shared(self, question: str) -> list[int]:
        """Return how many of the question's meaningful words each entry has, in their order."""
        asked = set(self.read(question))
        return [sum(each in entry.stems for each in asked) for entry in self._entries]

    def knows(self, word: str) -> bool:
        """Say whether any entry has this word."""
        return stem(word) in self._weights

    def _lookalike(self, word: str) -> str:
        if word in self._weights or len(word) < 4 or word.isdigit():
            return word
        # people and recognisers get the beginning of a word right
        known = [each for each in self._weights if each[0] == word[0]]
        near = difflib.get_close_matches(word, known, n=1, cutoff=LOOKALIKE)
        return near[0] if near else word

    def _match(self, index: int, weights: dict[str, float], covered: set[str]) -> Match:
        entry = self._entries[index]
        norm = K1 * (1 - B + B * entry.length / max(self._mean, 1.0))
        score = 0.0
        for word, factor in weights.items():
            count = entry.stems[word]
            if count:
                score += factor * self._weights[word] * count * (K1 + 1) / (count + norm)
        total = sum(self._weights.get(each, self._unknown_weight) for each in covered)
        shared = sum(self._weights[each] for each in covered if entry.stems[each])
        return Match(entry.text, score, shared / total if total else 0.0, index)


def denies(question: str) -> bool:
    """Say whether a question has a "not" that the words' meaning alone would lose."""
    return bool(_DENIALS & set(split_words(question)))


def say_the_same(one: str, other: str) -> bool:
    """Say whether one text adds next to nothing to another."""
    stems, others = set(content_stems(one)), set(content_stems(other))
    return len(stems & others) >= SAME_SHARE * min(len(stems), len(others))


def _entry(question: str, answer: str) -> _Entry:
    stems = Counter(meaning(f"{question} {answer}"))
    length = sum(stems.values())
    forms = question_forms(question)
    stems.update(forms)
    sentences = re.split(r"(?<=[.!?;,])\s+", f"{question} {answer}")
    negated = {stem for each in sentences if _negates(each) for stem in meaning(each)}
    return _Entry(answer, stems, length, frozenset(forms), frozenset(negated))


def says_not(words: Sequence[str]) -> bool:
    """Say whether words turn something around; a "no" before them answers what was asked."""
    rest = words[1:] if words and words[0] in ("no", "nothing") else words
    return bool(_NEGATIONS & set(rest))


def _negates(text: str) -> bool:
    return bool(_NEGATIONS & set(split_words(text)))


def _turns_around(entry: _Entry, question: str) -> bool:
    """Say whether a question says "not" of something of which the text does not."""
    return says_not(split_words(question)) and not entry.negated & set(asked_meaning(question))


def _tells(entry: _Entry, question: str) -> bool:
    """Say whether a text has what kind of answer is asked for: a length, an amount, a time.

    "How long is the cable" must not be told how long charging takes: one word alone is only
    answered by a text whose own question asks for the same.
    """
    answer = entry.text.lower()
    telling = len(set(asked_meaning(question))) > 1
    return all(
        form in entry.forms or ((telling or form == "?how") and _FITTING[form].search(answer))
        for form in question_forms(question)
        if form in _FITTING
    )
