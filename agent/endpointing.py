"""Say how long a silence must last before the caller's turn is over.

The evidence is what the words look like (finished, unfinished, neither), whether they can be
answered, what the voice sounds like (a turn model's probability) and what the agent had asked for.
Together they give a score from 0 (surely goes on) to 1 (surely over); the silence asked for moves
on a logarithmic scale between the agent's ``incomplete_ms`` and ``complete_ms``.

Words that one reviewed answer surely answers are a whole question, whatever the voice does. Where
the model must answer, its first words take longer than ``complete_ms`` anyway: waiting a little
more for the caller costs nothing there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from agent.sentence_ends import DETERMINERS, QUESTION_STARTS, ends_naturally
from agent.words import made_of, split_words
from media.config.model import TurnConfig

MELODY_WORTH_MS = 80
"""The turn model takes a core for about 100 ms, while recognition and the answer want both."""


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


class Grasp(StrEnum):
    """Whether what was said so far can be answered."""

    NOTHING = "nothing"
    """No fact is about it."""
    ABOUT = "about"
    """Facts are about it."""
    SURE = "sure"
    """One reviewed answer is the answer."""


@dataclass(frozen=True, slots=True)
class TurnTiming:
    """A preset with the operator's own values put in: milliseconds, and weights of evidence."""

    provisional_ms: int
    complete_ms: int
    incomplete_ms: int
    digits_ms: int
    barge_in_ms: int
    yield_ms: int = 1_300
    """Longer than the backchannels people use ("oh, okay, good") and the silence that ends them; a
    sentence's first words are recognised before."""
    resume_ms: int = 800
    filler_ms: int = 1_700
    words_weight: float = 1.0
    melody_weight: float = 1.0
    grasp_weight: float = 1.0


