"""Print the JSON Schema of the configuration, for editors that complete and check YAML."""

from __future__ import annotations

import argparse
import json

from media.config.schema import build_schema

HELP = "print the JSON Schema of the configuration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no arguments."""


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    print(schema_text(), end="")
    return 0


def schema_text() -> str:
    """Return the schema as the committed file holds it."""
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"
