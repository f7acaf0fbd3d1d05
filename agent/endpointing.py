"""Say how long a silence must last before the caller's turn is over.

The evidence is what the words look like (finished, unfinished, neither), what the voice sounds
like (a turn model's probability) and what the agent had asked for. Each gives a score from 0
(surely goes on) to 1 (surely over); the silence asked for moves on a logarithmic scale between
the agent's ``incomplete_ms`` and ``complete_ms``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from agent.words import split_words
from media.config.model import TurnConfig


class Expectation(StrEnum):
    """What the agent's last words asked for."""

    OPEN = "open"
    YES_NO = "yes_no"
    DIGITS = "digits"
    SPELLING = "spelling"


class Completeness(StrEnum):
    """What the words alone say."""

    COMPLETE = "complete"
    UNSURE = "unsure"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class TurnTiming:
    """A preset with the operator's own values put in; all in milliseconds."""

    provisional_ms: int
    complete_ms: int
    incomplete_ms: int
    digits_ms: int
    barge_in_ms: int


PRESETS: dict[str, TurnTiming] = {
    "eager": TurnTiming(140, 320, 950, 1_200, 100),
    "balanced": TurnTiming(160, 450, 1_200, 1_800, 120),
    "patient": TurnTiming(200, 700, 1_800, 2_600, 180),
}

_ANSWERS = frozenset(
    split_words(
        "yes yeah yep yup no nope nah sure okay ok correct right exactly maybe thanks please "
        "hello hi goodbye bye"
    )
)
_OPEN_ENDS = frozenset(
    split_words(
        "and or but because so if when while although though that which who whose whom where "
        "than as like of to for from with without in on at by about into onto over under "
        "between during the a an my your our his her its their this these those some any every "
        "each is are am was were be been will would can could should shall may might must do "
        "does did have has had im youre hes shes theyre weve ive id wont isnt arent dont doesnt "
        "didnt cant couldnt um uh er erm hmm hm eh ah well then very really not also just even "
        "i we he she they called number zero point"
    )
)
_QUESTION_STARTS = frozenset(
    split_words(
        "what when where who why how which whats wheres whens hows is are can could do does did "
        "will would should may has have am"
    )
)
_VERBS = frozenset(
    split_words(
        "is are am was were be been will would can could should do does did have has had need "
        "needs want wants like know think help tell get got give keep keeps work works worked "
        "lose loses lost connect connects stop stops stopped charge charges charged reset "
        "install buy bought return returns open opens close closes cost costs last lasts use "
        "uses see try tried say says ring rings show shows im ive id its thats cant dont doesnt "
        "didnt wont isnt"
    )
)
_DIGIT_WORDS = frozenset(
    split_words(
        "zero one two three four five six seven eight nine ten eleven twelve oh double triple"
    )
)


def resolve_timing(config: TurnConfig) -> TurnTiming:
    """Return a persona's timing: its preset, with every value it gives itself."""
    preset = PRESETS[config.preset]

    def choose(own: int | None, otherwise: int) -> int:
        return otherwise if own is None else own

    return TurnTiming(
        provisional_ms=choose(config.provisional_ms, preset.provisional_ms),
        complete_ms=choose(config.complete_ms, preset.complete_ms),
        incomplete_ms=choose(config.incomplete_ms, preset.incomplete_ms),
        digits_ms=choose(config.digits_ms, preset.digits_ms),
        barge_in_ms=choose(config.barge_in_ms, preset.barge_in_ms),
    )


def judge_words(text: str, expectation: Expectation = Expectation.OPEN) -> Completeness:
    """Judge a transcript by its words; recognisers' full stops alone prove nothing."""
    words = split_words(text)
    if not words:
        return Completeness.UNSURE
    if (
        words[-1] in _OPEN_ENDS
        and not _ends_naturally(words)
        or text.rstrip().endswith(("...", "…", ",", "-"))
    ):
        return Completeness.INCOMPLETE
    if all(each in _ANSWERS for each in words):
        return Completeness.COMPLETE
    if expectation is Expectation.YES_NO and words[0] in _ANSWERS:
        return Completeness.COMPLETE
    if words[0] in _QUESTION_STARTS:
        return Completeness.COMPLETE if len(words) >= 4 else Completeness.UNSURE
    if text.rstrip().endswith("?") and len(words) >= 3:
        return Completeness.COMPLETE
    if len(words) >= 4 and any(each in _VERBS for each in words):
        return Completeness.COMPLETE if text.rstrip()[-1:] in ".!?" else Completeness.UNSURE
    return Completeness.UNSURE


