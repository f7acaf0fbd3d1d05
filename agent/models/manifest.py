"""Read the model manifest: what each model is, its finished files, and where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from media import ConfigError

SHIPPED = Path(__file__).with_name("manifest.yaml")
RECAST_FORMATS = ("q8_0",)
"""Formats that a language model's weights can be kept in once more."""


class Kind(StrEnum):
    """What a model is for."""

    RECOGNIZER = "recognizer"
    LANGUAGE_MODEL = "language_model"
    VOICE = "voice"
    VOICE_ACTIVITY = "voice_activity"
    TURN = "turn"


@dataclass(frozen=True, slots=True)
class FileSpec:
    """One finished file of a model."""

    path: str
    """Relative to the model's folder, with ``/``."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside a wheel."""

    requirement: str
    """``NAME==VERSION``."""
    path: str


@dataclass(frozen=True, slots=True)
class OfficialSource:
    """The publisher's own files: path in the model's folder to URL."""

    urls: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """A zip of the publisher."""

    url: str
    root: str
    """Folder in the zip that holds the model."""
    size_bytes: int
    sha256: str
    """Of the zip."""


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Files inside wheels: path in the model's folder to the parts that are joined."""

    files: tuple[tuple[str, tuple[Part, ...]], ...]


Source = OfficialSource | ArchiveSource | PackageSource


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the manifest."""

    name: str
    kind: Kind
    engine: str
    """``vosk`` or ``whisper`` for a recognizer, empty for the others."""
    languages: tuple[str, ...]
    """Primary language subtags (BCP 47), or ``*`` for any."""
    licence: str
    files: tuple[FileSpec, ...]
    """Empty where only the archive's sum is known."""
    sources: tuple[Source, ...]
    size_bytes: int
    main: str | None = None
    """The file an engine opens; none for the whole folder."""
    optional: bool = False
    min_cores: int = 1
    """``auto`` passes it over on smaller machines."""
    recast: tuple[tuple[str, str], ...] = ()
    """Processor flag and the format that is computed faster with it; the first that fits counts."""

    def speaks(self, language: str) -> bool:
        """Return whether it fits a BCP 47 language tag such as ``en`` or ``en-GB``."""
        return "*" in self.languages or language.lower().split("-")[0] in self.languages

    @property
    def digest(self) -> str:
        """SHA-256 over what the finished model must be; a marker with another one is stale."""
        sums: list[object] = [asdict(each) for each in self.files]
        if not sums:
            sums = [each.sha256 for each in self.sources if isinstance(each, ArchiveSource)]
        return hashlib.sha256(json.dumps([self.name, sums]).encode()).hexdigest()


def load_manifest(path: Path = SHIPPED) -> tuple[ModelSpec, ...]:
    """Return the models in order of preference.

    Raises:
        ConfigError: with one line per model that cannot be used as it is written.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    problems: list[str] = []
    models: list[ModelSpec] = []
    for index, entry in enumerate(raw["models"]):
        try:
            models.append(_parse_model(entry))
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"{path.name}: models[{index}]: {type(error).__name__}: {error}")
    names = [each.name for each in models]
    problems += [f"{path.name}: {name}: named twice" for name in {*names} if names.count(name) > 1]
    if problems:
        raise ConfigError(problems)
    return tuple(models)


def is_inside(path: str) -> bool:
    """Return whether a relative path stays in its folder on every system."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\\" not in path


def _parse_model(entry: Mapping[str, Any]) -> ModelSpec:
    files = tuple(
        FileSpec(_checked_path(each["path"]), int(each["bytes"]), _checked_sum(each["sha256"]))
        for each in entry.get("files", ())
    )
    main = entry.get("main")
    if main is not None and main not in {each.path for each in files}:
        raise ValueError(f"main {main!r} is not among its files")
    size_bytes = sum(each.size_bytes for each in files) or int(entry["bytes"])
    return ModelSpec(
        name=_checked_path(entry["name"]),
        kind=Kind(entry["kind"]),
        engine=str(entry.get("engine", "")),
        languages=tuple(entry["languages"]),
        licence=str(entry["licence"]),
        files=files,
        sources=tuple(_parse_source(each, files) for each in entry["sources"]),
        size_bytes=size_bytes,
        main=main,
        optional=bool(entry.get("optional", False)),
        min_cores=int(entry.get("min_cores", 1)),
        recast=_parse_recast(entry.get("recast", {}), main),
    )


def _parse_recast(raw: Mapping[str, str], main: str | None) -> tuple[tuple[str, str], ...]:
    if raw and (main is None or not main.endswith(".gguf")):
        raise ValueError("only a model whose main file is a GGUF can be recast")
    if unknown := set(raw.values()) - set(RECAST_FORMATS):
        raise ValueError(f"cannot recast to {', '.join(sorted(unknown))}")
    return tuple(raw.items())


def _parse_source(raw: Mapping[str, Any], files: tuple[FileSpec, ...]) -> Source:
    if "archive" in raw:
        return ArchiveSource(
            _checked_url(raw["archive"]),
            _checked_path(raw["root"]),
            int(raw["bytes"]),
            _checked_sum(raw["sha256"]),
        )
    named = raw["official"] if "official" in raw else raw["package"]
    if set(named) != {each.path for each in files}:
        raise ValueError("a source must give exactly the model's files")
    if "official" in raw:
        return OfficialSource(tuple((path, _checked_url(url)) for path, url in named.items()))
    return PackageSource(
        tuple((path, tuple(_parse_part(each) for each in parts)) for path, parts in named.items())
    )


def _parse_part(text: str) -> Part:
    requirement, _, path = text.partition(":")
    name, pinned, version = requirement.partition("==")
    if not (name and pinned and version and path):
        raise ValueError(f"{text!r} is not NAME==VERSION:PATH")
    return Part(requirement, path)


def _checked_path(path: str) -> str:
    if not is_inside(path):
        raise ValueError(f"path {path!r} leaves its folder")
    return path


def _checked_sum(text: str) -> str:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(f"{text!r} is not a SHA-256")
    return text


def _checked_url(url: str) -> str:
    if not url.startswith(("https://", "file://")):
        raise ValueError(f"{url!r} is neither https:// nor file://")
    return url
