"""Hold the model's answer to the facts (sans-IO).

A small model invents. Each clause is let through only when its numbers are in the facts, its
meaningful words are in the facts, and it does not turn a "not" around; a clause
that fails ends the answer, and if it was the first one a reviewed text is said instead. A sentence
that is left without its end gets the end that it has in the facts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.knowledge import content_stems
from agent.words import split_words

FINISHING_WORDS = 8
"""So many words above a lowered limit may finish a sentence: better than half a one."""
SUPPORTED_SHARE = 0.7
_MARKUP = re.compile(r"[*_#`~<>|\[\]{}]+|^\s*(?:[-•]|\d+[.)])\s+", re.MULTILINE)
_DASHES = re.compile(r"\s*--+\s*")
"""How the history marks an answer that was cut off: a small model copies it."""
_LABEL = re.compile(r"^\s*(?:agent|assistant|answer|support)\s*:\s*", re.IGNORECASE)
_VERDICT = re.compile(r"^\s*(?:yes|no|sure|of course)\b[\s,.!-]*", re.IGNORECASE)
_NEGATIONS = frozenset(
    split_words("not no never only cannot cant dont doesnt wont isnt arent unable none neither")
)
_DENIALS = _NEGATIONS - {"only"}
DENIAL_REACH = 4
"""Words between a "not" and the number that it denies, itself included."""
_LEADING = frozenset(
    split_words("to if when after before while because since as once although unless for in with")
)
"""They begin what is no sentence by itself, whatever mark ends it."""
_CONDITIONS = frozenset(split_words("without unless except"))
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        split_words(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen seventeen eighteen nineteen twenty"
        )
    )
} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "ninety": "90",
    "hundred": "100",
    "half": "half",
    "once": "once",
    "twice": "twice",
}
_COMMON = frozenset(
    split_words(
        "sorry glad happy welcome moment course answer inform information details sure able "
        "work use first next after before until please feel free contact support call simply "
        "quick easy usually typic includ need should can may possibl model camera doorbell "
        "device unit"
    )
)


def clean_text(text: str) -> str:
    """Strip markup, labels, cut marks and line ends from a model's text."""
    return " ".join(_LABEL.sub("", _MARKUP.sub(" ", _DASHES.sub(" ", text))).split())


def numbers(text: str) -> set[str]:
    """Return the numbers in a text, words and digits alike, as digits."""
    found = {_NUMBER_WORDS.get(each, each) for each in split_words(text)}
    return {each for each in found if each[:1].isdigit() or each in ("half", "once", "twice")}


def _numbers(text: str, *, denied: bool) -> set[str]:
    """Return the numbers shortly before which the text says "not", or those where it does not."""
    found = set()
    for sentence in re.split(r"(?<=[.!?;])\s+", text):
        words = split_words(sentence)
        for at, word in enumerate(words):
            before = set(words[max(0, at - DENIAL_REACH) : at])
            if _is_number(word) and bool(before & _DENIALS) is denied:
                found |= numbers(word)
    return found


def _is_number(word: str) -> bool:
    return word in _NUMBER_WORDS or word[0].isdigit()


