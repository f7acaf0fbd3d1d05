"""Keep what became of our REFER until the callback is over: the news, and who is asked to prove."""

from __future__ import annotations

from edge.ua.messages import Challenge, UaTransferStatus
from edge.ua.sip_text import SipText

_CHALLENGES = {401: "www-authenticate", 407: "proxy-authenticate"}


class Referring:
    """The REFERs of one dialog, one after the other."""

    def __init__(self) -> None:
        self._challenge: Challenge | None = None
        self._news: list[tuple[int, str, bool]] = []

    def read(self, response: SipText, request_uri: str) -> None:
        """Keep the challenge of a response; pjsua2 tells of the response, in no certain order."""
        status = response.start.split(" ")[1:2]
        name = _CHALLENGES.get(int(status[0])) if status and status[0].isdecimal() else None
        value = response.header(name) if name is not None else ""
        self._challenge = Challenge(value, request_uri) if value else None

    def note(self, status: int, reason: str, final: bool) -> None:
        """Keep news of pjsua2."""
        self._news.append((status, reason, final))

    def pop(self, leg: int) -> list[UaTransferStatus]:
        """Return the news, in order."""
        news, self._news = self._news, []
        return [
            UaTransferStatus(leg, status, reason, final, self._challenge_of(status))
            for status, reason, final in news
        ]

    def _challenge_of(self, status: int) -> Challenge | None:
        if status not in _CHALLENGES:
            return None
        challenge, self._challenge = self._challenge, None
        return challenge
