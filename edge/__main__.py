"""Run the control process: ``python -m edge --config F``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import structlog

from edge.control import serve
from edge.dialplan.loading import load_plan
from media import CordboardError
from media.log import configure_log

log = structlog.get_logger()


def main() -> int:
    """Read the configuration and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m edge", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    try:
        config, plan = load_plan(args.config)
    except CordboardError as error:
        print(f"edge: {error}", file=sys.stderr)
        return 1
    configure_log(config.log, "edge")
    try:
        asyncio.run(serve(config, plan, args.config))
    except CordboardError as error:
        log.error("process_failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
