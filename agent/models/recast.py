"""Keep a language model's weights once more, in the format that this processor computes fastest.

Some formats have no kernels for a processor's matrix unit, and the rows of a small model may not
fit others at all: its file then holds a mixture that is computed without the unit. The copy is made
from the verified file when models are fetched, lies beside it, and is used while its stamp says
that it was made from the same file by the same recipe. Q8_0 is finer than what it is made from:
nothing that the model knew is lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
from pathlib import Path

from agent.models.manifest import ModelSpec
from agent.models.sources import Report, megabytes

_RECIPE = 1
"""Changed whenever a copy would come out differently."""
_GROWTH = 2
"""A copy is at most so many times as long as its source."""
_SPARE_BYTES = 200_000_000


def processor_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return what Linux says that the processor can do; nothing on other systems."""
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    return frozenset()


def wanted_format(spec: ModelSpec, flags: frozenset[str] | None = None) -> str | None:
    """Return the format in which this processor wants a model, None for the file as it is."""
    if not spec.recast or spec.main is None:
        return None
    known = processor_flags() if flags is None else flags
    return next((name for flag, name in spec.recast if flag in known), None)


def copy_in_use(folder: Path, spec: ModelSpec, flags: frozenset[str] | None = None) -> Path | None:
    """Return the copy that this processor wants, None where there is none that fits.

    Args:
        folder: the model's.
        spec: the model.
        flags: of the processor; None asks the system.
    """
    wanted = wanted_format(spec, flags)
    if wanted is None:
        return None
    copy, stamp = _paths(folder, spec, wanted)
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
        fits = found == _stamp(spec, wanted, copy.stat().st_size)
    except (OSError, ValueError):
        return None
    return copy if fits else None


def recast(
    folder: Path, spec: ModelSpec, report: Report, flags: frozenset[str] | None = None
) -> None:
    """Make the copy that this processor wants, if there is none; what fails costs speed only.

    Args:
        folder: the model's; its file is there and verified.
        spec: the model.
        report: takes progress lines.
        flags: of the processor; None asks the system.
    """
    wanted = wanted_format(spec, flags)
    if wanted is None or spec.main is None or copy_in_use(folder, spec, flags) is not None:
        return
    copy, stamp = _paths(folder, spec, wanted)
    source = folder / spec.main
    partial = copy.with_suffix(f".{os.getpid()}.partial")
    try:
        if shutil.disk_usage(folder).free < _GROWTH * source.stat().st_size + _SPARE_BYTES:
            report(f"{spec.name}: no room for a copy as {wanted}; its answers come later")
            return
        report(f"{spec.name}: writing its weights as {wanted}, which this processor prefers")
        _requantize(source, partial, wanted)
        stamp.unlink(missing_ok=True)
        partial.replace(copy)
        size = copy.stat().st_size
        stamp.write_text(json.dumps(_stamp(spec, wanted, size)), encoding="utf-8")
        report(f"{spec.name}: as {wanted}, {megabytes(size, size).partition(' of ')[2]}")
    except OSError as fault:
        report(f"{spec.name}: no copy as {wanted} ({fault}); its answers come later")
    finally:
        partial.unlink(missing_ok=True)


def _paths(folder: Path, spec: ModelSpec, wanted: str) -> tuple[Path, Path]:
    assert spec.main is not None
    copy = (folder / spec.main).with_suffix(f".{wanted}.gguf")
    return copy, copy.with_suffix(".json")


def _stamp(spec: ModelSpec, wanted: str, size_bytes: int) -> dict[str, object]:
    sums = {each.path: each.sha256 for each in spec.files}
    return {
        "source_sha256": sums[str(spec.main)],
        "format": wanted,
        "recipe": _RECIPE,
        "bytes": size_bytes,
    }


def _requantize(source: Path, target: Path, wanted: str) -> None:
    """Write a GGUF file's weights in another format, with every core.

    Raises:
        OSError: llama.cpp could not.
    """
    from agent.engines.llama_context import be_quiet
    from agent.engines.llama_native import native

    be_quiet()
    native.llama_backend_init()
    parameters = native.llama_model_quantize_default_params()
    parameters.ftype = getattr(native, f"LLAMA_FTYPE_MOSTLY_{wanted.upper()}")
    parameters.nthread = os.cpu_count() or 1
    parameters.allow_requantize = True
    status = native.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    if status != 0:
        raise OSError(f"llama.cpp cannot write {target.name}: {status}")
