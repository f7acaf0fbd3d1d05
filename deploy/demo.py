"""Write the demo's configuration: the shipped one on loopback, with ports and a folder of its own.

Prints the SIP port. Only the standard sections that must differ are replaced, as text.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

SHIPPED = Path(__file__).with_name("cordboard.yaml")
OWN_SECTIONS = ("home", "run_dir", "sip", "media", "storage", "log")


def free_port(first: int) -> int:
    """Return the first port from ``first`` on that is free for UDP and TCP on loopback."""
    for port in range(first, first + 100):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit(f"no free port in {first}-{first + 99}")


def without_sections(text: str, names: tuple[str, ...]) -> str:
    """Return YAML text without the top-level keys named."""
    blocks = re.split(r"(?m)^(?=[A-Za-z_])", text)
    return "".join(each for each in blocks if each.partition(":")[0] not in names)


def main() -> None:
    """Write the file named by the first argument."""
    target = Path(sys.argv[1])
    port = free_port(26_060)
    own = f"""\
# Made by 'make demo' from {SHIPPED.name}: loopback, own ports, own folder.
home: {json.dumps(str(target.parent))}
run_dir: run
sip: {{address: 127.0.0.1, udp_port: {port}, tcp_port: {port}}}
media: {{address: 127.0.0.1, port_min: 26400, port_max: 26599, recordings_dir: recordings}}
storage: {{url: "sqlite:///calls.db"}}
log: {{format: json, level: info}}

"""
    target.write_text(own + without_sections(SHIPPED.read_text(), OWN_SECTIONS))
    print(port)


if __name__ == "__main__":
    main()
