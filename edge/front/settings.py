"""Say whether there is a front, and how the workers behind it are set up."""

from __future__ import annotations

from edge.front.addresses import WORKER_ADDRESS, worker_contact, worker_proxy
from edge.ua.messages import UaSettings
from media.config.model import Config, Front


def is_fronted(config: Config) -> bool:
    """Say whether Kamailio stands before the workers."""
    return config.sip.front is Front.KAMAILIO


def fronted_settings(config: Config) -> UaSettings:
    """Return how every worker behind the front is set up.

    ``{place}`` in the Contact stands for the worker's place.
    """
    return UaSettings(
        address=WORKER_ADDRESS,
        udp_port=0,
        tcp_port=None,
        callers=None,
        retry_after_s=config.limits.retry_after_s,
        user_agent=config.sip.user_agent,
        contact=worker_contact(config, "{place}"),
        proxy=worker_proxy(config),
        behind_front=True,
        log_level=config.log.level,
        log_format=config.log.format,
        log_pii=config.log.pii,
    )
