"""Make text from the wire fit for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return text from the wire with no power over the terminal: controls become U+FFFD."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def printable_lines(text: str) -> str:
    """Return the same for each line of a text whose line ends are ours."""
    return "\n".join(printable(each) for each in text.split("\n"))
