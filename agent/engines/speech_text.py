"""Write text the way it is said."""

from __future__ import annotations


def spoken_text(text: str, language: str) -> str:
    """Return what a voice should say for a written text.

    Args:
        text: what the record shows.
        language: the voice's, such as ``en``.
    """
    return " ".join(text.split()) if language else text
