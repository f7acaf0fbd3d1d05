"""Run Kamailio before the UA workers: ``python -m edge.front --config F``.

Renders its files into the run directory, has Kamailio check them, and becomes Kamailio.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import structlog

from edge.front.addresses import rpc_socket, run_dir
from edge.front.machine import local_addresses
from edge.front.program import PID_FILE, check, find_kamailio, kamailio_arguments
from edge.front.render import render
from media import CordboardError
from media.config.load import load_config
from media.log import configure_log

log = structlog.get_logger()


def main() -> int:
    """Render, check, run; returns only if Kamailio cannot be started."""
    parser = argparse.ArgumentParser(prog="python -m edge.front", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    try:
        config = load_config(args.config)
    except CordboardError as error:
        print(f"edge.front: {error}", file=sys.stderr)
        return 1
    configure_log(config.log, "edge.front")
    try:
        program = find_kamailio(config)
        folder = run_dir(config)
        render(config, local_addresses(config.sip.address)).write(folder)
        rpc_socket(config).parent.mkdir(parents=True, exist_ok=True)
        check(program, folder)
    except CordboardError as error:
        log.error("process_failed", reason=str(error))
        return 1
    (folder / PID_FILE).unlink(missing_ok=True)
    os.execv(program, [program, *kamailio_arguments(folder)])


if __name__ == "__main__":
    sys.exit(main())
