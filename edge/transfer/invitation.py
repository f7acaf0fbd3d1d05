"""Write the call to a person's phone: where it goes, and what its display shows (sans-IO)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from edge.called_side import Destination
from edge.front.addresses import front_host, phone_uri, worker_proxy
from edge.transfer.order import Order
from edge.transfer.texts import fill
from edge.ua.route import local_address_toward
from edge.ua.sip_text import quote_display
from media.config.model import Config
from media.config.queues import QueueConfig
from media.config.trunks import Srtp

DISPLAY_LIMIT = 60
"""Characters; what desk phones show of a name is less."""
_USER = re.compile(r"[^A-Za-z0-9+*#._~!'()-]")
_HOST = re.compile(r"sips?:(?:[^@;>]*@)?(\[[^\]]+\]|[^:;>?]+)")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a phone is reached that no trunk leads to."""

    uri: str
    proxy: str = ""
    registered: str = ""
    srtp: Srtp = Srtp.OFF


@dataclass(frozen=True, slots=True)
class Shown:
    """Who calls, and what the called phone is told about it."""

    from_uri: str
    display: str
    headers: dict[str, str]


def invitation(
    config: Config, queue: QueueConfig | None, phone: str, order: Order, short_reason: str
) -> Destination:
    """Return the INVITE to a phone that is reached without a trunk.

    Args:
        config: phones and addresses.
        queue: whose ``alert_info`` and ``call_info`` are sent; None for an address outside.
        phone: SIP address, or name of a phone that registers here.
        order: the caller.
        short_reason: a few words for the display, empty where nothing is known.
    """
    target = _target(config, phone)
    address = local_address(config, target.uri, target.registered)
    shown = shown_caller(config, order, short_reason, queue, address, target.registered)
    codecs = (order.codec, *(each for each in ("PCMA", "PCMU") if each != order.codec))
    return Destination(
        target.uri,
        shown.from_uri,
        shown.display,
        shown.headers,
        tuple(each for each in codecs if each),
        proxy=target.proxy,
        address=address,
        registered=target.registered,
        srtp=target.srtp,
    )


def shown_caller(
    config: Config,
    order: Order,
    short_reason: str,
    queue: QueueConfig | None,
    address: str | None,
    registered: str,
) -> Shown:
    """Return who calls, and the headers that phones and programs beside them read.

    Args:
        config: our addresses.
        order: the caller.
        short_reason: for the display.
        queue: with what is sent for it, None for none.
        address: of our audio toward the phone, None where that is media's.
        registered: name under which the phone is registered at the front.
    """
    listening = config.sip.address if config.sip.address not in ("0.0.0.0", "::") else None
    front = front_host(config) if registered else None
    host = config.sip.public_address or listening or front or address or "127.0.0.1"
    at = f"[{host}]" if ":" in host else host
    from_uri = f"sip:{_USER.sub('', order.caller) or 'anonymous'}@{at}:{config.sip.udp_port}"
    display = " ".join(each for each in (order.caller, short_reason) if each)[:DISPLAY_LIMIT]
    headers = {
        "P-Asserted-Identity": f"{quote_display(order.caller_name or order.caller)} <{from_uri}>",
        "X-Cordboard-Call": order.call_id,
        "X-Cordboard-Queue": order.queue,
    }
    if queue is not None:
        names = {"call_id": order.call_id, "caller": order.caller, "queue": order.queue}
        headers["Alert-Info"] = queue.alert_info
        headers["Call-Info"] = fill(queue.call_info, **names)
    kept = {name: _one_line(value) for name, value in headers.items() if value}
    return Shown(from_uri, display, kept)


def _target(config: Config, phone: str) -> _Target:
    if phone.startswith(("sip:", "sips:")):
        return _Target(phone)
    own = config.phones.get(phone)
    srtp = own.srtp if own is not None else Srtp.OFF
    return _Target(phone_uri(config, phone), worker_proxy(config), phone, srtp)


def local_address(config: Config, uri: str, registered: str) -> str | None:
    """Return the address to advertise toward a phone, None where media or the front knows it."""
    if config.desk.address is not None:
        return config.desk.address
    if config.media.address not in ("0.0.0.0", "::") or registered:
        return None
    found = _HOST.match(uri)
    host = found[1].strip("[]") if found else ""
    try:
        return local_address_toward(str(ipaddress.ip_address(host)))
    except (ValueError, OSError):
        return None


def _one_line(value: str) -> str:
    return "".join(each for each in value if each.isprintable())
