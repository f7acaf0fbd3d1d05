from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import pytest_asyncio

from agent.engines.piper import LEVEL_DBFS, PiperModel, PiperSpeech
from agent.engines.piper_split import UnsplittableError, split_graph, split_voice
from agent.engines.piper_stream import active_level_dbfs, decode_windows
from agent.models.store import ModelStore
from media import LocalError
from media.config.model import AgentConfig, Config, RuleConfig
from media.paths import models_dir

pytestmark = pytest.mark.model

LONG = "The doorbell has a battery that lasts six months, and you can charge it with a cable."


@pytest.fixture(scope="module")
def path() -> Path:
    """Return the packaged voice."""
    config = Config(agents={"a": AgentConfig("", "")}, dialplan=(RuleConfig("a"),))
    return ModelStore(models_dir(config)).choose_voice("en").path


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for derived files."""
    return tmp_path_factory.mktemp("split")


@pytest_asyncio.fixture
async def voice(path: Path, halves: Path) -> AsyncIterator[PiperSpeech]:
    """Return the loaded voice."""
    made = await asyncio.to_thread(PiperSpeech.load, path, split_dir=halves)
    yield made
    await asyncio.to_thread(made.close)


async def say(voice: PiperSpeech, text: str, due_in_ms: int = 0) -> np.ndarray:
    """Return a whole clip."""
    return np.concatenate([each async for each in voice.synthesize(text, due_in_ms=due_in_ms)])


def test_windows_equal_the_whole_decode(path: Path, halves: Path) -> None:
    """The voice's decoder in windows is within -100 dB of the decoder run once."""
    split = split_voice(path, halves)
    assert split is not None
    assert split_voice(path, halves) == split
    decoder = onnxruntime.InferenceSession(str(split.decoder))
    model = PiperModel(path, split_dir=halves)
    ids = model._text.phonemes_to_ids(model.phonemes(LONG)[0])
    encoder = onnxruntime.InferenceSession(str(split.encoder))
    latent = encoder.run(
        None,
        {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([0.667, 1.0, 0.8], np.float32),
        },
    )[0]
    name = decoder.get_inputs()[0].name

    def decode(part: np.ndarray) -> np.ndarray:
        return decoder.run(None, {name: part})[0].reshape(-1)

    whole = decode(latent)
    windows = np.concatenate(list(decode_windows(latent, decode, 256)))
    assert windows.shape == whole.shape
    error = np.abs(windows - whole).max() / np.abs(whole).max()
    assert 20 * np.log10(max(error, 1e-12)) < -100


async def test_first_audio_comes_early(voice: PiperSpeech) -> None:
    """The first piece of a long sentence is short and out before the rest is made."""
    loop = asyncio.get_running_loop()
    begun, times, sizes = loop.time(), [], []
    async for piece in voice.synthesize(LONG):
        times.append(loop.time() - begun)
        sizes.append(piece.size)
    assert 400 < sizes[0] < 4_000
    assert times[0] < 0.6 * times[-1]


@pytest.mark.parametrize("text", [LONG, "It costs $1,299.99 at 9:30 am.", "Sure."])
async def test_level_and_peak(voice: PiperSpeech, text: str) -> None:
    """Speech is near its level, begins at once and never clips."""
    audio = (await say(voice, text)).astype(np.float32) / 32768
    assert active_level_dbfs(audio, 8_000) == pytest.approx(LEVEL_DBFS, abs=4.5)
    assert np.abs(audio).max() < 0.999
    assert np.abs(audio[:400]).max() > 10 ** (-50 / 20)


async def test_figures_take_longer_than_their_digits(voice: PiperSpeech) -> None:
    """Money is spoken in words."""
    assert (await say(voice, "$1,299.99")).size > 1.8 * (await say(voice, "dollars")).size


async def test_what_is_due_first_is_made_first(voice: PiperSpeech) -> None:
    """A clause that is needed now overtakes one that is needed later."""
    order: list[str] = []

    async def run(name: str, due_in_ms: int) -> None:
        await say(voice, LONG, due_in_ms)
        order.append(name)

    await asyncio.gather(run("later", 20_000), run("now", 0))
    assert order == ["now", "later"]


async def test_a_closed_clip_stops(voice: PiperSpeech) -> None:
    """After its iterator is closed a clip costs no more than the window in hand."""
    clip = voice.synthesize(LONG * 20)
    await anext(clip)
    await clip.aclose()
    begun = asyncio.get_running_loop().time()
    await say(voice, "Sure.")
    assert asyncio.get_running_loop().time() - begun < 10
    assert not voice._waiting


async def test_nothing_to_say(voice: PiperSpeech) -> None:
    """Text without words makes no audio and no error."""
    assert [each async for each in voice.synthesize(" 😀 ")] == []


def test_a_voice_without_settings(tmp_path: Path) -> None:
    """A voice that cannot be read is refused with its name."""
    with pytest.raises(LocalError, match="voice.onnx.json"):
        PiperModel(tmp_path / "voice.onnx")


def test_a_graph_without_decoder_is_not_split() -> None:
    """A graph without up-sampling is said to be unsplittable."""
    import onnx

    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [value], [out])
    with pytest.raises(UnsplittableError):
        split_graph(onnx.helper.make_model(graph))


def test_level_is_measured_once(path: Path, halves: Path) -> None:
    """The voice's gain is kept beside its halves and read from there."""
    model = PiperModel(path, split_dir=halves)
    kept = next(halves.glob("*.level.json"))
    assert json.loads(kept.read_text())["gain"] == model.gain
    kept.write_text(json.dumps({"gain": 0.5}))
    assert PiperModel(path, split_dir=halves).gain == 0.5
    kept.unlink()
