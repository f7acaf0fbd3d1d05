"""A desk phone made of pjsua2, a process of its own: answers, plays a tone, takes Replaces.

``python pjsua_phone.py PORT HZ``; lines on stdin are commands: ``dtmf 1``, ``bye``, ``quit``. Each
line on stdout is an event: ``ready``, ``incoming``, ``confirmed``, ``replaced``, ``gone``.
"""

from __future__ import annotations

import os
import select
import sys
from typing import Any

import pjsua2 as pj


def say(event: str) -> None:
    """Tell the test."""
    os.write(1, f"EVENT {event}\n".encode())


class Call(pj.Call):
    """One dialog; the tone begins with the audio."""

    def __init__(self, phone: Phone, account: pj.Account, call_id: int) -> None:
        super().__init__(account, call_id)
        self.phone = phone

    def onCallState(self, prm: Any) -> None:  # noqa: N802
        state = self.getInfo().state
        if state == pj.PJSIP_INV_STATE_CONFIRMED:
            say("confirmed")
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            say("gone")
            self.phone.gone.append(self)

    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802
        self.phone.tone.startTransmit(self.getAudioMedia(-1))

    def onCallReplaceRequest(self, prm: Any) -> None:  # noqa: N802
        call = Call(self.phone, self.phone.account, pj.PJSUA_INVALID_ID)
        self.phone.calls.append(call)
        prm.newCall = call
        say("replaced")


class Account(pj.Account):
    """Takes calls."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        call = Call(self.phone, self, prm.callId)
        self.phone.calls.append(call)
        say("incoming")
        parameters = pj.CallOpParam()
        parameters.statusCode = 180
        call.answer(parameters)
        parameters.statusCode = 200
        call.answer(parameters)


class Phone:
    """The endpoint."""

    def __init__(self, port: int, hz: int) -> None:
        self.calls: list[Call] = []
        self.gone: list[Call] = []
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.medConfig.clockRate = 8_000
        config.medConfig.noVad = True
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress = port, "127.0.0.1"
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 255 if "PCMU" in codec.codecId else 0)
        self.tone = pj.ToneGenerator()
        self.tone.createToneGenerator(8_000, 1)
        tone = pj.ToneDesc()
        tone.freq1, tone.freq2, tone.on_msec, tone.off_msec = hz, 0, 1_000, 0
        tones = pj.ToneDescVector()
        tones.append(tone)
        self.tone.play(tones, True)
        account = pj.AccountConfig()
        account.idUri = f"sip:pjsua@127.0.0.1:{port}"
        account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        self.account = Account(self)
        self.account.create(account)

    def run(self) -> None:
        """Serve until ``quit``."""
        say("ready")
        rest = b""
        while True:
            self.endpoint.libHandleEvents(10)
            for call in self.gone:
                self.calls.remove(call)
            self.gone.clear()
            if not select.select([0], [], [], 0)[0]:
                continue
            octets = os.read(0, 1_000)
            if not octets:
                return
            *lines, rest = (rest + octets).split(b"\n")
            for line in lines:
                if line == b"quit":
                    return
                self.carry_out(line.decode())

    def carry_out(self, line: str) -> None:
        """Do what the test says."""
        word, _, rest = line.partition(" ")
        if word == "dtmf" and self.calls:
            self.calls[-1].dialDtmf(rest)
        elif word == "bye":
            for call in self.calls:
                call.hangup(pj.CallOpParam())


if __name__ == "__main__":
    Phone(int(sys.argv[1]), int(sys.argv[2])).run()
    os._exit(0)
