"""Say on what the benchmark ran, so that others can repeat it."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.harness.service import ROOT

_PACKAGES = (
    "llama-cpp-python", "faster-whisper", "vosk", "piper-tts", "onnxruntime", "pjsua2-python",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """Return processor, cores, memory, kernel, versions and the commit measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if "model name" in line
        ),
        platform.processor(),
    )
    memory_kb = next(
        (int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(memory_kb / 2**20, 1),
        "load_before": os.getloadavg(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def whisper_folder() -> Path | None:
    """Return where the Whisper model is that checks what was heard, None without one."""
    models = os.environ.get("CORDBOARD_MODELS") or Path.home() / ".cache" / "cordboard" / "models"
    folder = Path(models) / "whisper-base"
    return folder if (folder / "model.bin").exists() else None


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
