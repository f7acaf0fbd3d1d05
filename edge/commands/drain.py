"""Let a UA worker finish its calls and take no more; 'cordboard undrain' lets it take them again.

The worker is named by the number that 'cordboard status' shows. Its calls go on as if nothing had
happened, and it stays drained even if its process is replaced.

  cordboard drain 2              returns at once
  cordboard drain 2 --wait 600   returns when its last call is over, exit code 1 after 600 s
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from edge.client_messages import DrainWorker, Status, StatusRequest
from edge.commands.options import add_config_argument, chosen_config
from media import RemoteError
from media.link import Link, connect
from media.paths import socket_address

HELP = "let a UA worker finish its calls and take no more"
POLL_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("worker", type=int, help="number of the worker")
    parser.add_argument(
        "--wait", type=float, metavar="SECONDS", help="wait until it has no call, at most so long"
    )
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Drain a worker.

    Raises:
        ConfigError: the configuration is wrong.
        RemoteError: the service does not know the worker.
    """
    address = socket_address(chosen_config(args), "edge")
    return asyncio.run(set_drained(address, args.worker, True, args.wait or 0.0))


async def set_drained(address: str, worker: int, drained: bool, wait_s: float) -> int:
    """Ask the control process, and wait for the worker's last call where wanted.

    Raises:
        RemoteError: there is no such worker, or the link broke.
    """
    try:
        link = await connect(address, role="client", on_message=lambda *_: None)
    except OSError:
        print("the service is not running", file=sys.stderr)
        return 1
    try:
        await link.request(DrainWorker(worker, drained))
        legs = await _legs(link, worker)
        deadline = time.monotonic() + wait_s
        while drained and legs and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            legs = await _legs(link, worker)
    finally:
        link.close()
    state = "takes no more calls" if drained else "takes calls"
    print(f"worker {worker} {state}, {legs} in progress")
    return 1 if drained and wait_s and legs else 0


async def _legs(link: Link, worker: int) -> int:
    status = await link.request(StatusRequest())
    if not isinstance(status, Status):
        raise RemoteError("the service does not say how its workers are")
    return next((each.legs for each in status.workers if each.number == worker), 0)