def _ends_naturally(words: tuple[str, ...]) -> bool:
    """Tell 'what time are you open to' and 'how are you' kinds from a sentence that goes on."""
    final = words[-2:]
    return (
        words[0] in _QUESTION_STARTS
        and len(words) >= 4
        and words[-1] in {"on", "in", "for", "with", "to", "from", "at", "about", "work", "do"}
    ) or final in (("it", "is"), ("they", "are"), ("i", "am"), ("i", "do"), ("it", "does"))


def is_digits(text: str) -> bool:
    """Say whether a transcript is mostly digits or single letters."""
    words = split_words(text)
    spelled = [each for each in words if each.isdigit() or each in _DIGIT_WORDS or len(each) == 1]
    return bool(words) and 2 * len(spelled) > len(words) and len(words) >= 2


def completion_score(words: Completeness, melody: float | None) -> float:
    """Fuse the words' verdict with the turn model's into one score from 0 to 1.

    Args:
        words: from :func:`judge_words`.
        melody: P(complete) of the turn model, None while or where there is none.
    """
    base = {Completeness.COMPLETE: 0.8, Completeness.UNSURE: 0.4, Completeness.INCOMPLETE: 0.0}
    if words is Completeness.INCOMPLETE:
        return 0.0 if melody is None else 0.2 * melody
    if melody is None:
        return base[words]
    if words is Completeness.COMPLETE:
        return 0.5 + 0.5 * melody
    return 0.1 + 0.75 * melody


def required_silence_ms(
    timing: TurnTiming,
    text: str,
    melody: float | None,
    expectation: Expectation = Expectation.OPEN,
) -> int:
    """Return the silence, from the last audible packet, that ends this turn."""
    if expectation in (Expectation.DIGITS, Expectation.SPELLING) or is_digits(text):
        words = split_words(text)
        if words and all(each in _ANSWERS for each in words):
            return timing.complete_ms
        return timing.digits_ms
    verdict = judge_words(text, expectation)
    if verdict is Completeness.COMPLETE and all(each in _ANSWERS for each in split_words(text)):
        return timing.complete_ms
    score = completion_score(verdict, melody)
    ratio = timing.complete_ms / timing.incomplete_ms
    return round(timing.incomplete_ms * math.pow(ratio, score))


_SPELL = re.compile(r"\bspell\b|letter by letter", re.IGNORECASE)
_DIGITS = re.compile(
    r"\b(?:serial|order|phone|account|card|model|post|zip)?\s*(?:number|code|digits|pin)\b",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^(?:is|are|am|was|were|do|does|did|can|could|would|will|shall|should|have|has|may)\b",
    re.IGNORECASE,
)


def expected_answer(agent_text: str) -> Expectation:
    """Say what the agent's last sentence asked the caller for."""
    sentences = [each.strip() for each in re.split(r"(?<=[.!?])\s+", agent_text) if each.strip()]
    if not sentences or not sentences[-1].endswith("?"):
        asked = sentences[-1] if sentences else ""
        if not re.match(r"(?:please\s+)?(?:say|tell|give|read|spell|enter|type)\b", asked, re.I):
            return Expectation.OPEN
    last = sentences[-1]
    if _SPELL.search(last):
        return Expectation.SPELLING
    if _DIGITS.search(last):
        return Expectation.DIGITS
    clause = re.split(r",\s*", last)[-1]
    if _YES_NO.match(clause) or _YES_NO.match(last):
        return Expectation.YES_NO
    return Expectation.OPEN
