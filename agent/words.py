"""Reduce what was recognised to comparable words."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+")
_JOINED = (
    (re.compile(r"\bwi[\s-]?fi\b|\bwhy[\s-]?fi\b|\bwife[iy]\b"), "wifi"),
    (re.compile(r"\bdoor[\s-]bell"), "doorbell"),
    (re.compile(r"\bre[\s-]set"), "reset"),
    (re.compile(r"\bset[\s-]?up\b"), "setup"),
    (re.compile(r"\bgood[\s-]?bye?\b|\bbye[\s-]bye\b"), "goodbye"),
    (re.compile(r"(?<=\d)\s*(?:ghz|gigahertz|giga hertz)\b"), " gigahertz"),
    (re.compile(r"(\d)-(\d)"), r"\1 \2"),
)


def split_words(text: str) -> tuple[str, ...]:
    """Return the lower-case words of a text without punctuation, apostrophes or hyphens."""
    reduced = text.lower().replace("’", "'").replace("'", "")
    for pattern, replacement in _JOINED:
        reduced = pattern.sub(replacement, reduced)
    return tuple(_TOKEN.findall(reduced.replace("-", "")))


def same_words(one: str, other: str) -> bool:
    """Say whether two transcripts differ in nothing but punctuation and case."""
    return split_words(one) == split_words(other)


def rest_of(text: str, said: str) -> str:
    """Return what of a text was not said yet: all of it, unless the last words said are from it.

    Args:
        text: to be said.
        said: what was said before, perhaps in other words at first.
    """
    places = [(match.end(), _bare(match[0])) for match in re.finditer(r"\S+", text)]
    words, last = [each for _, each in places], [_bare(each) for each in said.split()]
    for count in range(min(len(words), len(last)), 0, -1):
        for start in range(len(words) - count + 1):
            # one word is a chance find, unless nothing else was said and it begins the text
            telling = count > 1 or (not start and len(last) == 1)
            if telling and words[start : start + count] == last[-count:]:
                return text[places[start + count - 1][0] :].strip()
    return text


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word.lower()))


def squeeze(word: str) -> str:
    """Collapse repeated letters, so that every spelling of a hum is the same one."""
    return re.sub(r"(.)\1+", r"\1", word)


def made_of(words: Sequence[str], phrases: Sequence[str]) -> bool:
    """Say whether the words are nothing but a run of these phrases.

    Args:
        words: from :func:`split_words`.
        phrases: as people write them; compared without spaces, repeated letters collapsed.
    """
    known = {squeeze("".join(split_words(phrase))) for phrase in phrases}
    rest = list(words)
    while rest:
        run = next(
            (n for n in range(len(rest), 0, -1) if squeeze("".join(rest[:n])) in known), None
        )
        if run is None:
            return False
        rest = rest[run:]
    return bool(words)
