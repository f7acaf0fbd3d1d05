"""Say where the processes of one configuration find each other."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from media.config.model import Config

_LONGEST_UNIX_PATH_BYTES = 100
"""sun_path holds 108 bytes on Linux (unix(7)); some are kept for temporary names."""


def socket_address(config: Config, role: str) -> str:
    """Return the ``unix://`` address that a role (``edge``, ``media``, ``agent``) listens on.

    Args:
        config: a loaded configuration, whose paths are absolute.
        role: which process.
    """
    path = Path(config.run_dir) / f"{role}.sock"
    if len(os.fsencode(path)) > _LONGEST_UNIX_PATH_BYTES:
        digest = hashlib.sha256(os.fsencode(config.run_dir)).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"cordboard-{digest}" / f"{role}.sock"
    return f"unix://{path}"


def models_dir(config: Config) -> Path:
    """Return the folder that holds the models."""
    if config.engines.models_dir is not None:
        return Path(config.engines.models_dir)
    if chosen := os.environ.get("CORDBOARD_MODELS"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "cordboard" / "models"
