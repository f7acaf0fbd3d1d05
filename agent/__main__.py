"""Start the agent process: ``python -m agent --config FILE``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from agent.loading import load_engines
from agent.process import AgentProcess
from agent.sentence_store import open_store
from media import CordboardError
from media.config.load import load_config
from media.log import configure_log
from media.realtime import step_back

log = structlog.get_logger()


async def _serve(process: AgentProcess) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(8, "agent", initializer=step_back))
    serving = asyncio.create_task(process.run())
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, serving.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    except* CordboardError as group:
        raise group.exceptions[0] from None


def main() -> int:
    """Run until told to stop; a wrong configuration or a missing model is one line and 1."""
    parser = argparse.ArgumentParser(prog="python -m agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="cordboard.yaml")
    args = parser.parse_args()
    try:
        config = load_config(args.config)
    except CordboardError as error:
        print(f"agent: {error}", file=sys.stderr)
        return 1
    configure_log(config.log, "agent")
    try:
        folder = Path(config.engines.cache_dir)
        process = AgentProcess(config, load_engines, lambda voice: open_store(folder, voice))
        asyncio.run(_serve(process))
    except CordboardError as error:
        log.error("process_failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
