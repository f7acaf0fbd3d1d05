"""Run the media process: ``python -m media --config FILE``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

import structlog

from media import ConfigError
from media.bridge import Bridge
from media.config.load import load_config
from media.config.model import Config
from media.link import listen
from media.log import configure_log
from media.pacing import Pacer
from media.paths import socket_address
from media.realtime import background_executor, claim_priority, settle_memory
from media.recording import RecordingWriter

log = structlog.get_logger()


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    executor = background_executor()
    loop.set_default_executor(executor)
    writer = RecordingWriter()
    pacer = Pacer()
    bridge = Bridge(config.media, pacer, writer)
    pacer.add(time.monotonic_ns(), bridge.poll_ports)
    address = socket_address(config, "media")
    server = await listen(address, bridge.accept)
    settle_memory()
    log.info("media_started", address=address, scheduling=claim_priority())
    try:
        await stop.wait()
    finally:
        server.close()
        bridge.close()
        await asyncio.to_thread(writer.close)
        executor.shutdown(wait=False)
        log.info("media_stopped")


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m media", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="cordboard.yaml")
    args = parser.parse_args()
    try:
        config = load_config(args.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    configure_log(config.log, "media", wait_s=0.0)
    asyncio.run(serve(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
