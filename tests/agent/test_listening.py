"""The listening engines on real models and telephone speech."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.engines.base import RecognizerSession, Samples, Transcript
from agent.engines.recognizers import Recognizers
from agent.engines.silero import SileroModel
from agent.engines.smart_turn import SmartTurnModel, turn_features
from agent.engines.vosk import VoskRecognizer
from agent.engines.whisper import WhisperModel
from agent.engines.whisper_decode import WhisperDecoder
from agent.models.store import ModelStore
from media import ConfigError
from media.config.model import Config
from media.paths import models_dir

sys.path.insert(0, str(Path(__file__).parent))
import speakers  # noqa: E402 - a neighbour of the tests, no package

pytestmark = pytest.mark.model

SENTENCES = (
    "How long does the battery last?",
    "The camera is offline since yesterday evening.",
    "What is covered by the warranty?",
    "How do I reset the doorbell?",
    "I bought it three weeks ago and I want a refund.",
    "Goodbye.",
)


@pytest.fixture(scope="module")
def store() -> ModelStore:
    """Return the models of this machine."""
    return ModelStore(models_dir(Config(agents={}, dialplan=())))


@pytest.fixture(scope="module")
def silero(store: ModelStore) -> SileroModel:
    """Return the voice activity model."""
    return SileroModel(store.voice_activity().path)


@pytest.fixture(scope="module")
def whisper(store: ModelStore, silero: SileroModel) -> Iterator[WhisperModel]:
    """Return Whisper."""
    model = WhisperModel(store.choose_recognizer("en", "whisper").path, silero)
    yield model
    model.close()


@pytest.fixture(scope="module")
def vosk(store: ModelStore) -> Iterator[VoskRecognizer]:
    """Return a Vosk model of whatever language is there."""
    present = [each for each in store.manifest if each.engine == "vosk" and store.is_present(each)]
    assert present, "no Vosk model is there: cordboard models fetch --config tests/models.yaml"
    model = VoskRecognizer(store.path(present[0].name), present[0].languages[0])
    yield model
    model.close()


def call(text: str, voice: str = "rms") -> Samples:
    """Return a sentence as a caller's telephone sends it, with line noise around it."""
    quiet = speakers.noise(200, -60)
    spoken = np.concatenate((quiet, speakers.flite(text, voice), quiet))
    return speakers.telephone(spoken, snr_db=25)


async def hear(session: RecognizerSession, audio: Samples, pace_s: float = 0.0) -> Transcript:
    """Give audio in 20 ms frames and finish."""
    for frame in speakers.frames(audio):
        session.receive(frame)
        await asyncio.sleep(pace_s)
    return await session.finish()


def test_voice_activity_follows_the_speech(silero: SileroModel) -> None:
    """Speech begins within 130 ms of where it is, ends within 200 ms, and line noise is none."""
    noise, speech = speakers.noise(1_000, -60), speakers.flite(SENTENCES[0])
    loud = np.flatnonzero(np.abs(speech) > 500)
    verdicts: list[float] = []
    session = silero.open()
    for frame in speakers.frames(speakers.telephone(np.concatenate((noise, speech, noise)))):
        verdicts += session.receive(frame)
    voiced = np.flatnonzero(np.array(verdicts) > 0.5) * 256
    assert abs(int(voiced[0]) - (8_000 + int(loud[0]))) < 130 * 8
    assert abs(int(voiced[-1]) + 256 - (8_000 + int(loud[-1]))) < 200 * 8
    session.reset()
    assert max(session.receive(speakers.noise(1_000, -45))) < 0.5


def test_voice_activity_does_not_depend_on_how_audio_is_cut(silero: SileroModel) -> None:
    """Frames of 10, 20 or 60 ms give the verdicts of one long piece."""
    audio = call(SENTENCES[0])
    whole = silero.open().receive(audio)
    for samples in (80, 160, 480):
        session = silero.open()
        cut = [p for frame in speakers.frames(audio, samples) for p in session.receive(frame)]
        assert cut == whole


@pytest.mark.parametrize("voice", ["rms", "slt", "awb", "kal"])
async def test_whisper_understands_telephone_speech(whisper: WhisperModel, voice: str) -> None:
    """At most one word in four is wrong for any speaker."""
    session = whisper.recognizer("en").open()
    errors = 0
    for sentence in SENTENCES:
        session.start()
        errors += speakers.word_errors(sentence, (await hear(session, call(sentence, voice))).text)
    session.close()
    assert errors / sum(len(speakers.words(each)) for each in SENTENCES) <= 0.25


