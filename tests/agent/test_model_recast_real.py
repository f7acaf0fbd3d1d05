"""The packaged language model in another weight format, made by llama.cpp."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.engines.llama_context import LlamaModel
from agent.models.recast import copy_in_use, recast
from agent.models.store import ModelStore
from media.config.load import load_config
from media.paths import models_dir
from tests.agent.test_answers import DEPLOYED

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

AMX = frozenset({"amx_int8"})


def test_the_packaged_model_is_recast_once_and_loads(tmp_path: Path) -> None:
    """The copy has the same vocabulary, is finer than its source, and is not made again."""
    store = ModelStore(models_dir(load_config(DEPLOYED)))
    spec = next(each for each in store.manifest if "0.5b" in each.name)
    if not store.is_present(spec) or spec.main is None:
        pytest.skip(f"{spec.name} is not here")
    source = store.models_dir / spec.name / spec.main
    (tmp_path / spec.main).symlink_to(source)
    lines: list[str] = []
    recast(tmp_path, spec, lines.append, AMX)
    copy = copy_in_use(tmp_path, spec, AMX)
    assert copy is not None, lines
    assert copy.stat().st_size > source.stat().st_size
    made_ns = copy.stat().st_mtime_ns
    recast(tmp_path, spec, lines.append, AMX)
    assert copy.stat().st_mtime_ns == made_ns
    first, second = LlamaModel(source), LlamaModel(copy)
    try:
        assert first.tokenize("How long does it last?") == second.tokenize("How long does it last?")
        assert first.vocabulary_size == second.vocabulary_size
    finally:
        first.close()
        second.close()
