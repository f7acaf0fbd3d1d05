"""Say whether words that were said into the agent's speech are meant to stop it (sans-IO).

A word said while somebody else speaks mostly shows that the other is heard, and recognisers make
anything of a hum. So brief words count only when they were well heard and ask for something: to
stop, or what can be answered. Whoever means more goes on talking.
"""

from __future__ import annotations

from agent.endpointing import Grasp
from agent.words import split_words

BRIEF_MS = 700
"""Speech that may be a hum, an "okay, good", or one word."""
DOUBTFUL = 0.45
"""Hums and noises are taken for words with 0.2 to 0.4, real single words are heard with 0.45 and
more, most with 0.6 to 0.9."""
_STOPS = frozenset(
    split_words(
        "stop wait no nope hold hang moment second sec excuse sorry pardon hello hey listen enough "
        "quiet shut actually but what who where when why how which repeat again question never "
        "wrong cancel instead help please halt pause"
    )
)


def is_doubtful(speech_ms: int, confidence: float) -> bool:
    """Say whether brief words may be none.

    Args:
        speech_ms: time in which the detector heard a voice.
        confidence: of the recogniser, 0 to 1.
    """
    return speech_ms < BRIEF_MS and confidence < DOUBTFUL


def is_heeded(text: str, speech_ms: int, confidence: float, grasp: Grasp) -> bool:
    """Say whether words may stop the agent.

    Args:
        text: what was recognised.
        speech_ms: time in which the detector heard a voice.
        confidence: of the recogniser, 0 to 1.
        grasp: whether the words can be answered.
    """
    if speech_ms >= BRIEF_MS:
        return True
    if confidence < DOUBTFUL:
        return False
    return grasp is not Grasp.NOTHING or bool(_STOPS & set(split_words(text)))
