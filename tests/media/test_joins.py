"""Joins of three legs, and machines at the far end, over real UDP."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from media import messages
from tests.media.bridge_process import MediaProcess, parameters_for, running_media
from tests.media.rtp_endpoint import RtpEndpoint, rms_dbfs, tone, tone_level

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def media(tmp_path: Path) -> AsyncIterator[MediaProcess]:
    """Run a media process."""
    async with running_media(tmp_path) as process:
        yield process


async def test_three_joined_legs(media: MediaProcess) -> None:
    """Each hears the two others and not itself; when one leaves, the two stay together."""
    edge = await media.peer("edge")
    hertz = (450, 1_000, 1_600)
    with (
        RtpEndpoint(port=20_540) as one,
        RtpEndpoint(port=20_542, codec="PCMA") as two,
        RtpEndpoint(port=20_544) as three,
    ):
        phones = (one, two, three)
        streams = []
        for phone, hz in zip(phones, hertz, strict=True):
            kind = {"codec": "PCMA", "payload_type": 8} if phone is two else {}
            stream = await edge.open_stream(parameters_for(phone.port, **kind))
            phone.play_tone(hz)
            phone.start(stream.address, stream.port)
            streams.append(stream.stream)
        await edge.ask(messages.JoinStreams(streams[0], streams[1]), messages.Done)
        await edge.ask(messages.JoinStreams(*streams[:2], (streams[2],)), messages.Done)
        await asyncio.sleep(1.2)
        since = time.monotonic_ns() - 600_000_000
        for phone in phones:
            levels = [tone_level(phone.heard(since), hz) for hz in hertz]
            assert [level > 0.3 for level in levels] == [each is not phone for each in phones]
        await edge.ask(messages.SplitStreams(streams[1]), messages.Done)
        await asyncio.sleep(0.6)
        since = time.monotonic_ns() - 300_000_000
        assert rms_dbfs(two.heard(since)) < -50
        assert tone_level(one.heard(since), 1_600) > 0.95
        assert tone_level(three.heard(since), 450) > 0.95


async def test_a_machine_is_told(media: MediaProcess) -> None:
    """Whoever asked hears of the beep, on the stream that it came on."""
    edge = await media.peer("edge")
    with RtpEndpoint(port=20_546) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        await edge.ask(messages.ListenForMachine(stream.stream), messages.Done)
        beep = np.concatenate([tone(1_000, 0.4), np.zeros(8_000, dtype=np.int16)])
        phone.play(beep)
        phone.start(stream.address, stream.port)
        told = await edge.wait_for(messages.MachineHeard, 4)
        assert told == messages.MachineHeard(stream.stream, messages.MachineSign.BEEP)


async def test_a_voice_begins_with_what_the_far_end_sends(media: MediaProcess) -> None:
    """A leg that sends nothing yet, or a key, is filled up with silence: that is no voice."""
    edge = await media.peer("edge")
    with RtpEndpoint(port=20_548) as talks, RtpEndpoint(port=20_550) as waits:
        streams = []
        for phone in (talks, waits):
            stream = await edge.open_stream(parameters_for(phone.port))
            streams.append(stream)
        talks.play_tone(1_000)
        talks.start(streams[0].address, streams[0].port)
        await edge.ask(messages.JoinStreams(streams[0].stream, streams[1].stream), messages.Done)
        first = await edge.wait_for(messages.VoiceStarted)
        await asyncio.sleep(0.5)
        assert first.stream == streams[1].stream
        assert not any(isinstance(each, messages.VoiceStarted) for each in edge.messages)
        begun_ns = time.monotonic_ns()
        waits.play_tone(450)
        waits.start(streams[1].address, streams[1].port)
        second = await edge.wait_for(messages.VoiceStarted)
        assert second.stream == streams[0].stream and second.sent_ns > begun_ns
