"""Find the sounds that a configuration names and that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from media.config.consistency import rules_with_paths
from media.config.model import Config
from media.config.read import Problem, Reading
from media.config.routing import ActionConfig


def missing_sounds(config: Config, reading: Reading) -> list[Problem]:
    """Return a warning for each sound without a file: its callers would hear nothing of it.

    Args:
        config: with all paths absolute.
        reading: where its values stand.
    """
    return [
        Problem(reading.file, *reading.position(path), path, f"there is no file {sound}")
        for path, sound in _sounds(config, reading)
        if not Path(sound).is_file()
    ]


def _sounds(config: Config, reading: Reading) -> Iterator[tuple[str, str]]:
    if config.media.apology_file is not None:
        yield "media.apology_file", config.media.apology_file
    for path, rule in rules_with_paths(config, reading):
        yield from _announcements(path, rule)
    for name, queue in config.queues.items():
        if queue.music is not None:
            yield f"queues.{name}.music", queue.music
        yield from _announcements(f"queues.{name}.on_failure", queue.on_failure)


def _announcements(path: str, action: ActionConfig | None) -> Iterator[tuple[str, str]]:
    while action is not None:
        if action.announce is not None:
            yield f"{path}.announce", action.announce
        path, action = f"{path}.on_failure", action.on_failure
