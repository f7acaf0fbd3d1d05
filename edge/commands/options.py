"""Options that several commands share: which configuration, and how it is found."""

from __future__ import annotations

import argparse
from pathlib import Path

import edge
from media import ConfigError
from media.config.load import load_config
from media.config.model import Config

SYSTEM_CONFIG = Path("/etc/cordboard.yaml")
PROJECT_CONFIG = Path(edge.__file__).resolve().parent.parent / "deploy" / "cordboard.yaml"


def add_config_argument(parser: argparse.ArgumentParser, default: object = None) -> None:
    """Add ``--config FILE``."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=default,
        help=f"configuration (default: {PROJECT_CONFIG}, else {SYSTEM_CONFIG})",
    )


def config_path(args: argparse.Namespace) -> Path:
    """Return the chosen or the default configuration file.

    Raises:
        ConfigError: none was chosen and no default exists.
    """
    if args.config is not None:
        return Path(args.config).resolve()
    for path in (PROJECT_CONFIG, SYSTEM_CONFIG):
        if path.exists():
            return path
    raise ConfigError([f"no configuration: neither {PROJECT_CONFIG} nor {SYSTEM_CONFIG}; --config"])


def chosen_config(args: argparse.Namespace) -> Config:
    """Load the configuration that the arguments choose.

    Raises:
        ConfigError: the file is wrong or missing.
    """
    return load_config(config_path(args))
