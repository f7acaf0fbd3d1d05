"""Baresip (Debian's baresip-core) as a desk phone: speaks a tone, keeps what it hears."""

from __future__ import annotations

import asyncio
import json
import shutil
import wave
from pathlib import Path

import numpy as np

from tests.harness.service import free_port
from tests.transfer.rig import Caller, Rig, until, write_tone
from tests.transfer.rtp import FRAME, who

_MODULES = ("g711", "aufile", "aubridge", "sndfile")
_APPLICATIONS = ("account", "menu", "ctrl_tcp")


class Baresip:
    """One baresip; it speaks with the tone ``ann``.

    Args:
        folder: for its configuration and sounds.
        account: a line of its ``accounts`` file.
        port: of its SIP, 0 for any.
        address: of its SIP and RTP.
        modules: more of its own.
    """

    def __init__(
        self,
        folder: Path,
        account: str,
        port: int = 0,
        address: str = "127.0.0.1",
        modules: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder / "baresip"
        self.control = free_port(29_160, 29_199)
        self.folder.mkdir(exist_ok=True)
        write_tone(self.folder / "ann.wav", "ann", 60.0)
        lines = [
            f"sip_listen {f'[{address}]' if ':' in address else address}:{port}",
            f"module_path {next(Path('/usr/lib').rglob('baresip/modules'))}",
            *[f"module {each}.so" for each in (*_MODULES, *modules)],
            *[f"module_app {each}.so" for each in _APPLICATIONS],
            f"audio_source aufile,{self.folder}/ann.wav",
            "audio_player aubridge,nobody",
            f"snd_path {self.folder}",
            *[f"{kind}_srate 8000\n{kind}_channels 1" for kind in ("ausrc", "auplay")],
            f"ctrl_tcp_listen 127.0.0.1:{self.control}",
            "rtp_ports 29850-29890",
            f"net_interface {address}",
            f"prefer_ipv6 {'yes' if ':' in address else 'no'}",
        ]
        (self.folder / "config").write_text("\n".join(lines) + "\n")
        (self.folder / "accounts").write_text(account + "\n")
        (self.folder / "contacts").write_text("")

    async def start(self) -> Baresip:
        """Start it."""
        program = shutil.which("baresip")
        assert program, "baresip is not installed: apt-get install baresip-core"
        with (self.folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(program, "-f", str(self.folder)),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        for _ in range(200):
            try:
                reader, self._writer = await asyncio.open_connection("127.0.0.1", self.control)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self._reading = asyncio.create_task(self._read(reader))
            return self
        raise AssertionError(self.log())

    def command(self, name: str, parameters: str = "") -> None:
        """Send a command (JSON in a netstring)."""
        body = json.dumps({"command": name, "params": parameters})
        self._writer.write(f"{len(body)}:{body},".encode())

    async def said(self, text: str, timeout_s: float = 10.0) -> None:
        """Wait until it has printed or reported something."""
        await until(lambda: text in self.log() + self._reported, timeout_s, self.log)

    def heard(self) -> list[frozenset[str]]:
        """Return whose tones it has heard in the last call, by frame; [] until it is written."""
        newest = max(self.folder.glob("dump-*-dec.wav"), key=lambda each: each.stat().st_mtime)
        try:
            with wave.open(str(newest)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        except (wave.Error, EOFError):
            return []
        return [who(samples[at : at + FRAME]) for at in range(0, len(samples), FRAME)]

    def log(self) -> str:
        """Return what it printed."""
        return (self.folder / "log").read_text(errors="replace")[-6_000:]

    async def stop(self) -> None:
        """Kill it."""
        self._reading.cancel()
        self._writer.close()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    _reported = ""

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while octets := await reader.read(4_096):
            self._reported += octets.decode(errors="replace")


async def check_heard(phone: Baresip) -> None:
    """Say what a phone has heard in its call: the whisper, then the caller, and nobody else."""
    await asyncio.sleep(0.3)
    await until(phone.heard, 5, phone.log)
    heard = phone.heard()
    assert heard.count(frozenset({"whisper"})) >= 3
    assert heard.count(frozenset({"caller"})) > 20
    assert frozenset().union(*heard) == {"whisper", "caller"}


async def accept_by_key(rig: Rig, caller: Caller, phone: Baresip) -> None:
    """Have the phone that rings answer, hear the whisper and press 1; the caller must hear it."""
    trouble = lambda: phone.log() + rig.log()  # noqa: E731
    await phone.said("ncoming call from", 8)
    phone.command("accept")
    await until(lambda: rig.agent.spoken, 6, trouble)
    await asyncio.sleep(0.5)
    assert caller.dialog.hears("music")
    phone.command("sndcode", "1")
    await until(lambda: caller.dialog.hears("ann"), 6, trouble)
