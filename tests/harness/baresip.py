"""Call and be called by baresip (Debian's baresip-core): a softphone of others, no terminal."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

from tests.harness.outside_phone import Samples, load_wav
from tests.harness.wav import save_wav

_CONFIG = """\
sip_listen {listen}
audio_source aufile,{folder}/said.wav
audio_player aubridge,nobody
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
snd_path {folder}
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_app account.so
module_app menu.so
"""


class Baresip:
    """One run of baresip.

    Args:
        folder: for its configuration and what it hears.
        said: what it plays, ``int16[n]`` at 8 kHz.
        listen: ``address:port`` of its SIP, port 0 for any.
        user: of its account.
        more: parameters of its account, as ``;mediaenc=srtp``.
        codec: the only one.
    """

    def __init__(
        self,
        folder: Path,
        said: Samples,
        *,
        listen: str = "127.0.0.1:0",
        user: str = "desk",
        more: str = "",
        codec: str = "PCMA",
    ) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        modules = next(Path("/usr/lib").rglob("baresip/modules"))
        config = _CONFIG.format(folder=folder, modules=modules, listen=listen)
        (folder / "config").write_text(config)
        account = f"<sip:{user}@127.0.0.1>;regint=0;audio_codecs={codec}{more}\n"
        (folder / "accounts").write_text(account)
        (folder / "contacts").write_text("")
        save_wav(folder / "said.wav", said)

    def start(self, seconds: int, command: str = "") -> None:
        """Run for so long."""
        program = shutil.which("baresip")
        assert program, "baresip is not installed: apt-get install baresip-core"
        more = ["-e", command] if command else []
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [program, "-f", str(self.folder), *more, "-t", str(seconds)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Wait until it can be called."""
        deadline = time.monotonic() + timeout_s
        while "baresip is ready" not in self.output():
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def wait_ended(self, timeout_s: float) -> None:
        """Wait for its end."""
        assert self._process is not None
        try:
            self._process.wait(timeout_s)
        finally:
            self._process.kill()

    def finish(self, timeout_s: float) -> Samples:
        """Wait for its end; return what it heard."""
        self.wait_ended(timeout_s)
        heard = sorted(self.folder.glob("dump-*-dec.wav"))
        assert heard, self.output()
        samples = load_wav(heard[-1])
        return samples if len(samples) else np.zeros(1, dtype=np.int16)

    def output(self) -> str:
        """Return what it printed."""
        return (self.folder / "output").read_text(errors="replace")[-3_000:]


def call_with_baresip(
    folder: Path, uri: str, said: Samples, seconds: int, **options: str
) -> Samples:
    """Call, play ``int16[n]`` (8 kHz), hang up after ``seconds``; return what baresip heard.

    Args:
        folder: for baresip.
        uri: dialled.
        said: played.
        seconds: until it ends.
        options: of :class:`Baresip`.
    """
    baresip = Baresip(folder, said, **options)
    baresip.start(seconds, f"/dial {uri}")
    return baresip.finish(seconds + 20)
