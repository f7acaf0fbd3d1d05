"""When a language model's weights are kept once more, and when the copy is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.models.manifest import FileSpec, Kind, ModelSpec, load_manifest
from agent.models.recast import copy_in_use, processor_flags, recast, wanted_format

pytestmark = pytest.mark.unit

AMX = frozenset({"avx512f", "amx_int8"})
SUM = "a" * 64


def spec(**changes: object) -> ModelSpec:
    """Return a language model of one file that AMX wants as Q8_0."""
    plain: dict[str, object] = {
        "name": "m",
        "kind": Kind.LANGUAGE_MODEL,
        "engine": "",
        "languages": ("*",),
        "licence": "MIT",
        "files": (FileSpec("m.gguf", 3, SUM),),
        "sources": (),
        "size_bytes": 3,
        "main": "m.gguf",
        "recast": (("amx_int8", "q8_0"),),
    }
    return ModelSpec(**(plain | changes))  # type: ignore[arg-type] - the table above fits


def lay_copy(folder: Path, **changes: object) -> Path:
    """Put a copy and its stamp beside the model."""
    copy = folder / "m.q8_0.gguf"
    copy.write_bytes(b"weights")
    stamp = {"source_sha256": SUM, "format": "q8_0", "recipe": 1, "bytes": 7} | changes
    copy.with_suffix(".json").write_text(json.dumps(stamp))
    return copy


def test_a_format_is_wanted_only_on_a_processor_that_computes_it_faster() -> None:
    """The flag decides; a model that says nothing is taken as it is."""
    assert wanted_format(spec(), AMX) == "q8_0"
    assert wanted_format(spec(), frozenset({"avx2"})) is None
    assert wanted_format(spec(recast=()), AMX) is None


def test_the_packaged_model_has_a_format_for_amx() -> None:
    """The shipped manifest names it for the model whose rows fit no K format."""
    small = next(each for each in load_manifest() if "0.5b" in each.name)
    assert wanted_format(small, AMX) == "q8_0"


def test_a_copy_is_used_while_its_stamp_fits(tmp_path: Path) -> None:
    """The same source, recipe and length; on another processor the file itself is used."""
    copy = lay_copy(tmp_path)
    assert copy_in_use(tmp_path, spec(), AMX) == copy
    assert copy_in_use(tmp_path, spec(), frozenset()) is None


@pytest.mark.parametrize(
    "changes", [{"source_sha256": "b" * 64}, {"recipe": 0}, {"bytes": 8}, {"format": "q4_0"}]
)
def test_a_stale_or_broken_copy_is_not_used(tmp_path: Path, changes: dict[str, object]) -> None:
    """Another source, another recipe or a file cut short."""
    lay_copy(tmp_path, **changes)
    assert copy_in_use(tmp_path, spec(), AMX) is None


def test_without_a_stamp_there_is_no_copy(tmp_path: Path) -> None:
    """What a killed process left counts as absent."""
    lay_copy(tmp_path).with_suffix(".json").write_text("{")
    assert copy_in_use(tmp_path, spec(), AMX) is None
    (tmp_path / "m.q8_0.json").unlink()
    assert copy_in_use(tmp_path, spec(), AMX) is None


def test_a_file_that_cannot_be_recast_is_used_as_it_is(tmp_path: Path) -> None:
    """What is no GGUF file leaves a line in the report and no copy."""
    (tmp_path / "m.gguf").write_bytes(b"no!")
    lines: list[str] = []
    recast(tmp_path, spec(), lines.append, AMX)
    assert copy_in_use(tmp_path, spec(), AMX) is None
    assert [each.name for each in tmp_path.iterdir()] == ["m.gguf"]
    assert "no copy as q8_0" in lines[-1]


def test_flags_are_those_of_the_first_processor(tmp_path: Path) -> None:
    """A system that tells none has none."""
    told = tmp_path / "cpuinfo"
    told.write_text("model name\t: x\nflags\t\t: fpu amx_int8\n\nflags\t\t: fpu\n")
    assert processor_flags(told) == {"fpu", "amx_int8"}
    assert processor_flags(tmp_path / "absent") == frozenset()
