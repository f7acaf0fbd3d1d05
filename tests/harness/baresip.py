"""Call with baresip (Debian's baresip-core): a softphone of others, driven without a terminal."""

from __future__ import annotations

import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np

from tests.harness.outside_phone import Samples, load_wav

_CONFIG = """\
sip_listen 127.0.0.1:0
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
module_app account.so
module_app menu.so
"""


def call_with_baresip(
    folder: Path, uri: str, said: Samples, seconds: int, codec: str = "PCMA"
) -> Samples:
    """Call, play ``int16[n]`` (8 kHz), hang up after ``seconds``; return what baresip heard."""
    program = shutil.which("baresip")
    assert program, "baresip is not installed: apt-get install baresip-core"
    modules = next(Path("/usr/lib").rglob("baresip/modules"))
    (folder / "config").write_text(_CONFIG.format(folder=folder, modules=modules))
    (folder / "accounts").write_text(f"<sip:desk@127.0.0.1>;regint=0;audio_codecs={codec}\n")
    (folder / "contacts").write_text("")
    with wave.open(str(folder / "said.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(said.astype("<i2").tobytes())
    done = subprocess.run(
        [program, "-f", str(folder), "-e", f"/dial {uri}", "-t", str(seconds)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds + 20,
    )
    heard = sorted(folder.glob("dump-*-dec.wav"))
    assert heard, done.stdout.decode(errors="replace")[-2_000:]
    samples = load_wav(heard[-1])
    return samples if len(samples) else np.zeros(1, dtype=np.int16)
