"""Load llama.cpp with its threads told to sleep, not to spin, while they wait for each other.

libgomp reads its environment once, when it is loaded, so the setting must stand before. Measured
on two cores with Qwen2.5 0.5B and two threads, milliseconds for one token: on an idle machine 30
spinning and 33 sleeping; with two other busy processes 2,633 spinning and 90 sleeping. A speech
recognizer and a voice on the same cores are such processes.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

native: Any = importlib.import_module("llama_cpp.llama_cpp")
"""The C functions of llama.h."""
chat_format: Any = importlib.import_module("llama_cpp.llama_chat_format")
