"""Say which models are there and which one is used for what.

A model is there when its folder holds a marker that a finished installation wrote, made for what
the manifest says now, and every file that the marker lists still has its size.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.models.manifest import Kind, ModelSpec, load_manifest
from agent.models.recast import copy_in_use
from media import ConfigError

MARKER = ".installed.json"
STATE = ".state.json"


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that is used for one job."""

    name: str
    engine: str
    """``vosk`` or ``whisper`` for a recognizer, empty for the others."""
    path: Path
    """The file or folder that the engine opens."""
    why: str = ""
    """Why it was taken instead of a better one; empty for the first choice."""


class ModelStore:
    """The models in one folder.

    Args:
        models_dir: folder that ``cordboard models fetch`` fills; need not exist.
        manifest: the models, in order of preference within each kind.
    """

    def __init__(self, models_dir: Path, manifest: tuple[ModelSpec, ...] | None = None) -> None:
        self.models_dir = models_dir
        self.manifest = load_manifest() if manifest is None else manifest

    def spec(self, name: str) -> ModelSpec:
        """Return what the manifest says of a model.

        Raises:
            ConfigError: no model of that name.
        """
        for each in self.manifest:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.manifest)
        raise ConfigError([f"unknown model {name!r}; known: {known}"])

    def is_present(self, spec: ModelSpec) -> bool:
        """Return whether a model is there, whole, and what the manifest asks for now."""
        folder = self.models_dir / spec.name
        try:
            marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            return marker["digest"] == spec.digest and all(
                (folder / path).stat().st_size == size for path, size in marker["files"].items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def damage(self, spec: ModelSpec, *, contents: bool = False) -> str:
        """Return what is wrong with an installed model; empty where nothing is, or it is not there.

        Args:
            spec: the model.
            contents: read every file and compare its SHA-256 with that of the installation.
        """
        folder = self.models_dir / spec.name
        try:
            marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            sizes, sums = dict(marker["files"]), dict(marker.get("sha256", {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return ""
        for name, size in sizes.items():
            try:
                size_now = (folder / name).stat().st_size
                if size_now != size:
                    return f"{name} has {size_now:,} bytes instead of {size:,}"
                if contents and sums.get(name, "") not in ("", file_sum(folder / name)):
                    return f"{name} is not what was installed: its SHA-256 is another"
            except OSError as error:
                return f"{name}: {error.strerror}"
        return ""

    def discard(self, spec: ModelSpec) -> None:
        """Take a model for not there from now on."""
        (self.models_dir / spec.name / MARKER).unlink(missing_ok=True)

    def failure(self, name: str) -> str:
        """Return why the last fetch of a model failed, empty if none did."""
        try:
            state = json.loads((self.models_dir / STATE).read_text(encoding="utf-8"))
            return str(state.get(name, ""))
        except (OSError, ValueError, AttributeError):
            return ""

    def record_failure(self, name: str, reason: str) -> None:
        """Keep why a fetch failed; an empty reason forgets it."""
        path = self.models_dir / STATE
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            state = {}
        state.pop(name, None)
        if reason:
            state[name] = reason
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(state, indent=1, sort_keys=True), encoding="utf-8")
        fresh.replace(path)

    def path(self, name: str) -> Path:
        """Return the file or folder that an engine opens.

        Raises:
            ConfigError: unknown, or not there.
        """
        spec = self.spec(name)
        if not self.is_present(spec):
            raise ConfigError([f"{self._absence(spec)}; run: cordboard models fetch"])
        folder = self.models_dir / spec.name
        fast = copy_in_use(folder, spec)
        if fast is not None:
            return fast
        return folder / spec.main if spec.main else folder

    def choose_recognizer(self, language: str, engine: str = "auto") -> Choice:
        """Choose speech to text for a language tag; ``engine`` is auto, vosk or whisper.

        Raises:
            ConfigError: none for the language is there.
        """
        choice = self._first(
            self.recognizers(language, engine), f"speech recognition of {language!r}"
        )
        if not choice.why:
            return choice
        return Choice(
            choice.name,
            choice.engine,
            choice.path,
            f"{choice.why}; {language} is recognised by {choice.name}",
        )

    def choose_language_model(self, name: str = "auto") -> Choice:
        """Choose the language model: by manifest name, or the first that this machine can carry.

        Raises:
            ConfigError: it is not there.
        """
        return self._first(self.language_models(name), f"the language model {name!r}")

    def choose_voice(self, language: str, name: str | None = None) -> Choice:
        """Choose a voice: by manifest name, or (None, ``auto``) the first of the language.

        Raises:
            ConfigError: it is not there.
        """
        return self._first(self.voices(language, name), f"a voice for {language!r}")

    def voice_activity(self) -> Choice:
        """Return the voice activity model.

        Raises:
            ConfigError: it is not there.
        """
        return self._first(self._of(Kind.VOICE_ACTIVITY), "voice activity")

    def turn(self) -> Choice:
        """Return the end-of-turn model.

        Raises:
            ConfigError: it is not there.
        """
        return self._first(self._of(Kind.TURN), "end of turn")

    def recognizers(self, language: str, engine: str = "auto") -> list[ModelSpec]:
        """Return the recognizers that fit, best first."""
        return [
            each
            for each in self._of(Kind.RECOGNIZER)
            if each.speaks(language) and engine in ("auto", each.engine)
        ]

    def language_models(self, name: str = "auto") -> list[ModelSpec]:
        """Return the language models that fit, best first."""
        if name != "auto":
            return [self.spec(name)]
        cores = os.cpu_count() or 1
        return [each for each in self._of(Kind.LANGUAGE_MODEL) if each.min_cores <= cores]

    def voices(self, language: str, name: str | None = None) -> list[ModelSpec]:
        """Return the voices that fit, best first."""
        if name not in (None, "auto"):
            return [self.spec(str(name))]
        return [each for each in self._of(Kind.VOICE) if each.speaks(language)]

    def of_kind(self, kind: Kind) -> list[ModelSpec]:
        """Return every model of a kind, best first."""
        return self._of(kind)

    def _of(self, kind: Kind) -> list[ModelSpec]:
        return [each for each in self.manifest if each.kind is kind]

    def _first(self, candidates: Iterable[ModelSpec], job: str) -> Choice:
        passed_over: list[str] = []
        for spec in candidates:
            if self.is_present(spec):
                why = "; ".join(passed_over)
                return Choice(spec.name, spec.engine, self.path(spec.name), why)
            if not spec.optional:
                passed_over.append(self._absence(spec))
        absent = "; ".join(passed_over) or "the manifest has none"
        raise ConfigError([f"no model for {job}: {absent}; run: cordboard models fetch"])

    def _absence(self, spec: ModelSpec) -> str:
        known = self.damage(spec) or self.failure(spec.name)
        return f"{spec.name}: {known or f'not in {self.models_dir}'}"


def file_sum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
