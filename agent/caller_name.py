"""Find out what a caller is called, where it was said (sans-IO).

A name is taken only behind words that announce one, and never guessed: a wrong name in a person's
ear is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.words import split_words

MOST_WORDS = 3
_WORD = r"[^\W\d_][\w'’-]*"
_SURE = re.compile(rf"\bmy name(?: is|'s|’s)\s+((?:{_WORD}\s*){{1,4}})", re.IGNORECASE)
_LIKELY = re.compile(
    rf"\b(?:this is|it is|it's|it’s|i am|i'm|i’m|here is)\s+((?:{_WORD}\s*){{1,4}})", re.IGNORECASE
)
_SPEAKING = re.compile(rf"\b({_WORD}(?:\s+{_WORD})?)\s+(?:speaking|is calling|is my name)\b", re.I)
_ENDS = frozenset(
    split_words(
        "calling speaking from and i here the a an about with but my we because again for at of or "
        "so is was have has it this that not you your in on uh um er yes no please"
    )
)
_NEVER = frozenset(
    split_words(
        "urgent about not just only really very still too so no yes what where how why when who it "
        "broken your my our all me him her them there sorry sure afraid trying having"
    )
)
_CALLING = frozenset(split_words("calling speaking from here"))


def find_name(utterances: Sequence[str]) -> str:
    """Return the caller's name as it was said, empty where it was not."""
    for text in utterances:
        for found in _SURE.finditer(text):
            if name := _name(found[1].split()):
                return name
        for found in _LIKELY.finditer(text):
            if name := _announced(found[1].split()):
                return name
        if found_last := _SPEAKING.search(text):
            words = [each for each in found_last[1].split() if each.lower() not in _ENDS]
            if name := _name(words):
                return name
    return ""


def without_name(text: str, name: str) -> str:
    """Return what was said without the words that announced the name."""
    if not name:
        return text
    pattern = (
        r"(?:my name(?: is|'s|’s)|this is|it is|it's|it’s|i am|i'm|i’m|here is)?\s*"
        + re.escape(name)
        + r"(?:\s+(?:calling|speaking|here|is calling|is my name|and(?=\s)|"
        + r"from(?:\s+[A-Z]\w*|\s+and(?=\s+[A-Z]))+))*[,.]?"
    )
    return re.sub(pattern, " ", text, count=1, flags=re.IGNORECASE).strip()


def _announced(words: list[str]) -> str:
    """Return a name that only its capitals or a "calling" behind it prove."""
    name = _name(words)
    if not name:
        return ""
    length = len(name.split())
    after = words[length:][:1]
    capitals = all(each[:1].isupper() for each in words[:length])
    if (capitals and length >= 2) or (after and after[0].lower() in _CALLING):
        return name
    return ""


def _name(words: list[str]) -> str:
    kept: list[str] = []
    for word in words[:MOST_WORDS]:
        if word.lower() in _ENDS or word.lower() in _NEVER:
            break
        kept.append(word)
    return " ".join(each[:1].upper() + each[1:] for each in kept)
