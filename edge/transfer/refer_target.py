"""Write where a blind REFER points: only to what stands in the configuration (sans-IO)."""

from __future__ import annotations

import re

from edge.numbers import Numbers
from media import RemoteError
from media.config.model import Config

_NUMBER = re.compile(r"\+?[0-9*#.()-]{2,32}")


def blind_target(config: Config, address: str, caller_trunk: str) -> str:
    """Return a Refer-To value.

    A number goes to the first server of the caller's trunk, as carriers take numbers of their own
    domain and many take no ``tel:``, written as the trunk's ``numbers`` say; without a server it is
    a ``tel:`` URI (RFC 3966).

    Args:
        config: the trunks.
        address: ``sip:`` or ``tel:`` URI as configured, or a person's number.
        caller_trunk: who is asked.

    Raises:
        RemoteError: 488, the name of a phone that registers here means nothing to others.
    """
    if address.startswith(("sip:", "sips:", "tel:")):
        return f"<{address}>"
    if not _NUMBER.fullmatch(address):
        raise RemoteError(f"a carrier cannot call {address!r}", sip_status=488)
    trunk = config.trunks.get(caller_trunk)
    if trunk is None or not trunk.servers:
        return f"<tel:{address}>"
    numbers = Numbers(trunk.numbers)
    user = numbers.send(numbers.receive(address)).replace("#", "%23")
    return f"<sip:{user}@{trunk.servers[0]};user=phone>"
