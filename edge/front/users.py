"""Say who may log in at the front: desk phones, and trunks that prove themselves by a password."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import structlog

from edge.front.board import User
from media import ConfigError
from media.config.model import Config
from media.config.secrets import Credentials
from media.config.trunks import FullConfig

PHONE_REALM = "cordboard"

log = structlog.get_logger()


def digest_users(config: Config) -> dict[str, User]:
    """Return everybody who registers here, by digest user name.

    Calls of trunks with a password are challenged by control, which knows the dial plan. One whose
    secret cannot be read is left out and logged: the others shall still be let in.
    """
    users: dict[str, User] = {}
    for name, trunk in config.trunks.items():
        digest = trunk.digest
        if digest is not None and digest.accept_register:
            identity = f"trunk:{name}"
            _add(users, digest, digest.username, digest.realm, identity, digest.username)
            if digest.username in users:
                known = users[digest.username]
                users[digest.username] = replace(known, refusal=refusal_tag(trunk.full))
    for name, phone in config.phones.items():
        _add(users, phone, phone.username or name, PHONE_REALM, f"phone:{name}", name)
    return users


def refusal_tag(full: FullConfig) -> str:
    """Return what a full house is answered with: ``STATUS/SECONDS``, ``-`` for the usual time."""
    return f"{full.status}/{'-' if full.retry_after_s is None else full.retry_after_s}"


def ha1(user: str, realm: str, password: str) -> str:
    """Return the digest secret (RFC 7616 section 3.4.2, MD5: what desk phones speak)."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


def _add(
    users: dict[str, User],
    credentials: Credentials,
    user: str,
    realm: str,
    identity: str,
    address: str,
) -> None:
    try:
        password = credentials.read_password()
    except ConfigError as error:
        log.error("password_missing", identity=identity, reason=str(error))
        return
    users[user] = User(ha1(user, realm, password), realm, identity, address)
