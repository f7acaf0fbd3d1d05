"""What must be so before the first engine is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit


def test_threads_are_told_to_sleep_before_any_engine_is_loaded() -> None:
    """The setting is read once, by libgomp: importing the package alone must have made it."""
    code = "import agent, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["passive", "False"]
