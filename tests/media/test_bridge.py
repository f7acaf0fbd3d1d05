"""The real media process over its socket and real UDP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from media import messages
from media.messages import CallId
from media.wire import AudioFrame, AudioKind
from tests.media.bridge_process import MediaProcess, parameters_for, running_media
from tests.media.rtp_endpoint import RtpEndpoint, dominant_hz, tone, tone_level

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def media(tmp_path: Path) -> AsyncIterator[MediaProcess]:
    """Run a media process."""
    async with running_media(tmp_path) as process:
        yield process


async def test_tone_reaches_the_agent_and_clip_the_caller(media: MediaProcess) -> None:
    """A caller's tone is in the agent's frames and the agent's clip is on the wire."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_500) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        phone.play_tone(440)
        phone.start(stream.address, stream.port)
        await asyncio.sleep(1.0)
        frames = list(agent.audio)
        heard = np.concatenate([frame.samples for frame in frames[-30:]])
        assert abs(dominant_hz(heard) - 440) < 10
        positions = [frame.position_samples for frame in frames]
        assert positions == list(
            np.cumsum([0, *[len(frame.samples) for frame in frames[:-1]]]) + positions[0]
        )
        clip = tone(1_000, 0.5)
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 7, 0, 0, clip))
        agent.link.send(messages.ClipEnded(stream.stream, 7))
        started = await agent.wait_for(messages.ClipStarted)
        finished = await agent.wait_for(messages.ClipFinished)
        assert (started.clip, finished.clip) == (7, 7)
        assert 450 <= (finished.sent_ns - started.sent_ns) / 1e6 <= 520
        out = phone.heard(started.sent_ns - 5_000_000, finished.sent_ns)
        assert tone_level(out, 1_000) > 0.9
        assert {packet.source for packet in phone.received} == {(stream.address, stream.port)}
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
        assert closed.quality.packets_lost == 0
        assert closed.quality.mos > 4.3
        assert (await agent.wait_for(messages.StreamGone)).stream == stream.stream
    edge.link.close()
    agent.link.close()


async def test_clear_takes_effect_within_a_frame(media: MediaProcess) -> None:
    """After ClearPlayback nothing of the clip leaves any more, and the position is told."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_502) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 1, 0, 0, tone(800, 5.0)))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        await agent.wait_for(messages.ClipStarted)
        await asyncio.sleep(0.5)
        cleared = await agent.ask(messages.ClearPlayback(stream.stream), messages.PlaybackCleared)
        await asyncio.sleep(0.2)
        loud = [p for p in phone.received if np.std(p.samples.astype(float)) > 500]
        assert loud[-1].arrival_ns - cleared.at_ns < 20_000_000
        assert cleared.clip == 1
        assert cleared.position_samples == 160 * len(loud)
        assert phone.received[-1].arrival_ns > loud[-1].arrival_ns
    edge.link.close()
    agent.link.close()


async def test_unknown_stream_is_404(media: MediaProcess) -> None:
    """A request for a stream that is not there is refused with 404."""
    edge = await media.peer("edge")
    with pytest.raises(Exception, match="no stream 99") as caught:
        await edge.link.request(messages.CloseStream(99))
    assert caught.value.sip_status == 404  # type: ignore[attr-defined]  # RequestFailedError
    allocated = await edge.ask(
        messages.AllocateStream(CallId("c"), "caller"), messages.StreamAllocated
    )
    with pytest.raises(Exception, match="ptime"):
        await edge.link.request(
            messages.ConfigureStream(allocated.stream, parameters_for(20_504, ptime_ms=5))
        )
    edge.link.close()


async def test_ipv6_call(media: MediaProcess) -> None:
    """A leg on ::1 hears and is heard."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint("::1", 20_506) as phone:
        allocated = await edge.ask(
            messages.AllocateStream(CallId("six"), "caller", "::1"), messages.StreamAllocated
        )
        parameters = parameters_for(phone.port, host="::1")
        await edge.ask(messages.ConfigureStream(allocated.stream, parameters), messages.Done)
        await agent.ask(messages.AttachStream(allocated.stream), messages.Done)
        phone.play_tone(440)
        phone.start("::1", allocated.port)
        await asyncio.sleep(0.8)
        assert tone_level(np.concatenate([f.samples for f in agent.audio[-15:]]), 440) > 0.9
        assert len(phone.received) > 30
        assert allocated.address == "::1"


