"""Tell words that mostly go on, such as "with", from the same words at the end of a sentence.

English. A preposition ends a question only where something before it was left open: "what is it
for", "somebody I can talk to", "the light is on", and not "does it work with".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.words import split_words

QUESTION_STARTS = frozenset(
    split_words(
        "what when where who why how which whats wheres whens hows is are can could do does did "
        "will would should may has have am"
    )
)
DETERMINERS = frozenset(split_words("the my a an our your his her their this these those"))
_WH = frozenset(split_words("what when where who why how which whats wheres whens hows"))
_ENDS_OF_QUESTIONS = frozenset(split_words("work do this these those"))
_ENDS = frozenset((("it", "is"), ("they", "are"), ("i", "am"), ("i", "do"), ("it", "does")))
_ENDS_OF_SENTENCES = frozenset(
    split_words(each)
    for each in (
        "to do", "to be", "or not", "why not", "course not", "think not", "hope not", "as well",
        "very well", "works well", "work well", "you can", "you could", "i have", "it was",
    )
)  # fmt: skip
"""Words that mostly go on, behind words after which they do not."""
_THEN_BE = re.compile(r"\b(?:what|where|who|when|how|why)(?: \w+){2,4}$")
"""Before an "is" that ends "I do not know where the button is"."""
_SWITCHING = re.compile(r"\b(?:turn|switch|log|sign|plug|put|come|keep|screw|set)\w*(?: \w+){0,3}$")
"""Before an "on" or "in" that ends "I cannot turn it on"."""
_TO_WHOM = frozenset(split_words("talk speak send listen go write belong ship deliver it them"))
_PREPOSITIONS = frozenset(split_words("on in for with to from at about"))
_OPENED = re.compile(
    r"\b(?:"
    # "which wifi does it work with", "what it is for", and not "which cameras work with"
    r"(?:who|whom|whos|which|whats?|how (?:many|much(?! (?:is|are))) \w+)(?: \w+){0,3}?"
    r" (?:(?:do|does|did|can|could|will|would|should|shall|may|must|have|has)(?: \w+){2,}"
    r"|(?:(?:is|are|am|was|were) )?(?:i|we|you|it|they|he|she|this|that|these)(?: \w+)*)"
    # "what is the button for", and not "what is the range of the camera in"
    r"|what(?:s| is| are| was| were)(?: \w+){1,3}(?= (?:for|about)$)"
    r"|what (?:is|are|was|were) (?:the|my|your|this) \w+ (?:\w+ed|made|compatible|good)"
    r"|where .*\b(?:(?=from|at)|(?:it|this|that|them|these) (?=to))"
    r"|how (?:long|late|far) .*\b(?=for))"
    r" ?\w+$"
)
"""What the preposition at the end belongs to."""
_CLOSED = re.compile(
    r"\b(?:if|when|because|while)\b|\b(?:do|does|happens?|happened|need) \w+$"
    r"|\b(?:have|want|going|able|possible|used|trying|supposed|like) to$"
)
"""What leaves the end of such a question to be said: "what do I have to"."""
_RELATIVE = re.compile(
    r"\b(?:some|any|no)?(?:body|one|thing|where|person|people|number|address)(?: else)?(?: that)? "
    r"(?:i|we|you|to) \w+"
)
"""The same in "somebody I can speak with"."""
_SHINING = re.compile(
    r"\b(?:lights?|led|lamp|ring|power|be|stays?|always|still|not|(?:is|was) it)"
    r"(?: (?:still|always))?$"
)
"""Before an "on" that ends "why is the red light on"."""


def ends_naturally(words: Sequence[str]) -> bool:
    """Tell 'what time are you open to' and 'how are you' kinds from a sentence that goes on."""
    before, last = " ".join(words[:-1]), words[-1]
    if last == "to" and words[0] not in _WH:
        # "is there somebody I can talk to", not "is it possible to"
        return len(words) >= 4 and words[-2] in _TO_WHOM and _is_open(words)
    asks = words[0] in QUESTION_STARTS and len(words) >= 4
    return (
        asks
        and (last in _ENDS_OF_QUESTIONS or _leaves_nothing_open(words))
        or tuple(words[-2:]) in _ENDS
        or len(words) >= 5
        and tuple(words[-2:]) in _ENDS_OF_SENTENCES
        or last in ("is", "are", "was", "were")
        and _THEN_BE.search(before) is not None
        or last in ("on", "in", "over", "up")
        and _SWITCHING.search(before) is not None
    )


def _leaves_nothing_open(words: Sequence[str]) -> bool:
    """Say whether the last word of a question has what it asks for."""
    last = words[-1]
    if last in _PREPOSITIONS:
        shines = last == "on" and _SHINING.search(" ".join(words[:-1])) is not None
        return shines or _is_open(words)
    if last == "that":
        # "can I do that", not "can I return the camera that"
        return words[-3] not in DETERMINERS or words[-2] in DETERMINERS
    return last == "have" and not {"if", "whether"} & set(words) and bool(_WH & set(words))


def _is_open(words: Sequence[str]) -> bool:
    """Say whether a preposition at the end has something before it that it belongs to."""
    said = " ".join(words)
    if _RELATIVE.search(said):
        return True
    return _OPENED.search(said) is not None and _CLOSED.search(said) is None
