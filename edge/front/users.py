"""Say who may log in at the front: desk phones, and trunks that prove themselves by a password."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import structlog

from edge.front.board import User
from edge.front.settings import is_fronted
from edge.ua.proxied import IDENTITY_HEADER
from media import ConfigError
from media.config.front import PhoneConfig
from media.config.model import Config
from media.config.secrets import Credentials
from media.config.trunks import FullConfig

USUAL_REALM = "cordboard"

log = structlog.get_logger()


def phone_of(headers: Mapping[str, str], config: Config) -> PhoneConfig | None:
    """Return the desk phone that an INVITE is from, None where the front names none.

    Args:
        headers: of the INVITE, names in lower case.
        config: the phones.
    """
    kind, _, name = headers.get(IDENTITY_HEADER.lower(), "").partition(":")
    return config.phones.get(name) if kind == "phone" and is_fronted(config) else None


def front_realm(config: Config) -> str:
    """Return the realm of every challenge: that of the first trunk with a password, or the usual.

    One for all: a realm of its own would tell that there is such a user.
    """
    digests = [each.digest for each in config.trunks.values() if each.digest is not None]
    return digests[0].realm if digests else USUAL_REALM


def digest_users(config: Config) -> dict[str, User]:
    """Return everybody who proves a password at the front, by digest user name.

    A trunk with ``sources`` too is challenged by control, which asks for both. One whose secret
    cannot be read is left out and logged: the others shall still be let in.
    """
    users: dict[str, User] = {}
    realm = front_realm(config)
    for name, trunk in config.trunks.items():
        digest = trunk.digest
        if digest is not None and (digest.accept_register or not trunk.sources):
            address = digest.username if digest.accept_register else ""
            made = User("", f"trunk:{name}", address, refusal_tag(trunk.full))
            _add(users, digest, digest.username, realm, made)
    for name, phone in config.phones.items():
        _add(users, phone, phone.username or name, realm, User("", f"phone:{name}", name))
    return users


def refusal_tag(full: FullConfig) -> str:
    """Return what a full house is answered with: ``STATUS/SECONDS``, ``-`` for the usual time."""
    return f"{full.status}/{'-' if full.retry_after_s is None else full.retry_after_s}"


def ha1(user: str, realm: str, password: str) -> str:
    """Return the digest secret (RFC 7616 section 3.4.2, MD5: what desk phones speak)."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


def _add(
    users: dict[str, User], credentials: Credentials, user: str, realm: str, made: User
) -> None:
    try:
        password = credentials.read_password()
    except ConfigError as error:
        log.error("password_missing", identity=made.identity, reason=str(error))
        return
    users[user] = replace(made, ha1=ha1(user, realm, password))
