"""Fill place holders in the configuration's sentences (sans-IO)."""

from __future__ import annotations

from media.config.queues import AnnounceConfig


def fill(text: str, **names: object) -> str:
    """Replace ``{name}`` for every name given; anything else stays as it is written."""
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def announcement(texts: AnnounceConfig, position: int, expected_wait_s: int | None) -> str:
    """Return what a waiting caller is told.

    Args:
        texts: the queue's.
        position: from 1.
        expected_wait_s: None while nothing is known; rounded up to minutes.
    """
    said = fill(texts.position, position=position)
    if expected_wait_s is None:
        return said
    minutes = -(-expected_wait_s // 60)
    wait = texts.soon if minutes < 2 else fill(texts.wait, minutes=minutes)
    return f"{said} {wait}".strip()
