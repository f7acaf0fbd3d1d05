"""The real media process on bad lines: loss, strangers, garbage, lost links."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
import socket
import struct
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from media import messages
from media.messages import CallId
from media.srtp import SrtpSession
from media.wire import AudioFrame, AudioKind
from tests.media.bridge_process import MediaProcess, parameters_for, running_media
from tests.media.rtp_endpoint import RtpEndpoint, rms_dbfs, tone, tone_level

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def media(tmp_path: Path) -> AsyncIterator[MediaProcess]:
    """Run a media process whose ports rest for 1 s and whose time-out is 1 s."""
    async with running_media(tmp_path, drain_s=1, rtp_timeout_s=1, port_max=20_003) as process:
        yield process


async def test_five_percent_loss_and_40_ms_jitter(media: MediaProcess) -> None:
    """The tone stays a tone, in order, and the figures say what the line was like."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_510, loss=0.05, jitter_ms=40) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        phone.play_tone(440)
        phone.start(stream.address, stream.port)
        await asyncio.sleep(4.0)
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
    quality = closed.quality
    frames = [frame for frame in agent.audio if frame.position_samples > 8_000]
    position = frames[0].position_samples
    for frame in frames:
        assert frame.position_samples == position
        position += len(frame.samples)
    assert tone_level(np.concatenate([frame.samples for frame in frames]), 440) > 0.8
    assert 0.01 < quality.loss_ratio < 0.12
    assert 5 < quality.jitter_ms < 40
    assert 2.5 < quality.mos < 4.3
    assert quality.concealed_ms > 40


async def test_foreign_source_is_not_heard(media: MediaProcess) -> None:
    """A stranger's tone on the port is counted and dropped."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_512) as phone, RtpEndpoint(port=20_514) as stranger:
        stream = await edge.open_stream(parameters_for(phone.port))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        phone.play_tone(440)
        stranger.play_tone(1_300, 20_000)
        phone.start(stream.address, stream.port)
        await asyncio.sleep(0.3)
        stranger.start(stream.address, stream.port)
        await asyncio.sleep(1.0)
        heard = np.concatenate([frame.samples for frame in agent.audio[20:]])
        assert tone_level(heard, 440) > 0.9
        assert tone_level(heard, 1_300) < 0.01
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
        assert closed.quality.packets_foreign > 30
        assert not stranger.received


async def test_garbage_on_both_ports_is_survived(media: MediaProcess) -> None:
    """Random datagrams to RTP and RTCP are counted; the call goes on."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    rng = random.Random(3)
    with RtpEndpoint(port=20_516) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        phone.play_tone(440)
        phone.start(stream.address, stream.port)
        for n in range(600):
            port = stream.port + n % 2
            phone.socket.sendto(rng.randbytes(rng.randrange(0, 1_400)), (stream.address, port))
            phone.socket.sendto(b"\x80" + rng.randbytes(40), (stream.address, port))
            if n % 100 == 0:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert tone_level(np.concatenate([f.samples for f in agent.audio[-15:]]), 440) > 0.9
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
        assert closed.quality.packets_malformed > 300


async def test_closed_port_drains(media: MediaProcess) -> None:
    """With two ports in all: the third call is refused until the first port has rested."""
    edge = await media.peer("edge")
    ports = [
        await edge.ask(messages.AllocateStream(CallId(str(n)), "caller"), messages.StreamAllocated)
        for n in range(2)
    ]
    await edge.ask(messages.CloseStream(ports[0].stream), messages.StreamClosed)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.sendto(b"\x80" + bytes(171), (ports[0].address, ports[0].port))
    with pytest.raises(Exception, match="no RTP port") as caught:
        await edge.link.request(messages.AllocateStream(CallId("3"), "caller"))
    assert caught.value.sip_status == 503  # type: ignore[attr-defined]  # RequestFailedError
    status = await edge.ask(messages.MediaStatusRequest(), messages.MediaStatus)
    assert (status.streams, status.ports_free, status.ports_draining) == (1, 0, 1)
    assert status.datagrams_dropped == 1
    await asyncio.sleep(1.2)
    again = await edge.ask(messages.AllocateStream(CallId("4"), "caller"), messages.StreamAllocated)
    assert again.port == ports[0].port