@dataclass(slots=True)
class Guard:
    """The check of one answer.

    Args:
        facts: texts that may be stated; empty lets nothing but small talk through.
        max_words: after so many words no further sentence is begun.
        most_words: words in the whole answer, whatever is unfinished.
    """

    facts: Sequence[str]
    max_words: int
    most_words: int
    said: list[str] = field(default_factory=list)
    refused: str = ""
    """Why the answer ended early, empty where it did not."""

    def admit(self, clause: str) -> str | None:
        """Return the clause as it may be said, None when the answer ends before it."""
        text = clean_text(clause)
        if not self.said:
            # a bare verdict is a claim that no fact can be compared with; the rest answers
            rest = _VERDICT.sub("", text)
            text = rest[:1].upper() + rest[1:] if len(rest.split()) >= 2 else text
        if not text or not split_words(text):
            return ""
        self.refused = self._objection(text)
        if self.refused:
            return None
        self.said.append(text)
        return text

    @property
    def unfinished(self) -> bool:
        """Whether what was said so far ends where nobody would stop: without any mark."""
        return bool(self.said) and self.said[-1][-1:] not in ".!?,;:"

    @property
    def halved(self) -> bool:
        """Whether what was said so far is half a sentence; a comma may end a whole one."""
        if self.unfinished or not self.said or self.said[-1][-1] in ".!?":
            return self.unfinished
        leads = split_words(self.said[-1])[0] in _LEADING
        return leads and (len(self.said) == 1 or self.said[-2][-1] in ".!?")

    def ending(self) -> str | None:
        """Return what ends the sentence that was begun: empty if it is whole, None if nothing does.

        It is the rest of a fact's sentence in which all that was said stands before the same words,
        where there is room for it.
        """
        clause = self.said[-1] if self.said else ""
        if not clause or clause[-1] in ".!?":
            return ""
        for fact in self.facts:
            for sentence in _sentences(fact):
                rest = _rest(sentence, clause)
                if rest is None or self.words + len(rest.split()) > self.most_words:
                    continue
                if not self._turned_around(f"{clause} {rest}"):
                    return rest
        return None

    @property
    def words(self) -> int:
        """How many words were said so far."""
        return len(" ".join(self.said).split())

    def _objection(self, text: str) -> str:
        limit = self.max_words + (FINISHING_WORDS if self.unfinished else 0)
        if self.said and self.words + len(text.split()) > min(limit, self.most_words):
            return "too long"
        if not self.facts:
            return "no facts"
        if not self.said and not content_stems(text) and not numbers(text):
            return "no meaning"
        known = " ".join(self.facts)
        if numbers(text) - numbers(known):
            return "a number that is not in the facts"
        denied = _numbers(known, denied=True) - _numbers(known, denied=False)
        if _numbers(text, denied=False) & denied:
            return "a number that the facts deny"
        stems = [each for each in content_stems(text) if not _is_number(each)]
        # the caller's own words prove nothing: a small model gladly says them back as facts
        support = set(content_stems(known)) | _COMMON
        supported = sum(each in support for each in stems)
        if stems and supported < SUPPORTED_SHARE * len(stems):
            return "a claim that is not in the facts"
        # a later clause is judged with the sentence that it belongs to
        open_sentence = bool(self.said) and self.said[-1][-1:] not in ".!?"
        sentence = f"{self.said[-1]} {text}" if open_sentence else text
        return "against the facts" if self._turned_around(sentence) else ""

    def _turned_around(self, sentence: str) -> bool:
        """Say whether the closest sentences of the facts negate what this one affirms."""
        stems = set(content_stems(sentence))
        known = [each for fact in self.facts for each in re.split(r"(?<=[.!?;])\s+", fact) if each]
        shared = [len(stems & set(content_stems(each))) for each in known]
        most = max(shared, default=0)
        # with nothing shared there is no sentence to contradict
        if most == 0:
            return False
        closest = [each for each, count in zip(known, shared, strict=True) if count == most]
        return all(_polarity(each) != _polarity(sentence) for each in closest)


def _rest(sentence: str, clause: str) -> str | None:
    """Return how a fact's sentence goes on behind a clause, None where it does not have it."""
    words = split_words(clause)
    stems = set(content_stems(clause))
    tokens = sentence.split()
    for at in range(1, len(tokens) + 1):
        before = " ".join(tokens[:at])
        if split_words(before)[-2:] == words[-2:] and stems <= set(content_stems(before)):
            return " ".join(tokens[at:])
    return None


def _polarity(sentence: str) -> tuple[bool, bool]:
    words = set(split_words(sentence))
    return bool(words & _NEGATIONS), bool(words & _CONDITIONS)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text.strip())


def shorten(text: str, max_words: int) -> str:
    """Cut a reviewed text at the last sentence end within ``max_words``; never to nothing."""
    kept: list[str] = []
    for sentence in _sentences(text):
        if kept and len(" ".join([*kept, sentence]).split()) > max_words:
            break
        kept.append(sentence)
    return " ".join(kept)
