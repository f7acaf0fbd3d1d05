"""Challenge callers and check their answers, answer challenges (sans-IO): RFC 2617, RFC 8760.

Nonces carry their own time and a signature, so none has to be stored; of those that were used the
highest ``nc`` is kept, so that none is used twice. A nonce that is too old earns a new challenge
with ``stale=true``, which costs the caller no password prompt.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NONCE_LIFE_NS = 120_000_000_000
_ALGORITHMS = {"SHA-256": "sha256", "MD5": "md5"}
"""The stronger first: clients take the first that they know (RFC 8760 section 2.4)."""
_PAIR = re.compile(r'([A-Za-z0-9-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_MOST_NONCES = 10_000


class Proof(StrEnum):
    """What credentials are worth."""

    RIGHT = "right"
    MISSING = "missing"
    STALE = "stale"
    """Right, but for a nonce that is too old or was used before."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Credentials:
    """One ``Digest`` of an Authorization or Proxy-Authorization header."""

    values: Mapping[str, str]

    def value(self, name: str) -> str:
        """Return a parameter, empty where it is missing."""
        return self.values.get(name, "")


def parse_credentials(header: str) -> tuple[Credentials, ...]:
    """Parse the header's value; repeated headers may be joined by commas."""
    parts = re.split(r"(?:\A|,)\s*Digest\s+", header, flags=re.IGNORECASE)[1:]
    return tuple(
        Credentials(
            {
                m[1].lower(): re.sub(r"\\(.)", r"\1", m[2]) if m[2] is not None else m[3]
                for m in _PAIR.finditer(part)
            }
        )
        for part in parts
    )


def answer_challenge(
    header: str, method: str, uri: str, user: str, password: str, client_nonce: str
) -> str | None:
    """Return the value of the Authorization (or Proxy-Authorization) that answers a challenge.

    Args:
        header: value of WWW-Authenticate or Proxy-Authenticate; the strongest of several is taken.
        method: of the request.
        uri: its Request-URI.
        user: ours.
        password: ours.
        client_nonce: random.

    Returns:
        None where no challenge is a digest of an algorithm and a quality of protection we have.
    """
    found = {each.value("algorithm").upper() or "MD5": each for each in parse_credentials(header)}
    name = next((each for each in _ALGORITHMS if each in found), None)
    if name is None:
        return None
    challenge = found[name].values
    offered = [each.strip() for each in challenge.get("qop", "").split(",") if each.strip()]
    if offered and "auth" not in offered:
        return None
    realm = challenge.get("realm", "")
    quoted = {"username": user, "realm": realm, "nonce": challenge.get("nonce", ""), "uri": uri}
    plain = {"algorithm": name} if "algorithm" in challenge else {}
    if offered:
        quoted["cnonce"] = client_nonce
        plain |= {"qop": "auth", "nc": "00000001"}
    given = Credentials({**quoted, **plain})
    response = _response(given, _ALGORITHMS[name], method, user, realm, password)
    quoted["response"] = response
    if "opaque" in challenge:
        quoted["opaque"] = challenge["opaque"]
    pairs = [f'{key}="{_escaped(value)}"' for key, value in quoted.items()]
    return "Digest " + ", ".join(pairs + [f"{key}={value}" for key, value in plain.items()])


def _escaped(value: str) -> str:
    return re.sub(r'([\\"])', r"\\\1", value)


@dataclass(slots=True)
class Challenger:
    """Makes nonces and checks what comes back.

    Args:
        secret: random, for this run of the service.
    """

    secret: bytes
    _used: dict[str, int] = field(default_factory=dict)
    """Nonce to the highest ``nc`` that was seen with it."""

    def challenges(
        self, realm: str, source: str, now_ns: int, *, stale: bool = False
    ) -> tuple[str, ...]:
        """Return the values of the WWW-Authenticate (or Proxy-Authenticate) headers, in order.

        Args:
            realm: of the trunk.
            source: address that is challenged; the nonce is good for it alone.
            now_ns: monotonic.
            stale: the password was right, the nonce too old.
        """
        nonce = self._nonce(source, now_ns)
        more = ", stale=true" if stale else ""
        return tuple(
            f'Digest realm="{realm}", nonce="{nonce}", algorithm={name}, qop="auth"{more}'
            for name in _ALGORITHMS
        )

    def check(
        self,
        credentials: tuple[Credentials, ...],
        method: str,
        realm: str,
        source: str,
        user: str,
        password: str,
        now_ns: int,
    ) -> Proof:
        """Judge what came with a request."""
        given = next((each for each in credentials if each.value("realm") == realm), None)
        if given is None:
            return Proof.MISSING
        algorithm = _ALGORITHMS.get(given.value("algorithm").upper() or "MD5")
        if algorithm is None or given.value("username") != user:
            return Proof.WRONG
        expected = _response(given, algorithm, method, user, realm, password)
        if not hmac.compare_digest(expected, given.value("response").lower()):
            return Proof.WRONG
        return self._check_nonce(given, source, now_ns)

    def _check_nonce(self, given: Credentials, source: str, now_ns: int) -> Proof:
        nonce = given.value("nonce")
        made_ns = int(nonce[:16], 16) if re.fullmatch("[0-9a-f]{16,}", nonce) else -1
        if not hmac.compare_digest(nonce, self._nonce(source, made_ns)):
            return Proof.STALE  # of an earlier run of ours, or of somebody else
        if not 0 <= now_ns - made_ns <= NONCE_LIFE_NS:
            return Proof.STALE
        count = (
            int(given.value("nc"), 16) if re.fullmatch("[0-9A-Fa-f]{1,8}", given.value("nc")) else 0
        )
        if count <= self._used.get(nonce, -1):
            return Proof.STALE
        self._used[nonce] = count
        if len(self._used) > _MOST_NONCES:
            del self._used[next(iter(self._used))]
        return Proof.RIGHT

    def _nonce(self, source: str, now_ns: int) -> str:
        stamp = f"{now_ns & 0xFFFF_FFFF_FFFF_FFFF:016x}"
        text = f"{stamp}:{source}".encode()
        return stamp + hmac.new(self.secret, text, hashlib.sha256).hexdigest()[:32]


def _response(
    given: Credentials, algorithm: str, method: str, user: str, realm: str, password: str
) -> str:
    def digest(text: str) -> str:
        return hashlib.new(algorithm, text.encode("utf-8", "surrogateescape")).hexdigest()

    secret = digest(f"{user}:{realm}:{password}")
    request = digest(f"{method}:{given.value('uri')}")
    middle = given.value("nonce")
    if given.value("qop"):
        middle += f":{given.value('nc')}:{given.value('cnonce')}:{given.value('qop')}"
    return digest(f"{secret}:{middle}:{request}")