async def test_streams_end_when_edge_is_lost(media: MediaProcess) -> None:
    """Two seconds after the link of edge is gone nothing is sent any more, and agents know."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_518) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        await asyncio.sleep(0.2)
        edge.link.close()
        lost_ns = time.monotonic_ns()
        await agent.wait_for(messages.StreamGone, 4)
        await asyncio.sleep(0.3)
        assert 1.7e9 < phone.received[-1].arrival_ns - lost_ns < 2.5e9


async def test_playback_of_a_lost_agent_runs_out(media: MediaProcess) -> None:
    """What the agent had queued is played to its end, then an apology file is."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    sounds = Path(__file__).parents[2] / "media" / "sounds"
    with RtpEndpoint(port=20_520) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 1, 0, 0, tone(900, 0.6)))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        agent.link.close()
        await asyncio.sleep(0.9)
        assert (
            0.55
            < np.mean(np.abs(phone.heard()[:8_000].astype(int)) > 500)
            * len(phone.heard()[:8_000])
            / 8_000
            < 0.62
        )
        clip = 1_000_000_001
        await edge.ask(
            messages.PlayFile(stream.stream, str(sounds / "apology_en.wav"), clip), messages.Done
        )
        finished = await edge.wait_for(messages.ClipFinished, 8)
        assert finished.clip == clip
        with pytest.raises(Exception, match="missing"):
            await edge.link.request(messages.PlayFile(stream.stream, "/missing.wav", clip + 1))


async def test_time_out_is_told_once_and_only_while_something_should_come(
    media: MediaProcess,
) -> None:
    """A silent far end is reported; one on hold is not."""
    edge = await media.peer("edge")
    with RtpEndpoint(port=20_522) as phone:
        held = await edge.open_stream(parameters_for(phone.port, direction="recvonly"))
        stream = await edge.open_stream(parameters_for(phone.port))
        timed_out = await edge.wait_for(messages.RtpTimedOut, 4)
        assert timed_out.stream == stream.stream
        assert 1_000 <= timed_out.silent_ms < 2_000
        await asyncio.sleep(1.0)
        assert not [m for m in edge.messages if isinstance(m, messages.RtpTimedOut)]
        assert held.stream != stream.stream
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
        assert closed.quality.mos is None


async def test_a_far_end_that_stays_silent_after_its_hold_times_out(media: MediaProcess) -> None:
    """The time on hold does not count, the time after it does."""
    edge = await media.peer("edge")
    with RtpEndpoint(port=20_540) as phone:
        held = parameters_for(phone.port, direction="recvonly")
        stream = await edge.open_stream(held)
        await asyncio.sleep(2.0)
        resumed = messages.ConfigureStream(stream.stream, parameters_for(phone.port))
        await edge.ask(resumed, messages.Done)
        timed_out = await edge.wait_for(messages.RtpTimedOut, 4)
        assert timed_out.stream == stream.stream
        assert 1_000 <= timed_out.silent_ms < 2_000