PRESETS: dict[str, TurnTiming] = {
    "eager": TurnTiming(120, 300, 950, 1_200, 100),
    "balanced": TurnTiming(140, 380, 1_200, 1_800, 120),
    "patient": TurnTiming(180, 600, 1_800, 2_600, 180),
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
_OBJECT_WANTED = frozenset(
    split_words(
        "share use press pressed bought buy keeps keep tell told said says bring put gave got want "
        "wants like need needs brings called named try tried"
    )
)
_OBJECT_OMITTED = re.compile(
    r"^(?:\w+ ){0,3}(?:i|we|you|he|she|they) (?:\w+ )?(?:forgot|lost|changed|ordered|received|"
    r"installed|connected|dropped|moved|cancelled|canceled|charged|replaced|returned|sold|sent|"
    r"opened|checked|found|paid|mounted)$"
)
"""A short sentence that has yet to say what all this was done to."""
_VERB_OMITTED = re.compile(
    r"^(?:(?:and|so|well|but) )?(?:is|are|was|were|do|does|did|can|could|will|would|should|has) "
    r"(?:the|my|a|an|your|our|this|these) \w+$"
)
"""A question of which only what it is about was said: "does the subscription"."""
_LEAD_INS = re.compile(
    r"(?:^|\s)(?:(?:can|could|would) you (?:\w+ )?(?:tell|explain|say|help)(?: me)?|tell me|"
    r"i (?:would like|wanted|want|need|id like) to (?:know|ask)|do you know|could i (?:maybe|ask)|"
    r"is (?:it possible|there)|i (?:think|guess|believe|hope|have tried)|"
    r"(?:my|the|one) (?:question|problem|thing|issue) is|(?:a|another|one) question(?: about)?|"
    r"i need help(?: with)?|i ?a?m (?:just )?(?:calling|not sure)|my name is|as far as i know|"
    r"i (?:have|had) a (?:problem|question)|"
    # "end" is how recognisers write a quick "and"
    r"(?:and|end|but|so|since|until) (?:now|today|then|yesterday))$"
)
_SUBORDINATE = re.compile(
    r"^(?:(?:well|so|and|but|hello|hi|yes|no|okay) )*(?:if|because|after|before|while|since|"
    r"although|whenever|unless|every time|each time|as soon as|last (?:week|month|year)|"
    r"when(?! (?:do|does|did|is|are|am|can|could|will|would|should|may|was|were)\b))\b"
)
_DIGIT_WORDS = frozenset(
    split_words(
        "zero one two three four five six seven eight nine ten eleven twelve oh double triple"
    )
)

_NUMBER_INTROS = frozenset(split_words("it is its thats that the number and then yes okay"))


def resolve_timing(config: TurnConfig) -> TurnTiming:
    """Return a persona's timing: its preset, with every value it gives itself."""
    own = {each.name: getattr(config, each.name) for each in fields(TurnTiming)}
    given = {name: value for name, value in own.items() if value is not None}
    return replace(PRESETS[config.preset], **given)


def judge_words(text: str, expectation: Expectation = Expectation.OPEN) -> Completeness:
    """Judge a transcript by its words; recognisers' full stops alone prove nothing."""
    words = split_words(text)
    if not words:
        return Completeness.UNSURE
    if (
        words[-1] in _OPEN_ENDS
        and not ends_naturally(words)
        or text.rstrip().endswith(("...", "…", ",", "-"))
    ):
        return Completeness.INCOMPLETE
    if all(each in _ANSWERS for each in words):
        return Completeness.COMPLETE
    if _announces(text, words):
        return Completeness.INCOMPLETE
    if is_fragment(text):
        return Completeness.UNSURE
    if expectation is Expectation.YES_NO and words[0] in _ANSWERS:
        return Completeness.COMPLETE
    if words[0] in QUESTION_STARTS:
        return Completeness.COMPLETE if len(words) >= 4 else Completeness.UNSURE
    if text.rstrip().endswith("?") and len(words) >= 3:
        return Completeness.COMPLETE
    if len(words) >= 4 and any(each in _VERBS for each in words):
        return Completeness.COMPLETE if text.rstrip()[-1:] in ".!?" else Completeness.UNSURE
    return Completeness.UNSURE


def _announces(text: str, words: tuple[str, ...]) -> bool:
    """Say whether words only lead up to what the caller wants: "could you tell me", "when I …"."""
    said = " ".join(words)
    if _LEAD_INS.search(said):
        return True
    main_clause = text.rstrip().endswith("?") or re.search(r",\s+\S+\s+\S+", text) is not None
    verbs = sum(each in _VERBS for each in words)
    return bool(_SUBORDINATE.match(said)) and not main_clause and (verbs < 2 or len(words) < 7)


def is_fragment(text: str) -> bool:
    """Say whether words lack what makes them a sentence: a verb, or what it is done to."""
    words = split_words(text)
    if len(words) < 2:
        return False
    thing = words[0] in DETERMINERS and not any(each in _VERBS for each in words)
    wanting = words[-1] in _OBJECT_WANTED and len(words) <= 6
    said = " ".join(words)
    begun = _OBJECT_OMITTED.match(said) or _VERB_OMITTED.match(said)
    return thing or wanting or begun is not None


def is_digits(text: str) -> bool:
    """Say whether a transcript is mostly digits or single letters, or ends in a number's first."""
    words = split_words(text)
    if not words:
        return False
    if _number(words[-1]) and (_DIGITS.search(text) or set(words[:-1]) <= _NUMBER_INTROS):
        return len(words) >= 2
    spelled = [each for each in words if _number(each) or len(each) == 1]
    return 2 * len(spelled) > len(words) and len(words) >= 2


def _number(word: str) -> bool:
    return word.isdigit() or word in _DIGIT_WORDS


def completion_score(
    words: Completeness,
    melody: float | None,
    grasp: Grasp,
    timing: TurnTiming = PRESETS["balanced"],
) -> float:
    """Fuse the verdicts into one score from 0 to 1.

    Args:
        words: from :func:`judge_words`.
        melody: P(complete) of the turn model, None while or where there is none.
        grasp: whether they can be answered.
        timing: the weights of the three.
    """
    sound = timing.melody_weight * (0.5 if melody is None else melody)
    if words is Completeness.INCOMPLETE:
        return min(1.0, 0.15 * sound)
    if grasp is Grasp.SURE:
        return 1.0
    about, whole = grasp is Grasp.ABOUT, words is Completeness.COMPLETE
    score = 0.1
    if about:
        score += 0.15 * timing.grasp_weight
    if whole:
        score += (0.35 if about else 0.1) * timing.words_weight
    # the more the words say, the less the voice does
    share = {(True, True): 0.1, (True, False): 0.2, (False, True): 0.25, (False, False): 0.3}
    return min(1.0, score + share[about, whole] * sound)


def required_silence_ms(
    timing: TurnTiming,
    text: str,
    melody: float | None,
    expectation: Expectation = Expectation.OPEN,
    grasp: Grasp = Grasp.NOTHING,
) -> int:
    """Return the silence, from the last audible packet, that ends this turn."""
    words = split_words(text)
    if words and all(each in _ANSWERS for each in words):
        return timing.complete_ms
    if expectation in (Expectation.DIGITS, Expectation.SPELLING) or is_digits(text):
        return timing.digits_ms
    verdict = judge_words(text, expectation)
    if expectation is Expectation.YES_NO and verdict is Completeness.COMPLETE:
        grasp = Grasp.SURE
    elif is_fragment(text):
        grasp = Grasp.NOTHING
    score = completion_score(verdict, melody, grasp, timing)
    ratio = timing.complete_ms / timing.incomplete_ms
    return round(timing.incomplete_ms * math.pow(ratio, score))


def words_decide(timing: TurnTiming, text: str, expectation: Expectation, grasp: Grasp) -> bool:
    """Say whether the voice's melody changes next to nothing about the silence asked for."""
    quiet, sure = (
        required_silence_ms(timing, text, melody, expectation, grasp) for melody in (0.0, 1.0)
    )
    return quiet - sure <= MELODY_WORTH_MS


_HUMS = ("um", "uh", "er", "erm", "ah", "eh", "oh", "hm", "mm", "mm-hm", "uh-huh")


def is_hum(text: str, expectation: Expectation) -> bool:
    """Say whether a turn is nothing but thinking aloud; after a yes/no question it is an answer."""
    return expectation is not Expectation.YES_NO and made_of(split_words(text), _HUMS)


_SPELL = re.compile(r"\bspell\b|letter by letter", re.IGNORECASE)
_DIGITS = re.compile(
    r"\b(?:serial|order|phone|account|card|model|post|zip)?\s*(?:number|code|digits|pin)\b",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^(?:is|are|am|was|were|do|does|did|can|could|would|will|shall|should|have|has|may)\b",
    re.IGNORECASE,
)


_REQUEST = re.compile(
    r"(?:(?:now|then|and|so|first|next),? )?(?:please,? )?"
    r"(?:say|tell|give|read|spell|enter|type)\b",
    re.IGNORECASE,
)


def expected_answer(agent_text: str) -> Expectation:
    """Say what the agent's last sentences asked the caller for; a hint may follow the question."""
    asked = _question(agent_text)
    return _asked_for(asked) if asked else Expectation.OPEN


def is_question(agent_text: str) -> bool:
    """Say whether the agent's last sentences ask the caller for anything."""
    return bool(_question(agent_text))


def _question(agent_text: str) -> str:
    sentences = [each.strip() for each in re.split(r"(?<=[.!?])\s+", agent_text) if each.strip()]
    asking = (each for each in reversed(sentences[-2:]) if each[-1] == "?" or _REQUEST.match(each))
    return next(asking, "")


def _asked_for(sentence: str) -> Expectation:
    if _SPELL.search(sentence):
        return Expectation.SPELLING
    if _DIGITS.search(sentence):
        return Expectation.DIGITS
    clause = re.split(r",\s*", sentence)[-1]
    if _YES_NO.match(clause) or _YES_NO.match(sentence):
        return Expectation.YES_NO
    return Expectation.OPEN
