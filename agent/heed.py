"""Say whether words that were said into the agent's speech are meant to stop it (sans-IO).

A word said while somebody else speaks mostly shows that the other is heard, and recognisers make
anything of a hum. So brief words count only when they were well heard and ask for something: to
stop, or what can be answered, or answer what the agent has all but asked. Whoever means more goes
on talking. The words are English: in other languages all words count.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.endpointing import Grasp
from agent.sentence_ends import QUESTION_STARTS
from agent.words import made_of, split_words

LANGUAGE = "en"
"""Of the lists of words below."""
LONGEST_REACTION = 5
"""Words in "oh, that is very good"."""
BRIEF_MS = 700
"""Speech that may be a hum, an "okay, good", or one word."""
DOUBTFUL = 0.45
"""Hums and noises are taken for words with 0.2 to 0.4, real single words are heard with 0.45 and
more, most with 0.6 to 0.9."""
WELL_HEARD = 0.6
"""What brief words need that do not ask to stop, such as a topic: hums are taken for those, too."""
_REACTIONS = frozenset(
    split_words("you are it is thats that this oh ah well so very much all then there")
)
"""Around a backchannel these make a reaction of it: "oh, that is good"."""
_OPENERS = frozenset(split_words("oh ah well so and but okay then"))
"""Before a question."""
_STOPS = frozenset(
    split_words(
        "stop wait no nope hold hang moment second sec excuse sorry pardon hello hey listen enough "
        "quiet shut actually but what who where when why how which repeat again question never "
        "wrong cancel instead help please halt pause operator human person agent representative "
        "louder slower loud slow slowly faster cant couldnt dont"
    )
)


def is_doubtful(speech_ms: int, confidence: float) -> bool:
    """Say whether brief words may be none.

    Args:
        speech_ms: time in which the detector heard a voice.
        confidence: of the recogniser, 0 to 1.
    """
    return speech_ms < BRIEF_MS and confidence < DOUBTFUL


def is_heeded(
    text: str,
    speech_ms: int,
    confidence: float,
    grasp: Grasp,
    backchannels: Sequence[str] = (),
    *,
    language: str = LANGUAGE,
    asked: bool = False,
) -> bool:
    """Say whether words may stop the agent.

    Args:
        text: what was recognised.
        speech_ms: time in which the detector heard a voice.
        confidence: of the recogniser, 0 to 1.
        grasp: whether the words can be answered.
        backchannels: words that only show that somebody listens.
        language: the persona's, as in ``en-GB``.
        asked: the agent has all but asked a question.
    """
    if language.partition("-")[0].lower() != LANGUAGE:
        return True
    words = split_words(text)
    asks = _asks(text, words)
    if not asks and _reacts(words, backchannels):
        return False
    if speech_ms >= BRIEF_MS:
        return True
    if asked or _STOPS & set(words):
        return confidence >= DOUBTFUL
    return confidence >= WELL_HEARD and (asks or grasp is not Grasp.NOTHING)


def _asks(text: str, words: Sequence[str]) -> bool:
    """Say whether words are a question; a single one ("Really?") is none."""
    rest = [each for each in words if each not in _OPENERS]
    asking = text.rstrip().endswith("?") or bool(rest) and rest[0] in QUESTION_STARTS
    return len(rest) >= 2 and asking


def _reacts(words: Sequence[str], backchannels: Sequence[str]) -> bool:
    """Say whether words are backchannels and what goes with them."""
    rest = [each for each in words if each not in _REACTIONS]
    return len(words) <= LONGEST_REACTION and made_of(rest, backchannels)
