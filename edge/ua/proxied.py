"""Read what the proxy before a worker says about the request that it passed on.

Behind the front every INVITE comes from the front's own loopback address; where it really came
from stands in a header that the front writes, after removing any that came from outside.
"""

from __future__ import annotations

from collections.abc import Mapping

SOURCE_HEADER = "X-Cordboard-Source"
"""``address:port;transport=udp``; IPv6 addresses in brackets."""
IDENTITY_HEADER = "X-Cordboard-Identity"
"""``trunk:NAME`` or ``phone:NAME`` of who has proven the password."""
FINAL_HEADER = "X-Cordboard-Final"
"""On a refusal: control's verdict, which no other worker would change."""


def true_source(headers: Mapping[str, str], source: str) -> str:
    """Return ``address:port`` that the front names, else that of the datagram.

    The transport stays that of the datagram: whatever the caller speaks, requests of ours go to
    the front.

    Args:
        headers: of the INVITE, names in lower case.
        source: ``address:port`` of the datagram.
    """
    return headers.get(SOURCE_HEADER.lower(), "").partition(";")[0].strip() or source
