"""Run a UA worker: ``python -m edge.ua --fd N --settings JSON``."""

from __future__ import annotations

import argparse
import os
import socket
import sys

import structlog

from edge.ua.control import ControlLink
from edge.ua.messages import parse_settings
from media import CordboardError
from media.config.model import LogConfig, LogFormat
from media.log import configure_log

log = structlog.get_logger()


def main(argv: list[str] | None = None) -> int:
    """Serve control on an inherited socket; 0 after an orderly end, 1 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m edge.ua", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="our end of control's socket pair")
    parser.add_argument("--settings", required=True, help="JSON of UaSettings")
    args = parser.parse_args(argv)
    try:
        settings = parse_settings(args.settings)
        connection = socket.socket(fileno=args.fd)
    except (CordboardError, ValueError, OSError) as error:
        print(f"edge.ua: {error}", file=sys.stderr)
        return 2
    written = LogConfig(LogFormat(settings.log_format), settings.log_level, settings.log_pii)
    configure_log(written, "worker")
    control = ControlLink(connection)
    control.start()
    # loading pjsua2 takes seconds on a busy machine, and control gives up who is silent for two
    from edge.ua.endpoint import ListenError
    from edge.ua.worker import Worker

    try:
        Worker(settings, control).run()
    except ListenError as error:
        log.error("process_failed", reason=str(error))
        control.close()
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # pjsua2's destructors at interpreter exit run in an order that it does not survive
    os._exit(code)
