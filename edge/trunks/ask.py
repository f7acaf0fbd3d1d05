"""Ask the control process something from the command line."""

from __future__ import annotations

from media import RemoteError
from media.link import connect
from media.messages import Message


class NotRunningError(RemoteError):
    """Nobody listens on the service's socket."""


async def ask_edge(address: str, message: Message, timeout_s: float = 5.0) -> Message:
    """Send one request and return its reply.

    Raises:
        NotRunningError: the service does not run.
        RemoteError: it refused, or did not answer in time.
    """
    try:
        link = await connect(address, role="client", on_message=lambda *_: None)
    except OSError as error:
        raise NotRunningError("the service is not running", 503) from error
    try:
        return await link.request(message, timeout_s)
    finally:
        link.close()
