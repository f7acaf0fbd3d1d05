"""Every message between the control process and a UA worker.

A *leg* is one dialog of a worker. Its number is chosen by whoever starts it and is never used
again by that worker: positive for inbound legs (the worker counts from 1), negative for outbound
ones (control counts from -1 downwards). The first message about an inbound leg is UaInvite, the
last about any leg is UaDisconnected, exactly once. A command for a leg that is gone is dropped.

An inbound call::

    worker                          control
      UaInvite            ------>
                          <------   UaRinging (any number of times)
      UaRang              ------>   (once)
                          <------   UaAnswer, or UaReject
      UaNegotiated        ------>   (again after every re-INVITE, UPDATE, hold)
      UaConfirmed         ------>   (the ACK came)
                          <------   UaHangup
      UaDisconnected      ------>   (always, whoever ended it)

An outbound call::

                          <------   UaDial
      UaDialing           ------>
      UaTrying            ------>   (once, with the first answer, also where that is 100 or final)
      UaProgress (18x)    ------>
      UaNegotiated        ------>
      UaConfirmed         ------>
      UaDisconnected      ------>   (also where the call was never answered: status says why)
"""

from __future__ import annotations

from edge.ua.messages.commands import (
    UaAnswer,
    UaDial,
    UaGate,
    UaHangup,
    UaHold,
    UaLimit,
    UaOptions,
    UaRefer,
    UaRegister,
    UaReinvite,
    UaReject,
    UaRespond,
    UaRinging,
    UaSendDigit,
    UaShutdown,
    UaTlsNames,
    UaVouch,
)
from edge.ua.messages.news import (
    Challenge,
    EndedBy,
    UaCommandFailed,
    UaConfirmed,
    UaDialing,
    UaDigit,
    UaDisconnected,
    UaHeartbeat,
    UaInvite,
    UaNegotiated,
    UaOptionsAnswered,
    UaProgress,
    UaRang,
    UaReady,
    UaReferred,
    UaRefused,
    UaRegistration,
    UaTransferStatus,
    UaTrying,
)
from edge.ua.messages.settings import (
    UaSettings,
    parse_settings,
    settings_text,
)

__all__ = [
    "Challenge",
    "EndedBy",
    "UaAnswer",
    "UaCommandFailed",
    "UaConfirmed",
    "UaDial",
    "UaDialing",
    "UaDigit",
    "UaDisconnected",
    "UaGate",
    "UaHangup",
    "UaHeartbeat",
    "UaHold",
    "UaInvite",
    "UaLimit",
    "UaNegotiated",
    "UaOptions",
    "UaOptionsAnswered",
    "UaProgress",
    "UaRang",
    "UaReady",
    "UaRefer",
    "UaReferred",
    "UaRefused",
    "UaRegister",
    "UaRegistration",
    "UaReinvite",
    "UaReject",
    "UaRespond",
    "UaRinging",
    "UaSendDigit",
    "UaSettings",
    "UaShutdown",
    "UaTlsNames",
    "UaTransferStatus",
    "UaTrying",
    "UaVouch",
    "parse_settings",
    "settings_text",
]
