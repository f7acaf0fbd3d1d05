"""Load ``cordboard.yaml``: compose nodes, convert them, check them, make paths absolute.

:func:`load_config` is what the processes call. :func:`read_config` also returns the positions of
all values, for those who have more to say about the file than this package can.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media import ConfigError
from media.config.checks import DatabaseUrl, FilePath
from media.config.collection import collection_paused
from media.config.consistency import check_consistency
from media.config.model import Config
from media.config.nodes import LARGEST_FILE_BYTES, NodeError, compose, decode
from media.config.read import FLAWED, Problem, Reading, fields_of, read, read_dataclass


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file that was read, usable or not."""

    config: Config | None
    """None when there are problems."""
    draft: Config | None
    """What could be understood, flawed values left out or at their defaults."""
    reading: Reading
    """Problems, positions and names."""
    warnings: tuple[Problem, ...] = ()
    """Things that work and that someone should look at."""


def load_config(path: Path) -> Config:
    """Load a configuration with all paths absolute.

    Raises:
        ConfigError: unreadable or wrong; holds every problem.
    """
    loaded = read_config(path)
    if loaded.config is None:
        raise ConfigError([str(each) for each in sorted(loaded.reading.problems)])
    return loaded.config


def read_config(path: Path) -> Loaded:
    """Read a configuration and keep everything that was learnt; never raises for its content.

    Raises:
        ConfigError: the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    return parse_config(content, path)


def parse_config(content: bytes, path: Path) -> Loaded:
    """Read a configuration from its bytes.

    Args:
        content: the file's bytes.
        path: where they come from; named in messages, and its folder is where ``home`` starts.
    """
    with collection_paused():
        return _parse(content, path)


def _parse(content: bytes, path: Path) -> Loaded:
    reading = Reading(str(path))
    draft = _draft(content, reading)
    warnings: list[Problem] = []
    if draft is not None:
        warnings = check_consistency(draft, reading)
        draft = _with_absolute_paths(draft, path.absolute().parent)
    good = draft if not reading.problems else None
    return Loaded(good, draft, reading, tuple(warnings))


def _draft(content: bytes, reading: Reading) -> Config | None:
    flaws: list[NodeError] = []
    try:
        root = compose(decode(content), flaws)
    except NodeError as error:
        flaws.append(error)
        return None
    finally:
        reading.problems += [
            Problem(reading.file, each.line, each.column, "", str(each)) for each in flaws
        ]
    if root is None:
        missing = '"agents" and "dialplan" are missing'
        reading.problems.append(Problem(reading.file, 1, 1, "", f"the file is empty; {missing}"))
        return None
    reading.positions[""] = (root.line, root.column)
    value = read_dataclass(Config, root, "", reading)
    return _without_flaws(root, reading) if value is FLAWED else typing.cast(Config, value)


def _without_flaws(root: Any, reading: Reading) -> Config | None:
    """Build what can be built when a required section is missing or flawed."""
    pairs = getattr(root, "pairs", None)
    if pairs is None:
        return None
    scratch = Reading(reading.file)
    values: dict[str, Any] = {"agents": {}, "dialplan": ()}
    for key, node in pairs:
        name = getattr(key, "text", None)
        if name in fields_of(Config):
            value = read(fields_of(Config)[name][0], node, name, scratch)
            if value is not FLAWED and value is not None:
                values[name] = value
    return Config(**values)


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    home = (folder / Path(config.home).expanduser()).resolve()
    return typing.cast(Config, _resolve(dataclasses.replace(config, home=str(home)), home))


def _resolve(value: Any, home: Path, extras: tuple[Any, ...] = ()) -> Any:
    if isinstance(value, str):
        for each in extras:
            if isinstance(each, FilePath):
                return str((home / Path(value).expanduser()).resolve())
            if isinstance(each, DatabaseUrl):
                return _resolve_url(value, home)
        return value
    if isinstance(value, tuple):
        return tuple(_resolve(each, home, extras) for each in value)
    if isinstance(value, dict):
        return {key: _resolve(each, home, extras) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {}
        for name, marks in _fields_with_paths(type(value)):
            old = getattr(value, name)
            new = _resolve(old, home, marks)
            if new != old:
                changed[name] = new
        return dataclasses.replace(value, **changed) if changed else value
    return value


@functools.cache
def _fields_with_paths(cls: type) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """Return the fields that are or hold paths, with the marks of their annotations."""
    found = []
    for name, (hint, _) in fields_of(cls).items():
        marks, classes = _parts(hint)
        if any(isinstance(each, FilePath | DatabaseUrl) for each in marks) or any(
            inner is cls or _fields_with_paths(inner) for inner in classes
        ):
            found.append((name, marks))
    return tuple(found)


def _parts(hint: Any) -> tuple[tuple[Any, ...], tuple[type, ...]]:
    """Return the marks and the dataclasses in an annotation."""
    if dataclasses.is_dataclass(hint):
        return (), (typing.cast(type, hint),)
    marks: tuple[Any, ...] = ()
    classes: tuple[type, ...] = ()
    args = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Annotated:
        marks, args = tuple(args[1:]), args[:1]
    for each in args:
        more_marks, more_classes = _parts(each)
        marks, classes = (*marks, *more_marks), (*classes, *more_classes)
    return marks, classes


def _resolve_url(url: str, home: Path) -> str:
    prefix = "sqlite:///"
    if not url.startswith(prefix) or url == "sqlite:///:memory:":
        return url
    rest, question, query = url[len(prefix) :].partition("?")
    if rest.startswith(("file:", "/")) or not rest:
        return url
    return f"{prefix}{(home / rest).resolve()}{question}{query}"
