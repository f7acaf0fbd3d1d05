"""Answer a carrier that asks who we are, with what the trunk's configuration says."""

from __future__ import annotations

import secrets

import structlog

from edge.trunks.digest import answer_challenge
from edge.ua.messages import Challenge
from media import ConfigError
from media.config.trunks import TrunkConfig

log = structlog.get_logger()


def credentials_for(
    trunk: TrunkConfig, method: str, sip_status: int, challenge: Challenge
) -> dict[str, str]:
    """Return the header that answers a 401 or 407, nothing where the trunk has no password.

    Args:
        trunk: whose registration's user and password are taken.
        method: of the request that was challenged.
        sip_status: 401 or 407.
        challenge: what came with it.
    """
    account = trunk.register
    if account is None:
        return {}
    try:
        password = account.read_password()
    except ConfigError as error:
        log.error("password_unreadable", reason=str(error))
        return {}
    user = account.auth_username or account.username
    uri = challenge.request_uri
    value = answer_challenge(challenge.header, method, uri, user, password, secrets.token_hex(8))
    name = "Proxy-Authorization" if sip_status == 407 else "Authorization"
    return {name: value} if value is not None else {}