async def test_pause_and_resume(media: MediaProcess) -> None:
    """A paused clip goes on at the sample where it stood; noise is sent in between."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_508) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 3, 0, 0, tone(800, 0.6)))
        agent.link.send(messages.ClipEnded(stream.stream, 3))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        await agent.wait_for(messages.ClipStarted)
        await asyncio.sleep(0.2)
        paused = await agent.ask(messages.PausePlayback(stream.stream), messages.PlaybackCleared)
        assert 1_120 <= paused.position_samples <= 2_400
        await asyncio.sleep(0.4)
        assert np.std(phone.heard()[-1_600:].astype(float)) < 60
        await agent.ask(messages.ResumePlayback(stream.stream), messages.Done)
        finished = await agent.wait_for(messages.ClipFinished)
        await asyncio.sleep(0.1)
        loud = [p for p in phone.received if np.std(p.samples.astype(float)) > 500]
        assert len(loud) == 30
        assert finished.clip == 3
        times = np.diff([p.arrival_ns for p in loud]) / 1e6
        assert 350 < times.max() < 600


@pytest.mark.parametrize(("ptime_ms", "sent_ms"), [(10, 60), (30, 10), (60, 40)])
async def test_packet_times(media: MediaProcess, ptime_ms: int, sent_ms: int) -> None:
    """What is sent has the agreed packet time; what comes may have any."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_510, codec="PCMA", ptime_ms=sent_ms) as phone:
        stream = await edge.open_stream(
            parameters_for(phone.port, codec="PCMA", payload_type=8, ptime_ms=ptime_ms)
        )
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 1, 0, 0, tone(900, 2.0)))
        phone.play_tone(440)
        phone.start(stream.address, stream.port)
        await asyncio.sleep(1.0)
        assert {len(p.payload) for p in phone.received} == {8 * ptime_ms}
        assert tone_level(phone.heard()[-4_000:], 900) > 0.95
        heard = np.concatenate([f.samples for f in agent.audio])[-4_000:]
        assert tone_level(heard, 440) > 0.95
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
        assert closed.quality.concealed_ms == 0


async def test_200_calls_in_a_row_leave_nothing_behind(media: MediaProcess) -> None:
    """Ports, file descriptors and memory stay where they were after the first calls."""
    edge = await media.peer("edge")
    fds = Path(f"/proc/{media.process.pid}/fd")
    status = Path(f"/proc/{media.process.pid}/status")

    def resident_kib() -> int:
        line = next(each for each in status.read_text().splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1])

    async def call(n: int) -> None:
        stream = await edge.open_stream(parameters_for(20_512), f"call-{n}", record=True)
        await asyncio.sleep(0.03)
        await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)

    for n in range(20):
        await call(n)
    await asyncio.sleep(2.5)
    before = len(list(fds.iterdir())), resident_kib()
    for n in range(20, 200):
        await call(n)
    await asyncio.sleep(2.5)
    after = await edge.ask(messages.MediaStatusRequest(), messages.MediaStatus)
    assert (after.streams, after.ports_draining, after.ports_free) == (0, 0, 200)
    assert len(list(fds.iterdir())) == before[0]
    assert resident_kib() - before[1] < 8_000


async def test_an_attached_process_hears_that_another_one_cleared(media: MediaProcess) -> None:
    """Who has something to say on a stream learns that all of it was dropped by someone else."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    stream = await edge.open_stream(parameters_for(20_504))
    await agent.ask(messages.AttachStream(stream.stream), messages.Done)
    await edge.ask(messages.ClearPlayback(stream.stream), messages.PlaybackCleared)
    told = await agent.wait_for(messages.PlaybackCleared)
    assert (told.stream, told.clip) == (stream.stream, 0)
    edge.link.close()
    agent.link.close()
