"""The conversation: whose turn it is, what was said, what to say; and its engines."""

import os

# libgomp reads this once, when the first engine loads it: see agent/engines/llama_native.py
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
