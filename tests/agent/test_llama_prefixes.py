"""Prefixes on disk: names, moves, and what the engine makes of a file."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.engines.llama_engine import LlamaEngine
from agent.engines.llama_job import Job
from agent.engines.llama_prefixes import PrefixFiles
from agent.engines.llama_schedule import Rank
from tests.agent.test_llama_engine import Counting, Letters

pytestmark = pytest.mark.unit


class Written(Counting):
    """A context whose files hold their tokens as text."""

    def save(self, sequence: int, path: Path, tokens: Sequence[int]) -> bool:
        path.write_text(",".join(map(str, tokens)))
        return True

    def restore(self, sequence: int, path: Path, tokens: Sequence[int]) -> bool:
        if path.read_text() != ",".join(map(str, tokens)):
            return False
        self.held[sequence] = list(tokens)
        return True


def model_file(folder: Path, text: str = "weights") -> Path:
    path = folder / "model.gguf"
    path.write_text(text)
    return path


def filling(tokens: list[int], answer: int, done: threading.Event) -> Job:
    """Return a job that tells when it is over."""
    return Job(tokens, answer, Rank.FIRST, lambda _: None, lambda _stats, _fault: done.set())


def test_the_name_depends_on_model_layout_and_tokens(tmp_path: Path) -> None:
    """Anything that changes the cells changes the name."""
    files = PrefixFiles(tmp_path, model_file(tmp_path), "a")
    again = PrefixFiles(tmp_path, model_file(tmp_path), "a")
    other_layout = PrefixFiles(tmp_path, model_file(tmp_path), "b")
    other_model = PrefixFiles(tmp_path, model_file(tmp_path, "other weights"), "a")
    assert files.path([1, 2]) == again.path([1, 2])
    names = {files.path([1, 2]), files.path([1, 3]), other_layout.path([1, 2])}
    assert len(names | {other_model.path([1, 2])}) == 4


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    """A folder that many personas passed through does not grow for ever."""
    files = PrefixFiles(tmp_path / "kept", model_file(tmp_path), "a")
    for number in range(12):
        path = files.path([number])
        partial = files.prepare(path)
        partial.write_bytes(b"cells")
        files.keep(partial, path)
    assert len(list((tmp_path / "kept").iterdir())) == 8


def test_a_restored_prefix_is_not_computed_again(tmp_path: Path) -> None:
    """A second engine continues from the first one's file; a file of other tokens is refused."""
    path = tmp_path / "p"
    first = LlamaEngine(Written(), Letters())
    first.submit(0, filling([1, 2, 3], 0, done := threading.Event()))
    assert done.wait(5)
    assert first.save(0, path).result(5)
    first.stop()

    context = Written()
    second = LlamaEngine(context, Letters())
    assert not second.restore(0, path, [1, 2, 4]).result(5)
    assert second.restore(0, path, [1, 2, 3]).result(5)
    second.submit(0, filling([1, 2, 3, 4], 1, done := threading.Event()))
    assert done.wait(5)
    second.stop()
    assert [each.token for each in context.batches[0]] == [4]
