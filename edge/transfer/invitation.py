"""Write the call to a person's phone: where it goes, and what its display shows (sans-IO)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from edge.called_side import Destination
from edge.front.addresses import REGISTERED_HEADER, front_host, phone_uri, worker_proxy
from edge.transfer.order import Order
from edge.transfer.texts import fill
from edge.ua.route import local_address_toward
from edge.ua.sip_text import quote_display
from media import ConfigError
from media.config.model import Config
from media.config.queues import PersonConfig, QueueConfig
from media.config.trunks import Srtp

DISPLAY_LIMIT = 60
"""Characters; what desk phones show of a name is less."""
_USER = re.compile(r"[^A-Za-z0-9+*#._~!'()-]")
_HOST = re.compile(r"sips?:(?:[^@;>]*@)?(\[[^\]]+\]|[^:;>?]+)")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a phone is reached, and how we prove who we are."""

    uri: str
    user: str = ""
    password: str = ""
    proxy: str = ""
    registered: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    srtp: Srtp = Srtp.OFF


def invitation(
    config: Config, queue: QueueConfig, person: PersonConfig, order: Order, short_reason: str
) -> Destination:
    """Return the INVITE to one person.

    Args:
        config: trunks and addresses.
        queue: whose ``alert_info`` and ``call_info`` are sent.
        person: whose phone rings.
        order: the caller.
        short_reason: a few words for the display, empty where nothing is known.

    Raises:
        ConfigError: the trunk's password cannot be read.
    """
    return _invitation(config, person.phone, person.trunk, order, short_reason, queue)


def outside_invitation(config: Config, number: str, order: Order) -> Destination:
    """Return the INVITE to a number that a queue falls back to.

    Args:
        config: trunks and addresses.
        number: a SIP address, or a number (``tel:`` or plain) that goes out over the caller's own
            trunk.
        order: the caller.

    Raises:
        ConfigError: the trunk's password cannot be read.
    """
    trunk = None if number.startswith(("sip:", "sips:")) else order.trunk
    return _invitation(config, number.removeprefix("tel:"), trunk, order, order.reason, None)


def _invitation(
    config: Config,
    phone: str,
    trunk: str | None,
    order: Order,
    short_reason: str,
    queue: QueueConfig | None,
) -> Destination:
    target = _target(config, phone, trunk)
    address = _local_address(config, target)
    listening = config.sip.address if config.sip.address not in ("0.0.0.0", "::") else None
    front = front_host(config) if target.registered else None
    host = config.sip.public_address or listening or front or address or "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    from_uri = f"sip:{_USER.sub('', order.caller) or 'anonymous'}@{shown}:{config.sip.udp_port}"
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
    codecs = (order.codec, *(each for each in ("PCMA", "PCMU") if each != order.codec))
    return Destination(
        target.uri,
        from_uri,
        display,
        {name: _one_line(value) for name, value in headers.items() if value} | target.headers,
        tuple(each for each in codecs if each),
        target.user,
        target.password,
        target.proxy,
        address,
        registered=target.registered,
        srtp=target.srtp,
    )


def _target(config: Config, phone: str, trunk_name: str | None) -> _Target:
    if phone.startswith(("sip:", "sips:")):
        return _Target(phone)
    trunk = config.trunks.get(trunk_name or "")
    if trunk is not None and trunk.servers:
        user = password = ""
        if trunk.register is not None:
            user = trunk.register.auth_username or trunk.register.username
            password = trunk.register.read_password()
        transport = "" if trunk.transport == "udp" else f";transport={trunk.transport}"
        uri = f"sip:{_USER.sub('', phone)}@{trunk.servers[0]}{transport}"
        return _Target(uri, user, password, srtp=trunk.srtp)
    if trunk_name is not None and trunk is None and phone not in config.phones:
        raise ConfigError([f'no trunk leads to "{phone}"'])
    uri, proxy, own = phone_uri(config, phone), worker_proxy(config), config.phones.get(phone)
    if own is None and trunk is not None and trunk.registers_here and trunk.digest:
        name = trunk.digest.username
        headers = {REGISTERED_HEADER: name}
        return _Target(uri, proxy=proxy, registered=name, headers=headers, srtp=trunk.srtp)
    srtp = own.srtp if own is not None else Srtp.OFF
    return _Target(uri, proxy=proxy, registered=phone, srtp=srtp)


def _local_address(config: Config, target: _Target) -> str | None:
    """Return the address to advertise, None where media or the front knows it."""
    if config.desk.address is not None:
        return config.desk.address
    if config.media.address not in ("0.0.0.0", "::") or target.registered:
        return None
    found = _HOST.match(target.uri)
    host = found[1].strip("[]") if found else ""
    try:
        return local_address_toward(str(ipaddress.ip_address(host)))
    except (ValueError, OSError):
        return None


def _one_line(value: str) -> str:
    return "".join(each for each in value if each.isprintable())
