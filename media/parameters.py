"""Check what an offer/answer round agreed before a stream is set to it."""

from __future__ import annotations

import ipaddress
import socket

from media import RemoteError
from media.g711 import Codec
from media.messages import StreamParameters

_PTIMES_MS = range(10, 61)


class BadParametersError(RemoteError):
    """What was agreed cannot be carried."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sip_status=488)


def check_parameters(parameters: StreamParameters, family: int) -> None:
    """Check parameters against what an RTP port can do.

    Args:
        parameters: as edge sent them.
        family: of the port, ``socket.AF_INET`` or ``AF_INET6`` (which carries both).

    Raises:
        BadParametersError: 488.
    """
    try:
        Codec(parameters.codec)
    except ValueError:
        raise BadParametersError(f"codec {parameters.codec!r} is not carried") from None
    try:
        version = ipaddress.ip_address(parameters.remote_address).version
    except ValueError:
        raise BadParametersError(f"{parameters.remote_address!r} is no IP address") from None
    if version == 6 and family == socket.AF_INET:
        raise BadParametersError("an IPv6 far end cannot be reached from an IPv4 port")
    if parameters.ptime_ms not in _PTIMES_MS:
        raise BadParametersError(f"ptime of {parameters.ptime_ms} ms is not 10 to 60")
    for port in (parameters.remote_port, parameters.remote_rtcp_port):
        if not 0 <= port <= 65_535:
            raise BadParametersError(f"{port} is no port")
    types = (
        parameters.payload_type,
        parameters.dtmf_payload_type,
        parameters.comfort_noise_payload_type,
    )
    given = [each for each in types if each is not None]
    # 72 to 76 would be taken for RTCP (RFC 3551 section 6)
    if len(set(given)) < len(given) or any(not 0 <= e <= 127 or 72 <= e <= 76 for e in given):
        raise BadParametersError(f"payload types {given} cannot be told apart")
