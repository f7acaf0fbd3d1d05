"""Cut a language model's stream of text into clauses that can be spoken while it goes on.

Sans-IO. The first clause is short, so that the caller hears something soon; later ones are whole
sentences or long clauses, because a voice sounds better with more to say. Nothing is cut inside
a number, an abbreviation, an address or a bracket, and no character is lost or changed but the
spaces at the cuts.
"""

from __future__ import annotations

import re

_FIRST_WORDS = 3
"""Fewest words before a comma or "and" ends the first clause."""
_FIRST_CHARACTERS = 25
"""From here on the first clause may end before a joining word."""
_FIRST_PHRASE_WORDS = 4
"""Fewest words before "for", "within" and the like ends the first clause."""
_LATER_CHARACTERS = 60
"""From here on a later clause may end at a comma."""
_LONGEST_CHARACTERS = 140
"""From here on any joining word ends a clause."""
_ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "st",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
        "approx",
        "nr",
        "inc",
        "ltd",
        "co",
        "jr",
        "sr",
        "dept",
        "ext",
        "min",
        "max",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
_SENTENCE = re.compile(r"[.!?…]+[\"')\]”]*(?=\s)|\n+|[。！？]")
_COMMA = re.compile(r"[,;:]+[\"')\]”]*(?=\s)|\s[–—-](?=\s)|[，、；]")
_JOIN = re.compile(r"\s(?=(?:and|but|or|so|because|which|while|if|when|then|unless)\s)")

_PHRASE = re.compile(
    r"\s(?=(?:for|with|without|within|on|in|at|from|until|after|before|during|under|near)\s)"
)


class ClauseSplitter:
    """Splits one answer."""

    def __init__(self) -> None:
        """Start an answer."""
        self._text = ""
        self._first = True

    def receive(self, piece: str) -> list[str]:
        """Take a piece of text and return the clauses that have become whole.

        Args:
            piece: any part of the text, down to a character.
        """
        self._text += piece
        found: list[str] = []
        while (end := self._end()) is not None:
            clause, self._text = self._text[:end].strip(), self._text[end:]
            if clause:
                found.append(clause)
                self._first = False
        return found

    def flush(self) -> list[str]:
        """Return what is left at the end of the answer."""
        rest, self._text = self._text.strip(), ""
        return [rest] if rest else []

    def _end(self) -> int | None:
        """Return where the first clause of the text ends, if that is sure already."""
        found = (self._sentence(), self._comma(), self._join(), self._phrase())
        return min((at for at in found if at is not None), default=None)

    def _sentence(self) -> int | None:
        for match in _SENTENCE.finditer(self._text):
            before = self._text[: match.start()]
            if before.strip() and not (match[0] == "." and _is_abbreviation(before)):
                return match.end()
        return None

    def _comma(self) -> int | None:
        for match in _COMMA.finditer(self._text):
            before = self._text[: match.start()]
            words = len(before.split())
            long_enough = words >= _FIRST_WORDS if self._first else len(before) >= _LATER_CHARACTERS
            if long_enough and _closed(before):
                return match.end()
        return None

    def _phrase(self) -> int | None:
        """Return where a phrase of the first clause begins that can wait for the next."""
        if not self._first:
            return None
        for match in _PHRASE.finditer(self._text):
            before = self._text[: match.start()]
            if len(before.split()) >= _FIRST_PHRASE_WORDS and _closed(before):
                return match.start()
        return None

    def _join(self) -> int | None:
        least = _FIRST_CHARACTERS if self._first else _LONGEST_CHARACTERS
        for match in _JOIN.finditer(self._text):
            before = self._text[: match.start()]
            if (
                len(before.strip()) >= least
                and len(before.split()) >= _FIRST_WORDS
                and _closed(before)
                and not before.rstrip().endswith(("and", "or", "but", "between"))
            ):
                return match.start()
        return None


def _is_abbreviation(before: str) -> bool:
    """Return whether a full stop after this text belongs to its last word."""
    words = before.split()
    last = words[-1].lstrip("(\"'“").lower() if words else ""
    if last in _ABBREVIATIONS:
        return True
    if re.fullmatch(r"(?:[a-z]\.)*[a-z]", last) and last != "i":
        return True
    # "1. Open the app": the number of a step, not the end of a sentence.
    return len(words) == 1 and last.isdecimal()


def _closed(text: str) -> bool:
    """Return whether every bracket that was opened is closed."""
    return text.count("(") <= text.count(")") and text.count("[") <= text.count("]")
