"""Tell a person in one breath why a caller wants them (sans-IO).

Nothing is invented: the reason is the caller's own clauses, chosen for what they add, and what was
tried is the agent's own answer. A small language model would write rounder sentences and now and
then a false one; a person who is told something false about a caller is worse off than one who is
told nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.caller_name import find_name, without_name
from agent.history import Said
from agent.human_wish import cut_wish
from agent.knowledge import content_stems
from agent.words import split_words
from media.messages import Speaker

MAX_WORDS = 22
LETTERS_PER_S = 14.5
"""How fast the voices speak."""
DIGIT_LETTERS = 5
SHORT_LETTERS = 40
REASON_WORDS = 14
CLAUSE_WORDS = 11
NEW_SHARE = 0.4
"""Less of a clause's meaning new, and it is said already."""
WHOLE_SHARE = 0.7
NUMBER_DIGITS = 4
_CLAUSE_END = re.compile(
    r"[.!?;,]+\s+|[.!?;,]+$|\s+(?=(?:and|but|because|since|so|then|after|when)\s)", re.IGNORECASE
)
_LEAD = frozenset(
    split_words(
        "hi hello hey good morning afternoon evening um uh er hmm well so yes yeah yep no nope ok "
        "okay and but because please then just actually listen sorry thanks thank you oh ah now "
        "sure of course right i mean like"
    )
)
_TRAIL = frozenset(
    split_words("and or but the a an to of for with in on at my your it is that then so because i")
)
_EMPTY = frozenset(
    split_words(
        "hello hi robot anybody listening hear question understand sorry yes no good great fine "
        "thanks person human agent name calling morning afternoon evening day nice rubbish "
        "nonsense wrong stupid everything anyone someone somebody problem urgent did do that too"
    )
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a person is told."""

    text: str
    """One breath, to be spoken."""
    short_reason: str
    """At most 40 characters."""
    reason_known: bool


@dataclass(slots=True)
class _Clause:
    turn: int
    place: int
    text: str
    stems: frozenset[str]


def summarize(
    said: Sequence[Said],
    *,
    caller: str = "",
    idle: Sequence[str] = (),
    max_spoken_s: float = 8.0,
) -> Summary:
    """Summarize a conversation.

    Args:
        said: all of it, oldest first.
        caller: the caller's number or address, empty where it is not known.
        idle: the agent's sentences that tell a caller nothing (greeting, "I do not know").
        max_spoken_s: how long it may take to say.
    """
    room = _Room(max_spoken_s)
    name = find_name([each.text for each in said if each.speaker is Speaker.CALLER])
    chosen = _choose(list(_clauses(said, name)))
    if not chosen:
        who = name or _number(caller) or "The caller"
        return Summary(f"{who} asks for a person and gave no reason.", "asks for a person", False)
    parts = [f"{name or 'The caller'} says:"]
    reason = _sentence("; ".join(each.text for each in chosen))
    parts.append(room.fit(parts[0], reason))
    tried = _tried(said, idle)
    told = f"Told: {tried}." if tried else "I had no answer."
    if room.holds(" ".join([*parts, told])):
        parts.append(told)
    return Summary(" ".join(parts), _short(chosen), True)


class _Room:
    """How much can be said."""

    def __init__(self, max_spoken_s: float) -> None:
        self._letters = max_spoken_s * LETTERS_PER_S
        self.words = max(4, round(MAX_WORDS * max_spoken_s / 8))

    def holds(self, text: str) -> bool:
        digits = sum(each.isdigit() for each in text)
        letters = len(text) + (DIGIT_LETTERS - 1) * digits
        return letters <= self._letters and len(text.split()) <= self.words

    def fit(self, before: str, text: str) -> str:
        """Cut a text so that it can be said after ``before``; never to nothing."""
        words = max(1, self.words - len(before.split()))
        while words > 1 and not self.holds(f"{before} {_cut(text, words)}"):
            words -= 1
        return _sentence(_cut(text, words))


def _clauses(said: Sequence[Said], name: str) -> Iterator[_Clause]:
    turn = 0
    for each in said:
        if each.speaker is not Speaker.CALLER:
            continue
        turn += 1
        rest = cut_wish(without_name(each.text, name))
        for place, part in enumerate(_CLAUSE_END.split(rest)):
            text = _trim(part)
            stems = frozenset(content_stems(text)) - _EMPTY
            if stems:
                yield _Clause(turn, place, text, stems)


def _choose(clauses: list[_Clause]) -> list[_Clause]:
    """Return the clauses that tell most, in the order they were said.

    The first one opened the matter and is in; of the others each adds what is new in it.
    """
    if not clauses:
        return []
    first = clauses[0]
    later = clauses[1:]
    if len(first.stems) == 1 and later:
        # "it is about my doorbell": what it is about follows
        best = max(later[:3], key=lambda each: len(each.stems))
        first = best if first.stems <= best.stems else first
    chosen = [_Clause(first.turn, first.place, _cut(first.text, CLAUSE_WORDS), first.stems)]
    known = set(first.stems)
    words = len(chosen[0].text.split())
    last_turn = clauses[-1].turn

    def worth(each: _Clause) -> float:
        return len(each.stems - known) + (0.5 if each.turn in (first.turn, last_turn) else 0.0)

    left = [each for each in later if each is not first]
    while left:
        best = max(left, key=worth)
        left.remove(best)
        text = _cut(best.text, min(CLAUSE_WORDS, REASON_WORDS - words))
        fresh = best.stems - known
        if len(fresh) < max(1.0, NEW_SHARE * len(best.stems)):
            continue
        if len(text.split()) < max(2.0, WHOLE_SHARE * len(best.text.split())):
            # a fragment ("what does") tells nothing
            continue
        chosen.append(_Clause(best.turn, best.place, text, best.stems))
        known |= best.stems
        words += len(text.split())
    return sorted(chosen, key=lambda each: (each.turn, each.place))


def _tried(said: Sequence[Said], idle: Sequence[str]) -> str:
    """Return the last thing that the agent told the caller about the matter.

    It is whole or cut before a further step: half an answer may say the opposite.
    """
    told = [each for each in said if each.speaker is Speaker.AGENT and each.text not in idle]
    for each in reversed(told):
        sentence = re.split(r"(?<=[.!?])\s+", each.text)[0].rstrip(".!?")
        text = re.sub(r"^(?:please|i am sorry,?|sorry,?)\s+", "", sentence, flags=re.IGNORECASE)
        if content_stems(text):
            step = re.split(r",? then |, under |, in the ", text)[0]
            return step[:1].lower() + step[1:]
    return ""


def _short(chosen: Sequence[_Clause]) -> str:
    opening = chosen[0]
    best = opening if len(opening.stems) > 1 else max(chosen, key=lambda each: len(each.stems))
    text = re.sub(
        r"^(?:i am|i'm|i want to know|i want|i would like to|i would like|i need|i have|can you|"
        r"can i|do you|is there|how do i|how much is|we have|we|i|my|the|a|an)\s+",
        "",
        best.text,
        flags=re.IGNORECASE,
    )
    if len(text) > SHORT_LETTERS:
        text = text[: SHORT_LETTERS + 1].rsplit(" ", 1)[0][:SHORT_LETTERS]
    return _cut(text, 12)


def _number(caller: str) -> str:
    digits = re.sub(r"\D", "", re.split(r"[@;]", caller)[0])
    if len(digits) < NUMBER_DIGITS:
        return ""
    return f"The caller whose number ends in {' '.join(digits[-NUMBER_DIGITS:])}"


def _trim(clause: str) -> str:
    words = clause.split()
    while words and (not split_words(words[0]) or split_words(words[0])[0] in _LEAD):
        # "i mean" is a lead, "i want" is not
        if words[0].lower() in ("i", "like") and words[1:2] != ["mean"]:
            break
        words = words[1:]
    return re.sub(r"\bi\b", "I", " ".join(words))


def _cut(text: str, words: int) -> str:
    kept = text.split()
    if len(kept) > words:
        kept = kept[: max(words, 0)]
        while len(kept) > 1 and kept[-1].lower().strip(",;") in _TRAIL:
            kept.pop()
    return " ".join(kept).rstrip(" ,;")


def _sentence(text: str) -> str:
    text = text.rstrip(".;, ")
    return f"{text[:1].upper()}{text[1:]}." if text else ""