@pytest.mark.parametrize(
    "sound",
    [
        speakers.silence(2_000),
        speakers.noise(2_000, -55),
        speakers.noise(2_000, -30),
        (speakers.noise(300, -15) * np.hanning(2_400)).astype(np.int16),
        (3_000 * np.sin(np.arange(16_000) * 2 * np.pi * 50 / 8_000)).astype(np.int16),
    ],
    ids=["silence", "line noise", "loud noise", "cough", "hum"],
)
async def test_whisper_invents_nothing(whisper: WhisperModel, sound: Samples) -> None:
    """Sounds without speech have no words."""
    session = whisper.recognizer("en").open()
    assert (await hear(session, speakers.telephone(sound))).text == ""


async def test_a_word_said_alone_is_not_taken_for_nothing(whisper: WhisperModel) -> None:
    """Of twelve short answers by three speakers at most one has no words."""
    short = (
        "Yes. No. Okay. Sure. Nope. Correct. Battery. Warranty. Refund. Delivery. Right. Thanks."
    )
    lost = []
    for voice in ("slt", "rms", "awb"):
        for each in short.split():
            around = speakers.silence(400), speakers.flite(each, voice), speakers.silence(200)
            session = whisper.recognizer("en").open()
            if not (await hear(session, speakers.telephone(np.concatenate(around)))).text:
                lost.append((voice, each))
            session.close()
    assert len(lost) <= 1, lost


async def test_silence_after_the_words_costs_nothing(whisper: WhisperModel) -> None:
    """A second finish, after more silence, returns the same words at once."""
    session = whisper.recognizer("en").open()
    first = await hear(session, call(SENTENCES[0]))
    for frame in speakers.frames(speakers.noise(300, -60)):
        session.receive(frame)
    started_ns = time.monotonic_ns()
    again = await session.finish()
    assert time.monotonic_ns() - started_ns < 20_000_000
    assert again.text == first.text != ""
    assert again.audio_samples == first.audio_samples + 2_400


async def test_a_caller_who_goes_on_is_heard_whole(whisper: WhisperModel) -> None:
    """Words after a provisional finish are added to those before it."""
    session = whisper.recognizer("en").open()
    first = await hear(session, call(SENTENCES[0]))
    second = await hear(session, call(SENTENCES[3]))
    assert "battery" in first.text and "reset" not in first.text
    assert "battery" in second.text and "reset" in second.text


async def test_a_new_utterance_forgets_the_last(whisper: WhisperModel) -> None:
    """After start() no word of before is left."""
    session = whisper.recognizer("en").open()
    await hear(session, call(SENTENCES[0]))
    session.start()
    assert (await session.partial()).text == ""
    assert (await session.finish()).text == ""