async def test_two_joined_legs_hear_each_other(media: MediaProcess) -> None:
    """Tones cross, bit for bit on the same codec, and the agent still hears the caller."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_524) as one, RtpEndpoint(port=20_526, codec="PCMA") as two:
        left = await edge.open_stream(parameters_for(one.port))
        right = await edge.open_stream(parameters_for(two.port, codec="PCMA", payload_type=8))
        await agent.ask(messages.AttachStream(left.stream), messages.Done)
        one.play_tone(440)
        two.play_tone(1_000)
        one.start(left.address, left.port)
        two.start(right.address, right.port)
        await edge.ask(messages.JoinStreams(left.stream, right.stream), messages.Done)
        await asyncio.sleep(1.5)
        since = time.monotonic_ns() - 800_000_000
        assert tone_level(one.heard(since), 1_000) > 0.95
        assert tone_level(two.heard(since), 440) > 0.95
        assert tone_level(np.concatenate([f.samples for f in agent.audio[-20:]]), 440) > 0.9
        assert {p.payload_type for p in two.received} == {8}
        await edge.ask(messages.SplitStreams(left.stream), messages.Done)
        await asyncio.sleep(0.3)
        assert rms_dbfs(one.heard(time.monotonic_ns() - 150_000_000)) < -50


async def test_same_codec_passes_bit_for_bit(media: MediaProcess) -> None:
    """What one leg sends is what the other gets, octet by octet."""
    edge = await media.peer("edge")
    with RtpEndpoint(port=20_528) as one, RtpEndpoint(port=20_530) as two:
        left = await edge.open_stream(parameters_for(one.port))
        right = await edge.open_stream(parameters_for(two.port))
        await edge.ask(messages.JoinStreams(left.stream, right.stream), messages.Done)
        rng = np.random.default_rng(1)
        one.play(rng.integers(-20_000, 20_000, 16_000).astype(np.int16))
        one.start(left.address, left.port)
        await asyncio.sleep(1.5)
        sent = b"".join(one.sent_payloads)
        got = b"".join(p.payload for p in two.received[-30:])
        assert got in sent


async def test_keys_both_ways(media: MediaProcess) -> None:
    """A press is told to edge and agent once; digits asked for leave as events."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_532) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        phone.start(stream.address, stream.port)
        await asyncio.sleep(0.2)
        phone.press(5, drop="067")
        phone.press(11, drop="12345")
        await asyncio.sleep(0.3)
        for peer in (edge, agent):
            pressed = [m for m in peer.messages if isinstance(m, messages.DtmfReceived)]
            assert [each.digit for each in pressed] == ["5", "#"]
        await edge.ask(messages.SendDtmf(stream.stream, "42"), messages.Done)
        await asyncio.sleep(0.8)
        ends = [p.payload[0] for p in phone.received if p.payload_type == 101 and p.payload[1] >> 7]
        assert ends == [4, 4, 4, 2, 2, 2]


async def test_recording_has_both_sides_on_one_clock_even_after_a_kill(tmp_path: Path) -> None:
    """Caller left, agent right, in step; the file can be read after SIGKILL."""
    media = MediaProcess(tmp_path)
    await media.start()
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_534) as phone:
        stream = await edge.open_stream(parameters_for(phone.port), "call-9", record=True)
        phone.start(stream.address, stream.port)
        await asyncio.sleep(0.5)
        phone.play(tone(440, 0.5))
        begun = time.monotonic_ns()
        await asyncio.sleep(1.0)
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 1, 0, 0, tone(1_000, 0.5)))
        started = await agent.wait_for(messages.ClipStarted)
        await asyncio.sleep(2.0)
        os.kill(media.process.pid, signal.SIGKILL)
        await media.process.wait()
    with wave.open(str(tmp_path / "recordings" / "call-9.wav")) as file:
        assert file.getnchannels() == 2
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    onsets = [
        int(np.flatnonzero(np.abs(stereo[:, each].astype(int)) > 2_000)[0]) for each in (0, 1)
    ]
    apart_ms = (onsets[1] - onsets[0]) / 8
    assert apart_ms == pytest.approx((started.sent_ns - begun) / 1e6, abs=50)
    assert tone_level(stereo[onsets[0] : onsets[0] + 3_600, 0], 440) > 0.95
    assert tone_level(stereo[onsets[1] : onsets[1] + 3_600, 1], 1_000) > 0.95
    agent.link.close()


