"""Give commands to a Kamailio that runs, beside the control process."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from edge.front.addresses import rpc_socket
from media.config.model import Config


def tell_kamailio(config: Config, folder: Path, method: str, *parameters: str | int) -> None:
    """Carry out one command.

    Args:
        config: of the service.
        folder: for the end of the socket.
        method: of Kamailio's JSON-RPC.
        *parameters: of the method.
    """
    own = folder / "test.ctl"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as here:
        here.bind(str(own))
        here.settimeout(5)
        body = {"jsonrpc": "2.0", "method": method, "params": list(parameters), "id": 1}
        here.sendto(json.dumps(body).encode(), str(rpc_socket(config)))
        answer = json.loads(here.recv(65_535))
    own.unlink()
    assert "error" not in answer, answer
