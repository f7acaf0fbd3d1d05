"""Install models: sources in order, verified, whole or not at all, by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.models.manifest import ModelSpec, PackageSource
from agent.models.recast import recast
from agent.models.sources import Downloads, Report, SourceError, megabytes
from agent.models.store import MARKER, ModelStore, file_sum
from media import CordboardError

_SPARE_BYTES = 200_000_000
"""Left free on the disk after an installation."""


class FetchError(CordboardError):
    """A model that is needed cannot be had."""


def fetch_first(store: ModelStore, wanted: Sequence[Sequence[ModelSpec]], report: Report) -> None:
    """Make sure that of every row of candidates, best first, one is there and undamaged.

    Optional candidates of a row that has others are used when present, never fetched.

    Raises:
        FetchError: with one line per row of which none can be had.
    """
    with _locked(store.models_dir, report), _staging(store.models_dir) as staging:
        downloads = Downloads(staging, report)
        problems = [
            problem for row in wanted if (problem := _fetch_row(store, row, downloads)) is not None
        ]
    if problems:
        raise FetchError("\n".join(problems))


def _fetch_row(store: ModelStore, row: Sequence[ModelSpec], downloads: Downloads) -> str | None:
    reasons: list[str] = []
    for spec in row:
        if store.is_present(spec):
            damage = store.damage(spec, contents=True)
            downloads.report(f"{spec.name}: {damage or 'present'}")
            if not damage:
                recast(store.models_dir / spec.name, spec, downloads.report)
                return None
            store.discard(spec)
        if spec.optional and len(row) > 1:
            continue
        try:
            install(store, spec, downloads)
            recast(store.models_dir / spec.name, spec, downloads.report)
            return None
        except FetchError as error:
            reasons.append(str(error))
            downloads.report(str(error))
    return "; ".join(reasons) or "the manifest has no model for it"


def install(store: ModelStore, spec: ModelSpec, downloads: Downloads) -> None:
    """Install one model from the first source that gives it.

    Raises:
        FetchError: no source does, or the disk is too small; the reason is kept in the store.
    """
    reasons: list[str] = []
    for source in spec.sources:
        folder = downloads.staging / "finished"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            _check_disk(store.models_dir, spec, isinstance(source, PackageSource))
            downloads.bring(spec, source, folder)
        except SourceError as error:
            reasons.append(str(error))
            continue
        _write_marker(spec, folder)
        _swap_in(folder, store.models_dir / spec.name)
        store.record_failure(spec.name, "")
        size = megabytes(spec.size_bytes, spec.size_bytes).partition(" of ")[2]
        downloads.report(f"{spec.name}: installed, {size}")
        return
    reason = "; ".join(dict.fromkeys(reasons))
    store.record_failure(spec.name, reason)
    raise FetchError(f"{spec.name}: {reason}")


def _check_disk(models_dir: Path, spec: ModelSpec, wheels: bool) -> None:
    """A zip or wheel lies beside what comes out of it until it is done."""
    needed_bytes = spec.size_bytes * (2 if wheels or not spec.files else 1) + _SPARE_BYTES
    free_bytes = shutil.disk_usage(models_dir).free
    if free_bytes < needed_bytes:
        raise SourceError(
            f"needs {needed_bytes / 1e6:,.0f} MB in {models_dir}, {free_bytes / 1e6:,.0f} MB free"
        )


def _write_marker(spec: ModelSpec, folder: Path) -> None:
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    marker = {
        "digest": spec.digest,
        "files": {each.relative_to(folder).as_posix(): each.stat().st_size for each in files},
        "sha256": {each.relative_to(folder).as_posix(): file_sum(each) for each in files},
    }
    (folder / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")


def _swap_in(folder: Path, target: Path) -> None:
    """Replace a folder; an engine that has the old files open keeps them (rename(2))."""
    if target.exists():
        target.rename(folder.with_name(f"old-{target.name}"))
    folder.rename(target)


@contextmanager
def _locked(models_dir: Path, report: Report) -> Iterator[None]:
    models_dir.mkdir(parents=True, exist_ok=True)
    with (models_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another fetch is under way; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _staging(models_dir: Path) -> Iterator[Path]:
    """Give a folder on the models' own disk; what a killed fetch left is removed first."""
    for left in models_dir.glob(".staging-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".staging-{os.getpid()}-", dir=models_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
