"""Run the control process: ``python -m edge --config F``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from edge.control import serve
from media import CordboardError
from media.config.load import load_config
from media.log import configure_log


def main() -> int:
    """Read the configuration and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m edge", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    try:
        config = load_config(args.config)
    except CordboardError as error:
        print(f"edge: {error}", file=sys.stderr)
        return 1
    configure_log(config.log, "edge")
    asyncio.run(serve(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
