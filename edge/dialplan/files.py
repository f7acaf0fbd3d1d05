"""Find files that the configuration names and this machine does not have."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from media.config.consistency import rules_with_paths
from media.config.model import Config
from media.config.read import Problem, Reading
from media.config.routing import ActionConfig


def missing_files(config: Config, reading: Reading) -> list[Problem]:
    """Return a warning for each file that cannot be read; it may be there when the service starts.

    Args:
        config: its paths absolute.
        reading: where everything stands in the file.
    """
    found: dict[str, str | None] = {}
    warnings = []
    for path, name, is_sound in _files(config, reading):
        if name not in found:
            found[name] = _problem(Path(name), is_sound)
        problem = found[name]
        if problem is not None:
            warnings.append(Problem(reading.file, *reading.position(path), path, problem))
    return warnings


def _problem(file: Path, is_sound: bool) -> str | None:
    if not file.exists():
        near = sorted(each.name for each in file.parent.glob(f"{glob.escape(file.stem)}.*"))
        hint = f"; {', '.join(near[:3])} is there" if near else ""
        return f"there is no file {file}{hint}"
    if not file.is_file() or not os.access(file, os.R_OK):
        return f"{file} cannot be read"
    if is_sound:
        with file.open("rb") as content:
            head = content.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return f"{file} is no WAV file"
    return None


def _files(config: Config, reading: Reading) -> Iterator[tuple[str, str, bool]]:
    """Yield path in the configuration, name of the file, and whether it is a sound."""
    for path, rule in rules_with_paths(config, reading):
        yield from _announced(path, rule)
    for name, queue in config.queues.items():
        if queue.music is not None:
            yield f"queues.{name}.music", queue.music, True
        if queue.on_failure is not None:
            yield from _announced(f"queues.{name}.on_failure", queue.on_failure)
    if config.media.apology_file is not None:
        yield "media.apology_file", config.media.apology_file, True
    for name, trunk in config.trunks.items():
        for section in ("register", "digest"):
            credentials = getattr(trunk, section)
            if credentials is not None and credentials.password_file is not None:
                yield f"trunks.{name}.{section}.password_file", credentials.password_file, False


def _announced(path: str, action: ActionConfig) -> Iterator[tuple[str, str, bool]]:
    if action.announce is not None:
        yield f"{path}.announce", action.announce, True
    if action.on_failure is not None:
        yield from _announced(f"{path}.on_failure", action.on_failure)
