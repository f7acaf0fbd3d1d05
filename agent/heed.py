"""Say whether words that were said into the agent's speech are meant to stop it (sans-IO).

A word said while somebody else speaks mostly shows that the other is heard, and recognisers make
anything of a hum. So brief words count only when they were well heard and ask for something: to
stop, or what can be answered. Whoever means more goes on talking.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.endpointing import Grasp
from agent.words import made_of, split_words

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
_STOPS = frozenset(
    split_words(
        "stop wait no nope hold hang moment second sec excuse sorry pardon hello hey listen enough "
        "quiet shut actually but what who where when why how which repeat again question never "
        "wrong cancel instead help please halt pause operator human person agent representative"
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
) -> bool:
    """Say whether words may stop the agent.

    Args:
        text: what was recognised.
        speech_ms: time in which the detector heard a voice.
        confidence: of the recogniser, 0 to 1.
        grasp: whether the words can be answered.
        backchannels: words that only show that somebody listens.
    """
    words = split_words(text)
    if _reacts(words, backchannels):
        return False
    if speech_ms >= BRIEF_MS:
        return True
    if _STOPS & set(words):
        return confidence >= DOUBTFUL
    return confidence >= WELL_HEARD and grasp is not Grasp.NOTHING


def _reacts(words: Sequence[str], backchannels: Sequence[str]) -> bool:
    """Say whether words are backchannels and what goes with them."""
    rest = [each for each in words if each not in _REACTIONS]
    return len(words) <= LONGEST_REACTION and made_of(rest, backchannels)
