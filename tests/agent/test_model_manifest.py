"""The manifest: what ships is usable, what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from agent.models.manifest import (
    ArchiveSource,
    Kind,
    ModelSpec,
    OfficialSource,
    PackageSource,
    is_inside,
    load_manifest,
)
from media import ConfigError

pytestmark = pytest.mark.unit

SUM = "0" * 64


def entry(**changes: object) -> dict[str, object]:
    """Return a model as the manifest writes it."""
    plain: dict[str, object] = {
        "name": "m",
        "kind": "turn",
        "languages": ["*"],
        "licence": "MIT",
        "files": [{"path": "m.bin", "bytes": 3, "sha256": SUM}],
        "sources": [{"official": {"m.bin": "https://models.test/m.bin"}}],
    }
    return plain | changes


def load(tmp_path: Path, *entries: dict[str, object]) -> tuple[ModelSpec, ...]:
    """Write a manifest and load it."""
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump({"models": list(entries)}))
    return load_manifest(path)


def test_the_shipped_manifest_has_every_kind_for_english() -> None:
    """Every job of an English agent has a model."""
    models = load_manifest()
    for kind in Kind:
        assert any(each.kind is kind and each.speaks("en-GB") for each in models), kind


def test_vosk_is_the_first_choice_for_english() -> None:
    """The first English recognizer is Vosk's, pinned to the publisher's archive."""
    first = next(each for each in load_manifest() if each.kind is Kind.RECOGNIZER)
    assert first.engine == "vosk" and first.speaks("en")
    assert isinstance(first.sources[0], ArchiveSource)
    assert first.sources[0].size_bytes == 41_205_931


def test_a_publisher_comes_before_packages() -> None:
    """No model prefers a package to its publisher's own file."""
    for model in load_manifest():
        kinds = [isinstance(each, PackageSource) for each in model.sources]
        assert kinds == sorted(kinds), model.name


def test_a_complete_entry_is_read(tmp_path: Path) -> None:
    """Names, sums, sizes and URLs arrive as they were written."""
    (model,) = load(tmp_path, entry(main="m.bin"))
    assert (model.name, model.kind, model.main, model.size_bytes) == ("m", Kind.TURN, "m.bin", 3)
    assert model.sources == (OfficialSource((("m.bin", "https://models.test/m.bin"),)),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"files": [{"path": "../m.bin", "bytes": 3, "sha256": SUM}]}, "leaves its folder"),
        ({"files": [{"path": "m.bin", "bytes": 3, "sha256": "abc"}]}, "not a SHA-256"),
        ({"sources": [{"official": {"m.bin": "http://models.test/m"}}]}, "neither https"),
        ({"sources": [{"official": {"n.bin": "https://models.test/n"}}]}, "exactly the model's"),
        ({"sources": [{"package": {"m.bin": ["wheel>=1:m.bin"]}}]}, "NAME==VERSION:PATH"),
        ({"main": "other.bin"}, "not among its files"),
        ({"kind": "oracle"}, "oracle"),
    ],
)
def test_a_wrong_entry_is_said(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    """Each mistake gets a line that names the entry and what is wrong."""
    with pytest.raises(ConfigError, match=rf"models\[0\].*{said}"):
        load(tmp_path, entry(**changes))


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    """Two models of one name cannot be told apart."""
    with pytest.raises(ConfigError, match="named twice"):
        load(tmp_path, entry(), entry())


def test_other_sums_make_another_digest(tmp_path: Path) -> None:
    """A marker written for other sums does not fit."""
    (one,) = load(tmp_path, entry())
    (two,) = load(tmp_path, entry(files=[{"path": "m.bin", "bytes": 3, "sha256": "1" * 64}]))
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("path", "inside"),
    [("a/b", True), ("/a", False), ("a/../../b", False), ("", False), ("a\\..\\b", False)],
)
def test_paths_stay_inside(path: str, inside: bool) -> None:
    """Absolute, empty and climbing paths are outside."""
    assert is_inside(path) is inside