async def test_srtp_both_ways_and_never_noise(media: MediaProcess) -> None:
    """With the right key both hear each other; plain packets then are dropped."""
    keys = [base64.b64encode(bytes([n]) * 30).decode() for n in (1, 2)]
    suite = "AES_CM_128_HMAC_SHA1_80"
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_536) as phone:
        session = SrtpSession(suite, keys[1], keys[0])
        phone.wrap, phone.unwrap = session.protect, session.unprotect
        stream = await edge.open_stream(
            parameters_for(
                phone.port, srtp_suite=suite, srtp_local_key=keys[0], srtp_remote_key=keys[1]
            )
        )
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        agent.link.send_audio(AudioFrame(AudioKind.CLIP, stream.stream, 1, 0, 0, tone(900, 3.0)))
        phone.play_tone(440)
        phone.start(stream.address, stream.port)
        await asyncio.sleep(1.0)
        assert tone_level(np.concatenate([f.samples for f in agent.audio[-20:]]), 440) > 0.9
        assert tone_level(phone.heard()[-4_000:], 900) > 0.9
        phone.wrap = None
        await asyncio.sleep(0.8)
        assert max(np.abs(f.samples).max() for f in agent.audio[-10:]) < 50
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
        assert closed.quality.packets_unauthentic > 20
        await asyncio.sleep(0.3)
        goodbye = session.unprotect_rtcp(phone.rtcp_received[-1][2])
        assert goodbye[1] in (200, 201)  # SR or RR, then SDES and BYE (RFC 3550 section 6.1)
        assert b"\x81\xcb\x00\x01" in goodbye


async def test_reports_are_sent_from_the_rtcp_port_only(media: MediaProcess) -> None:
    """RTP comes from the stream's port and RTCP from the next; the last report says BYE."""
    edge = await media.peer("edge")
    with RtpEndpoint(port=20_538) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        phone.start(stream.address, stream.port)
        await asyncio.sleep(4.5)
        await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
        await asyncio.sleep(0.1)
        assert {source for _, source, _ in phone.rtcp_received} == {
            (stream.address, stream.port + 1)
        }
        kinds = [struct.unpack_from("!BB", each[2])[1] for each in phone.rtcp_received]
        assert len(kinds) >= 2
        assert kinds[0] == 200
        assert phone.rtcp_received[-1][2][-7] == 203
        assert {packet.source for packet in phone.received} == {(stream.address, stream.port)}


async def test_moved_far_end_is_followed(media: MediaProcess) -> None:
    """After a re-INVITE with another address audio goes there at once and is heard from there."""
    edge, agent = await media.peer("edge"), await media.peer("agent")
    with RtpEndpoint(port=20_540) as old, RtpEndpoint(port=20_542) as new:
        stream = await edge.open_stream(parameters_for(old.port))
        await agent.ask(messages.AttachStream(stream.stream), messages.Done)
        old.play_tone(440)
        old.start(stream.address, stream.port)
        await asyncio.sleep(0.4)
        await edge.ask(
            messages.ConfigureStream(stream.stream, parameters_for(new.port)), messages.Done
        )
        assert len(new.wait_packets(5)) >= 5
        new.play_tone(1_000)
        new.start(stream.address, stream.port)
        await asyncio.sleep(0.8)
        heard = np.concatenate([f.samples for f in agent.audio[-15:]])
        assert tone_level(heard, 1_000) > 0.9


async def test_packets_leave_in_time_under_load(media: MediaProcess) -> None:
    """Neighbours that burn every core do not make the 99th percentile later than 5 ms."""
    edge = await media.peer("edge")
    burners = [
        await asyncio.create_subprocess_exec("timeout", "4", "sh", "-c", "while :; do :; done")
        for _ in range(os.cpu_count() or 2)
    ]
    with RtpEndpoint(port=20_544) as phone:
        stream = await edge.open_stream(parameters_for(phone.port))
        phone.start(stream.address, stream.port)
        await asyncio.sleep(3.0)
        closed = await edge.ask(messages.CloseStream(stream.stream), messages.StreamClosed)
    for burner in burners:
        await burner.wait()
    assert closed.quality.packets_sent >= 148
    assert closed.quality.send_lateness_p99_ms < 5
