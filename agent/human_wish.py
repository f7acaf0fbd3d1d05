"""Hear that a caller wants a person, or takes or declines the one that was offered (sans-IO).

Recognisers misspell and callers ramble, so the words are looked at one sentence at a time for a
few forms of a wish: a bare name for a person ("agent please"), talking to one, being given one,
being connected. What is said about people in other ways ("the person at the door") is no wish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from agent.words import split_words

LOOKALIKE = 0.8

_Words = Sequence[str]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_JOINS = (
    (r"\b(?:real|actual|live|living|proper) (?=(?:person|human|agent|operator|people)\b)", ""),
    (r"\b(?:some|any)[ -](?=(?:one|body)\b)", lambda found: found[0][:-1]),
    (r"\bhuman beings?\b", "human"),
    (r"\b(?:customer|client|technical|tech|live|phone) (?:service|support|care)\b", "helpdesk"),
    (r"\b(?:service|support|customer|sales) (?=(?:agent|staff|team|person|people|rep)\b)", ""),
    (r"\b(?:help desk|call cent(?:er|re)|support desk|front desk)\b", "helpdesk"),
    (r"\bmember of (?:the |your )?(?:staff|team)\b", "employee"),
    (r"\bsales ?(?:person|man|woman|rep)\b", "salesperson"),
    (r"\bco[- ]workers?\b", "colleague"),
    (r"\ba gent\b", "an agent"),
    (r"\bhu ?man\b", "human"),
)
_PATTERNS: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(pattern), replacement) for pattern, replacement in _JOINS
]
_PEOPLE = _set(
    "agent human person operator representative colleague supervisor manager receptionist advisor "
    "adviser employee staff helpdesk salesperson assistant specialist consultant attendant"
)
_MISHEARD = _set(
    "agents aegnt adgent ajent agen humans hewman humane humon parson persin purson rep reps "
    "college boss secretary helpdesk persons operater reprasentative representitive"
)
_NOT_MISHEARD = _set(
    "personal personality manage management managed manages operate operating operation "
    "assistance speaker speakers staffed agenda agency special specially"
)
_SOMEBODY = _set("someone somebody anyone anybody people")
_PLACES = _set("support sales billing service accounts reception department office helpdesk")
_POLITE = _set(
    "please hello hi hey um uh er hmm well so ok okay now no yes yeah just only a an the real some "
    "any thanks thank you your get give me can could i may have for to with speak talk live "
    "hm right then and but oh god"
)
_ARTICLES = _set("a an the your some any another one to with two too of my real live actual")
_TALK = _set("talk speak chat speaking talking talkin speek spake tolk tawk")
_WANT = _set(
    "want wanna need like prefer get gimme give have require demand wish wants needed fetch bring"
)
_BETWEEN_WANT = _set("me us to have get a an the your some any another see reach through")
_CONNECT = _set("connect transfer put pass hand forward switch redirect patch route connecting")
_THROUGH = _set("through thru threw on over across back to with up")
_ME = _set("me us")
_TAIL = _set(
    "please now right here there who whom instead immediately thanks thank my i im ive because it "
    "its this and but or so not no you your at on about regarding with today directly already "
    "sir madam as if before if he she can quickly urgently"
)
_TAIL_TO = _set("talk speak help explain discuss assist to")
_NEGATIONS = _set("dont not never without wont")
_BETWEEN_NOT = _set("to want like have need wish be even really would will yet")
_PAST = _set("was were been had after before am are is when while")
_THIRD = _set(
    "it doorbell camera device chime they he she visitor visitors guest guests daughter son wife "
    "husband kids children family mailman postman courier alexa people someone person does did"
)
_NEARBY = _set("at through thru via over using in on behind near inside outside by from")
_THINGS = _set(
    "door doorbell camera gate house porch intercom microphone speaker outside app inside yard "
    "entrance street garage chime phone"
)
_RINGING = _set("rings rang ring ringing stands standing comes came visits knocks knocking")
_WISH_LEAD = _set(
    "i id im would can could may please let me us then just so now be connected through rather "
    "really some any customer service support sales member of staff is are there do rubbish"
)
_YES = _set(
    "yes yeah yep yup sure okay ok please certainly absolutely definitely ja yea great good fine "
    "perfect alright right"
)
_YES_FORMS = ("do that", "go ahead", "of course", "id like that", "i would", "that would be")
_NO = _set("no nope nah not dont never")
_ANSWER_WORDS = 8


def wants_human(text: str) -> bool:
    """Say whether the caller asks for a person."""
    sentences = re.split(r"[.!?;]+\s*", _join(text))
    return any(_wishes(split_words(each)) for each in sentences)


def agrees(text: str) -> bool:
    """Say whether an offer is taken: a yes in a short sentence without a no."""
    words = split_words(text)
    if len(words) > _ANSWER_WORDS or _NO & set(words):
        return False
    joined = " ".join(words)
    return bool(_YES & set(words[:3])) or any(each in joined for each in _YES_FORMS)


def declines(text: str) -> bool:
    """Say whether an offer is declined: a no and little else."""
    words = split_words(text)
    return bool(words) and len(words) <= _ANSWER_WORDS and bool(_NO & set(words[:3]))


def cut_wish(text: str) -> str:
    """Return what a caller said besides asking for a person."""
    parts = re.split(r"(?<=[.!?;])\s+|(?<=,)\s+", text.strip())
    return " ".join(rest for each in parts if (rest := _before_wish(each)))


def _before_wish(sentence: str) -> str:
    """Return the words of one sentence that come before its wish, and any sentence without one."""
    if not wants_human(sentence):
        return sentence
    words = sentence.split()
    start = max(at for at in range(len(words)) if wants_human(" ".join(words[at:])))
    part_of_it = _WISH_LEAD | _TALK | _CONNECT | _WANT | _ARTICLES | _SOMEBODY
    while start and _bare(words[start - 1]) in part_of_it:
        start -= 1
    return " ".join(words[:start])


def _bare(word: str) -> str:
    return "".join(split_words(word))


def _join(text: str) -> str:
    joined = text.lower().replace("’", "'")
    for pattern, replacement in _PATTERNS:
        joined = pattern.sub(replacement, joined)
    return joined


def _is_person(word: str) -> bool:
    if word in _PEOPLE or word in _MISHEARD:
        return True
    if len(word) < 5 or word in _NOT_MISHEARD:
        return False
    near = [each for each in _PEOPLE if each[0] == word[0] and abs(len(each) - len(word)) <= 3]
    return any(SequenceMatcher(None, word, each).ratio() > LOOKALIKE for each in near)


def _wishes(words: _Words) -> bool:
    if not words:
        return False
    if _is_bare(words):
        return True
    for at, word in enumerate(words):
        if word in _TALK and _talks(words, at):
            return True
        if word in _CONNECT and _connects(words, at):
            return True
        if word in _WANT and _is_given(words, at):
            return True
        if word == "there" and at and words[at - 1] in ("is", "are") and _is_given(words, at):
            return True
    return False


def _is_bare(words: _Words) -> bool:
    rest = [each for each in words if each not in _POLITE]
    return bool(rest) and len(rest) <= 2 and all(_is_person(each) for each in rest)


def _talks(words: _Words, at: int) -> bool:
    if _denied(words, at):
        return False
    before = words[at - 1] if at else ""
    if before == "to" and at > 1:
        before = words[at - 2]
    if before in _THIRD:
        return False
    if words[at].endswith(("ing", "in")) and set(words[max(0, at - 3) : at]) & _PAST:
        return False
    after = _skip(words, at + 1, _ARTICLES)
    if after >= len(words):
        # "is there somebody I can talk to"
        return "there" in words[:at] and any(_is_whom(each) for each in words[max(0, at - 4) : at])
    if after == at + 1:
        return False
    return _is_whom(words[after]) and not _is_elsewhere(words[after + 1 :])


def _is_given(words: _Words, at: int) -> bool:
    if _denied(words, at) or (at and words[at - 1] in _THIRD):
        return False
    after = _skip(words, at + 1, _BETWEEN_WANT)
    if after >= len(words) or not _is_person(words[after]):
        return False
    return _ends(words[after + 1 :])


def _connects(words: _Words, at: int) -> bool:
    if at + 1 >= len(words) or words[at + 1] not in _ME or _denied(words, at):
        return False
    after = _skip(words, at + 2, _THROUGH | _ARTICLES)
    if after >= len(words):
        return True
    whom = words[after]
    if _is_whom(whom) or whom in _PLACES:
        return not _is_elsewhere(words[after + 1 :])
    through = any(each in ("through", "thru", "threw") for each in words[at + 2 : after])
    bare = words[at] in ("transfer", "put", "pass", "hand", "forward") and after <= at + 3
    return (through or bare) and "to" not in words[at + 2 : after] and _ends(words[after:])


def _ends(tail: _Words) -> bool:
    """Say whether the wish is over here, or goes on with what is no part of a longer name."""
    if _is_elsewhere(tail):
        return False
    if not tail or tail[0] in _TAIL or _is_person(tail[0]):
        return True
    return tail[0] == "to" and len(tail) > 1 and tail[1] in _TAIL_TO


def _is_whom(word: str) -> bool:
    return word in _SOMEBODY or _is_person(word)


def _is_elsewhere(tail: _Words) -> bool:
    """Say whether the person stands at the caller's own door or camera."""
    near = tail[:5]
    if near[:1] and near[0] in ("who", "that") and set(near[1:4]) & _RINGING:
        return True
    for at, word in enumerate(near):
        if word == "about":
            return False
        if word in _NEARBY and set(tail[at : at + 4]) & _THINGS:
            return tail[at + 1 : at + 3] != ("the", "phone")
    return False


def _denied(words: _Words, at: int) -> bool:
    before = at - 1
    while before >= 0 and words[before] in _BETWEEN_NOT:
        before -= 1
    return before >= 0 and words[before] in _NEGATIONS


def _skip(words: _Words, at: int, skipped: frozenset[str]) -> int:
    while at < len(words) and words[at] in skipped:
        at += 1
    return at