async def test_words_come_while_the_caller_speaks(whisper: WhisperModel) -> None:
    """Before the sentence is over its beginning is there as a partial."""
    session = whisper.recognizer("en").open()
    audio = call(SENTENCES[4])
    partials = set()
    for frame in speakers.frames(audio[: len(audio) * 3 // 4]):
        session.receive(frame)
        partials.add((await session.partial()).text)
        await asyncio.sleep(0.02)
    session.close()
    assert any("bought" in each or "three" in each for each in partials)


async def test_a_cancelled_finish_leaves_the_session_usable(whisper: WhisperModel) -> None:
    """The next finish returns the words."""
    session = whisper.recognizer("en").open()
    for frame in speakers.frames(call(SENTENCES[2])):
        session.receive(frame)
    task = asyncio.create_task(session.finish())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "warranty" in (await session.finish()).text


async def test_a_minute_without_pause_is_recognised_in_pieces(whisper: WhisperModel) -> None:
    """Beginning and end of a very long utterance are both there."""
    session = whisper.recognizer("en").open()
    story = np.concatenate([call(each) for each in SENTENCES[:5] * 3])
    heard = (await hear(session, story)).text.lower()
    assert len(story) > 30 * 8_000
    assert heard.count("battery") == 3 and heard.count("refund") >= 2


async def test_three_calls_share_the_model(whisper: WhisperModel) -> None:
    """Calls at once get their own words."""

    async def one(sentence: str) -> str:
        session = whisper.recognizer("en").open()
        heard = await hear(session, call(sentence), pace_s=0.02)
        session.close()
        return heard.text

    heard = await asyncio.gather(*(one(each) for each in SENTENCES[:3]))
    for text, word in zip(heard, ("battery", "camera", "warranty"), strict=True):
        assert word in text


async def test_words_of_a_pause_do_not_wait_for_partial_words(whisper: WhisperModel) -> None:
    """While one caller's partial words are worked on, another's pause is; neither loses words."""
    speaking, pausing = whisper.recognizer("en").open(), whisper.recognizer("en").open()
    spoken = np.concatenate((call(SENTENCES[0]), call(SENTENCES[1])))
    for frame in speakers.frames(spoken[: len(call(SENTENCES[0])) // 2]):
        speaking.receive(frame)
    heard = await hear(pausing, call(SENTENCES[1]))
    assert speakers.word_errors(SENTENCES[1], heard.text) <= 2
    for frame in speakers.frames(spoken[len(call(SENTENCES[0])) // 2 :]):
        speaking.receive(frame)
    whole = await speaking.finish()
    said = f"{SENTENCES[0]} {SENTENCES[1]}"
    assert speakers.word_errors(said, whole.text) <= len(speakers.words(said)) // 4
    speaking.close()
    pausing.close()


def test_a_recognizer_computes_at_the_niceness_it_was_given(store: ModelStore) -> None:
    """CTranslate2's own threads, not only the one that calls it."""
    before = {each.name for each in Path("/proc/self/task").iterdir()}
    decoder = WhisperDecoder(store.choose_recognizer("en", "whisper").path, niceness=11)
    decoder.recognize(call(SENTENCES[0]), "en")
    made = {each.name for each in Path("/proc/self/task").iterdir()} - before
    assert 11 in {os.getpriority(os.PRIO_PROCESS, int(each)) for each in made}


def test_an_unknown_language_is_refused(whisper: WhisperModel) -> None:
    """Whisper says which language it does not know."""
    with pytest.raises(ConfigError, match="'tlh'"):
        whisper.recognizer("tlh")


async def test_vosk_streams_and_gives_something_for_speech(vosk: VoskRecognizer) -> None:
    """Speech has words, partial ones before the end; finishing twice gives the same.

    The words are not compared: there is no speaker here for the packaged model's language.
    """
    session = vosk.open()
    for frame in speakers.frames(call(" ".join(SENTENCES[:3]))):
        session.receive(frame)
    deadline_s = time.monotonic() + 60
    while not (await session.partial()).text and time.monotonic() < deadline_s:
        await asyncio.sleep(0.02)
    partial, heard = await session.partial(), await session.finish()
    assert partial.text and heard.text
    assert 0 < heard.confidence <= 1
    assert await session.finish() == heard
    session.close()


async def test_vosk_hears_nothing_in_silence(vosk: VoskRecognizer) -> None:
    """Blank audio has no words, and no audio at all costs nothing."""
    session = vosk.open()
    assert await session.finish() == Transcript("", 0.0, 0)
    assert (await hear(session, speakers.silence(2_000))).text == ""


async def test_vosk_never_holds_the_event_loop(vosk: VoskRecognizer) -> None:
    """Taking audio returns within a frame's time, however long decoding takes."""
    session = vosk.open()
    longest_ns = 0
    for frame in speakers.frames(call(" ".join(SENTENCES))):
        started_ns = time.thread_time_ns()
        session.receive(frame)
        longest_ns = max(longest_ns, time.thread_time_ns() - started_ns)
    await session.finish()
    assert longest_ns < 20_000_000


async def test_vosk_finished_twice_keeps_its_words_and_start_forgets_them(
    vosk: VoskRecognizer,
) -> None:
    """Words stay until a new utterance begins; a finish that is overtaken returns nothing."""
    session = vosk.open()
    first = await hear(session, call(SENTENCES[4]))
    assert await session.finish() == first
    for frame in speakers.frames(call(SENTENCES[1])):
        session.receive(frame)
    overtaken = asyncio.create_task(session.finish())
    await asyncio.sleep(0)
    session.start()
    assert (await overtaken).audio_samples in (0, first.audio_samples + len(call(SENTENCES[1])))
    assert (await session.finish()) == (await session.partial()) == Transcript("", 0.0, 0)


async def test_a_finished_question_sounds_more_complete_than_one_cut_off(store: ModelStore) -> None:
    """Over several sentences the turn model ranks whole ones above halves."""
    model = SmartTurnModel(store.turn().path)
    whole, half = [], []
    for sentence in SENTENCES[:5]:
        audio = call(sentence)
        whole.append(await model.complete_probability(audio))
        half.append(await model.complete_probability(audio[: len(audio) // 2]))
    model.close()
    ranked = [a > b for a in whole for b in half]
    assert sum(ranked) / len(ranked) > 0.6
    assert all(0 <= each <= 1 for each in whole + half)


def test_turn_features_keep_the_newest_eight_seconds() -> None:
    """Short audio is put at the end of the window; of long audio the end counts."""
    short = turn_features(call(SENTENCES[0]))
    assert short.shape == (80, 800)
    assert short[:, :300].std(axis=1).max() < 0.01 < short[:, -200:].std(axis=1).max()
    long = np.concatenate((speakers.noise(9_000, -30), call(SENTENCES[0])))
    newest, all_of_it = turn_features(long[-64_000:]), turn_features(long)
    np.testing.assert_allclose(newest[:, 10:], all_of_it[:, 10:], atol=0.01)


def test_recognizers_are_loaded_once(store: ModelStore, silero: SileroModel) -> None:
    """Two languages of one model share it."""
    loaded = Recognizers(store, silero, "whisper")
    german, french = loaded.load("de"), loaded.load("fr")
    assert german.name == french.name and german.language == "de" and french.language == "fr"
    assert len(loaded._whisper) == 1
    loaded.close()
