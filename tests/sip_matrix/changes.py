"""One call that is held, resumed, moved and recoded over and over, its audio proven each time."""

from __future__ import annotations

import re
import time
from pathlib import Path

from media.paths import socket_address
from tests.edge.ua.ua_peer import Peer, SipMessage, offer
from tests.sip_matrix.service import SipService
from tests.sip_matrix.tones import AGENT_HZ, CALLER_HZ, ToneAgent, ToneCaller, purity

SETTLE_S = 0.12
LISTEN_S = 0.3
CHANGE_NS = 2_000_000_000
"""On a machine that is busy with other things; a few packets on an idle one."""
PURE = 0.9
_CODECS = ((0, "PCMU"), (8, "PCMA"))


class ChangingCall:
    """The service, a caller with RTP, and one call between them.

    Args:
        folder: for the service.
        sip_ports: for its SIP.
        play_s: how long the agent's tone lasts.
        more: further sections of the configuration, as YAML.
        limits: further fields of the ``limits`` section, as YAML.
    """

    def __init__(
        self,
        folder: Path,
        sip_ports: tuple[int, int],
        play_s: int,
        more: str = "",
        limits: str = "",
    ) -> None:
        self.agent = ToneAgent(lambda: socket_address(self.service.config, "media"), play_s)
        rtp = 31_300 + sip_ports[0] % 10 * 10
        self.service = SipService(
            *(folder, sip_ports, (rtp, rtp + 9)), limits=limits, agent=self.agent, more=more
        )
        self.service.start()
        self.rtp = ToneCaller()
        self.peer = Peer(self.service.port)
        self._version = 0

    def close(self) -> None:
        """Stop everything."""
        self.rtp.close()
        self.peer.close()
        self.service.stop()

    def invite(self, direction: str = "sendrecv", *headers: str) -> SipMessage:
        """Send an offer of what we are now, first or later, and take the answer."""
        self._version += 1
        pt, name = next(each for each in _CODECS if each[0] == self.rtp.payload_type)
        body = offer(
            port=self.rtp.port,
            formats=str(pt),
            lines=(f"a=rtpmap:{pt} {name}/8000", f"a={direction}"),
            version=self._version,
        )
        self.peer.request("INVITE", body, headers=headers)
        answer = self.peer.response(None)
        assert answer.status == 200, answer.text
        self.peer.request("ACK")
        port = re.search(r"m=audio (\d+)", answer.body)
        assert port is not None
        self.rtp.target = ("127.0.0.1", int(port[1]))
        return answer

    def check_both_ways(self) -> None:
        """Hear each tone at its other end, in our codec, within two seconds of the answer."""
        asked_ns = time.monotonic_ns()
        while self.rtp.payload_type not in self.rtp.kinds_since(asked_ns):
            assert time.monotonic_ns() - asked_ns < CHANGE_NS, "nothing comes in the new codec"
            time.sleep(0.01)
        time.sleep(SETTLE_S)
        since_ns = time.monotonic_ns()
        time.sleep(LISTEN_S)
        from_caller = purity(self.agent.heard_since(since_ns), CALLER_HZ)
        from_agent = purity(self.rtp.heard_since(since_ns), AGENT_HZ)
        assert from_caller > PURE, f"the agent hears {from_caller:.2f} of the caller's tone"
        assert from_agent > PURE, f"the caller hears {from_agent:.2f} of the agent's tone"
        kinds = self.rtp.kinds_since(since_ns)
        assert kinds == {self.rtp.payload_type}, f"payload types {kinds}"

    def check_held(self) -> None:
        """Hear nothing while on hold."""
        time.sleep(SETTLE_S)
        since_ns = time.monotonic_ns()
        time.sleep(0.1)
        assert not self.rtp.packets_since(since_ns), "audio is sent to a caller on hold"

    def check_change(self, number: int) -> None:
        """Make the ``number``-th change and prove the audio after it."""
        if number % 2 == 0:
            direction = "sendonly" if number % 4 == 0 else "inactive"
            answer = self.invite(direction)
            expected = "recvonly" if direction == "sendonly" else "inactive"
            assert f"a={expected}" in answer.body
            self.check_held()
        self.rtp.payload_type = 8 - self.rtp.payload_type
        if number % 3 == 0:
            self.rtp.move()
        self.invite()
        self.check_both_ways()

    def hang_up(self) -> None:
        """End the call; its record must say so."""
        self.peer.request("BYE")
        assert self.peer.response(None).status == 200
        assert self.service.record(self.peer.call_id)["reason"] == "caller_hangup"
