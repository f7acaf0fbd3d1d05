"""Find Kamailio, check its files, and say how it is started."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from media import LocalError
from media.config.model import Config

PID_FILE = "kamailio.pid"
SHARED_MB = 64
PRIVATE_MB = 8
_CHECK_S = 20
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


class FrontError(LocalError):
    """Kamailio cannot be started with this configuration on this machine."""


def find_kamailio(config: Config) -> str:
    """Return the path of the program.

    Raises:
        FrontError: it, or its TLS module where TLS is wanted, is not installed.
    """
    program = shutil.which("kamailio") or shutil.which("kamailio", path=_SYSTEM_FOLDERS)
    if program is None:
        raise FrontError(
            "sip.front is kamailio, and Kamailio is not installed: "
            "apt-get install kamailio kamailio-tls-modules (or set sip.front: none)"
        )
    for name in ("tls_certificate", "tls_key"):
        path = getattr(config.front, name)
        if path is not None and not Path(path).is_file():
            raise FrontError(f"front.{name}: {path} is not there")
    return program


def check(program: str, folder: Path) -> None:
    """Have Kamailio check the rendered files.

    Raises:
        FrontError: with what Kamailio found wrong.
    """
    command = [program, "-c", *_files(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_CHECK_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FrontError(f"kamailio -c: {error}") from error
    if done.returncode == 0:
        return
    lines = [each for each in done.stderr.splitlines() if "ERROR" in each or "CRITICAL" in each]
    said = "; ".join(lines[:3]) or done.stderr.strip()[-300:]
    hint = ""
    if "tls.so" in said:
        hint = " (apt-get install kamailio-tls-modules)"
    raise FrontError(f"Kamailio refuses {folder / 'kamailio.cfg'}: {said}{hint}")


def kamailio_arguments(folder: Path) -> list[str]:
    """Return the arguments for running in the foreground with a folder of our own."""
    memory = ["-m", str(SHARED_MB), "-M", str(PRIVATE_MB)]
    return ["-DD", "-E", *memory, "-P", str(folder / PID_FILE), *_files(folder)]


def _files(folder: Path) -> list[str]:
    return ["-f", str(folder / "kamailio.cfg"), "-Y", str(folder)]
