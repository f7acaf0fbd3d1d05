"""The media bridge, and the layer that edge and agent share with it.

RTP sockets, the 20 ms clock, codecs, DTMF, jitter and recording live here; so do the wire format
between the processes, the configuration reader and the log. Nothing here imports edge or agent.

Errors:
    CordboardError
    ├── LocalError   our own fault: the call ends, a traceback is logged
    ├── RemoteError  the peer's fault: carries the SIP status to answer with, no traceback
    └── ConfigError  the operator's file is wrong: every problem at once
"""

from __future__ import annotations


class CordboardError(Exception):
    """Base of every error that Cordboard raises on purpose."""


class LocalError(CordboardError):
    """A fault of our own; the call it happened in ends and the traceback is logged."""


class RemoteError(CordboardError):
    """A fault of a peer.

    Args:
        message: what the peer did wrong, in one line.
        sip_status: the final SIP status to answer it with (RFC 3261 section 21).
    """

    def __init__(self, message: str, sip_status: int = 400) -> None:
        super().__init__(message)
        self.sip_status = sip_status


class ConfigError(CordboardError):
    """The configuration is wrong.

    Args:
        problems: one readable line per problem, ``file:line:column: path: what, expected, hint``.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
