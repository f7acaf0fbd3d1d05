"""Read who calls and whom they dialled first; write who we are (sans-IO).

P-Asserted-Identity (RFC 3325), Remote-Party-ID (the expired draft that switchboards still send),
Diversion (RFC 5806), History-Info (RFC 7044).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge.numbers import Numbers
from edge.ua.sip_text import parse_name_address, quote_display
from media.config.trunks import Diverted, Identity, IdentityConfig, TrunkConfig

_HEADERS = {
    Identity.P_ASSERTED_IDENTITY: "p-asserted-identity",
    Identity.REMOTE_PARTY_ID: "remote-party-id",
}
_URI = re.compile(r"(?:sips?|tel):[^\s<>,;\"]+", re.IGNORECASE)
_INDEX = re.compile(r";\s*index\s*=\s*([0-9.]+)", re.IGNORECASE)


def caller_of(from_uri: str, headers: Mapping[str, str], identity: IdentityConfig) -> str:
    """Return the URI of the caller.

    Args:
        from_uri: of From.
        headers: by lower-case name.
        identity: of the trunk.
    """
    for each in identity.caller if identity.trust else ():
        if each is Identity.FROM:
            return from_uri
        uris = _uris(headers.get(_HEADERS[each], ""))
        if uris:
            # a P-Asserted-Identity may hold a SIP and a tel URI: the number is wanted
            return next((uri for uri in uris if uri.lower().startswith("tel:")), uris[0])
    return from_uri


def diverted_of(headers: Mapping[str, str], identity: IdentityConfig) -> str:
    """Return the URI that was dialled first, empty where the call was not diverted."""
    for each in identity.diverted if identity.trust else ():
        value = headers.get("diversion" if each is Diverted.DIVERSION else "history-info", "")
        if not value:
            continue
        if each is Diverted.DIVERSION:
            uris = _uris(value)
            if uris:
                return uris[-1]  # the newest stands first (RFC 5806 section 4.3)
        else:
            entries = [(m[1], part) for part in value.split(",") if (m := _INDEX.search(part))]
            if len(entries) > 1:
                uris = _uris(entries[0][1])
                if uris:
                    return uris[0]
    return ""


def _uris(value: str) -> list[str]:
    bracketed = re.findall(r"<([^<>]+)>", value)
    return bracketed or _URI.findall(value)


def origin_of(
    trunk: TrunkConfig, numbers: Numbers, caller: str, domain: str
) -> tuple[str, str, dict[str, str]]:
    """Return From URI, display name and identity headers of a call that goes out.

    Args:
        trunk: that it goes out over.
        numbers: of the trunk.
        caller: who is shown where the trunk shows callers, E.164.
        domain: host part of our addresses.
    """
    identity = trunk.identity
    own = identity.number or (trunk.register.username if trunk.register else "")
    headers: dict[str, str] = {}
    if identity.send_asserted and own:
        headers["P-Asserted-Identity"] = f"<sip:{_user(numbers.send(own))}@{domain}>"
    if identity.send_from == "anonymous":
        headers["Privacy"] = "id"
        return "sip:anonymous@anonymous.invalid", "Anonymous", headers
    shown = caller if identity.send_from == "caller" and caller else own
    return f"sip:{_user(numbers.send(shown or 'cordboard'))}@{domain}", "", headers


def _user(text: str) -> str:
    """Return text fit for the user part of a SIP URI (RFC 3261 section 19.1.1)."""
    return re.sub(r"[^0-9A-Za-z+*#._~!$&'()-]", "", text) or "anonymous"


def header_value(text: str) -> str:
    """Return text fit for a header value: one line, printable."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


def named(display: str, uri: str) -> str:
    """Return a name-addr."""
    return f"{quote_display(display)} <{uri}>" if display else f"<{uri}>"


def user_of(uri: str) -> str:
    """Return the user part of a URI, or a name-addr's."""
    return parse_name_address(uri).uri.partition(":")[2].partition("@")[0]
