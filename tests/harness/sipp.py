"""Run SIPp (Debian's sip-tester) with a scenario given as text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def run_sipp(
    folder: Path, scenario: str, target: str, *, calls: int = 1, timeout_s: int = 30
) -> subprocess.CompletedProcess[str]:
    """Run a UAC scenario; exit code 0 means that every call went as written.

    Args:
        folder: for the scenario and SIPp's error file.
        scenario: SIPp XML.
        target: host:port.
        calls: how many, one after the other.
        timeout_s: SIPp gives up after so long.
    """
    program = shutil.which("sipp")
    assert program, "sipp is not installed: apt-get install sip-tester"
    path = folder / "scenario.xml"
    path.write_text(scenario)
    command = [program, target, "-sf", str(path), "-m", str(calls), "-l", "1", "-i", "127.0.0.1"]
    command += ["-nostdin", "-timeout", f"{timeout_s}s", "-timeout_error", "-trace_err"]
    command += ["-error_file", str(folder / "sipp_errors.log")]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=timeout_s + 10
    )
