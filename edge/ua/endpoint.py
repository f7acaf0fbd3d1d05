"""Set up pjsua2: transports, codecs, accounts, and no media of its own."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pjsua2 as pj
import structlog

from edge import sdp
from edge.ua import pjsip
from edge.ua.accounts import Accounts
from edge.ua.messages import UaDial, UaSettings
from edge.ua.sip_text import clean
from edge.ua.supported import say_100rel
from edge.ua.terms import USUAL, Terms
from edge.ua.trust import distrust
from media import LocalError
from media.config.trunks import OnOff

log = structlog.get_logger()


class ListenError(LocalError):
    """A port cannot be bound."""


class Account(pj.Account):  # type: ignore[misc]  # pjsua2 has no types
    """Takes INVITEs that belong to no dialog, and answers to requests outside of dialogs."""

    def __init__(self, receive: Callable[[Any], None]) -> None:
        super().__init__()
        self._receive = receive
        self.answered: Callable[[Any], None] | None = None

    def onSendRequest(self, prm: Any) -> None:  # noqa: N802
        """Pass an answer on."""
        if self.answered is not None:
            self.answered(prm)

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        """Pass a new INVITE on."""
        self._receive(prm)


class _Library(pj.Endpoint):  # type: ignore[misc]  # pjsua2 has no types
    """pjsua2's endpoint, which tells of connections.

    Args:
        names: see :mod:`edge.ua.trust`.
    """

    def __init__(self, names: dict[str, str]) -> None:
        super().__init__()
        self._names = names

    def onTransportState(self, prm: Any) -> None:  # noqa: N802
        """Close a TLS connection to a server that is not the one that we meant."""
        try:
            if prm.state == pj.PJSIP_TP_STATE_CONNECTED and not prm.tlsInfo.isEmpty():
                self._check(prm)
        except Exception as error:  # a callback of pjsip: what cannot be judged is not trusted
            log.error("tls_unjudged", exc_info=error)
            self.transportShutdown(prm.hnd)

    def _check(self, prm: Any) -> None:
        shown, peer = prm.tlsInfo.remoteCertInfo, clean(prm.tlsInfo.remoteAddr)
        names = [clean(each.name) for each in shown.subjectAltName] or [clean(shown.subjectCn)]
        status = int(prm.tlsInfo.verifyStatus)
        if not (int(shown.version) or any(names) or status):
            return  # a caller, who is asked for no certificate
        status &= ~pj.PJ_SSL_CERT_EIDENTITY_NOT_MATCH
        faults = [clean(each) for each in prm.tlsInfo.verifyMsgs] if status else []
        reason = distrust(peer, self._names, faults or [f"{status:#x}"] * bool(status), names)
        if reason:
            log.error("tls_server_refused", server=peer, reason=reason)
            self.transportShutdown(prm.hnd)


class Endpoint:
    """The one pjsua2 endpoint of this process. SIP thread only.

    Args:
        settings: from control.
        receive: called with pjsua2's parameters for each new INVITE.
    """

    def __init__(self, settings: UaSettings, receive: Callable[[Any], None]) -> None:
        self._settings = settings
        self._receive = receive
        self.accounts = Accounts(settings.session_expires_s)
        self.tls_names: dict[str, str] = {}
        self._pj = _Library(self.tls_names)
        self._conference = 0
        self.account: Account | None = None
        self.slots = 0
        self.udp_port = 0
        self.tcp_port: int | None = None
        self.version = ""

    def open(self) -> None:
        """Bind the ports and begin to take INVITEs.

        Raises:
            ListenError: a port cannot be bound.
        """
        pjsip.hush()
        self._pj.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = 10_000  # clamped to what the build was made for
        config.uaConfig.userAgent = self._settings.user_agent
        config.medConfig.threadCnt = 0
        config.medConfig.hasIoqueue = False
        config.medConfig.clockRate = pjsip.CLOCK_HZ
        config.logConfig.level = 1
        config.logConfig.consoleLevel = 0
        self._pj.libInit(config)
        self._conference = int(self._pj.audDevManager().setNoDev())
        self.slots = pjsip.slots()
        self.version = str(self._pj.libVersion().full)
        six = ":" in self._settings.address
        udp = pj.PJSIP_TRANSPORT_UDP6 if six else pj.PJSIP_TRANSPORT_UDP
        tcp = pj.PJSIP_TRANSPORT_TCP6 if six else pj.PJSIP_TRANSPORT_TCP
        self.udp_port = self._listen(udp, "UDP", self._settings.udp_port)
        if self._settings.tcp_port is not None:
            port = self._settings.tcp_port or self.udp_port
            self.tcp_port = self._listen(tcp, "TCP", port)
        if self._settings.tls_certificate:
            tls = pj.PJSIP_TRANSPORT_TLS6 if six else pj.PJSIP_TRANSPORT_TLS
            self._check_files()
            self._listen(tls, "TLS", self._settings.tls_port)
        for codec in self._pj.codecEnum2():
            wanted = codec.codecId.split("/")[0] in sdp.CODECS
            self._pj.codecSetPriority(codec.codecId, 200 if wanted else 0)
        self._pj.libStart()
        self.account = self.make_account()

    def name_servers(self, names: dict[str, str]) -> None:
        """Take over what TLS servers are called, by ``address:port``."""
        self.tls_names.clear()
        self.tls_names.update(names)

    def poll(self, timeout_ms: int) -> None:
        """Let pjsua2 work; callbacks run inside."""
        self._pj.libHandleEvents(timeout_ms)
        say_100rel(True)

    def tick(self) -> None:
        """Free what ended calls left in pjsua2's conference bridge."""
        pjsip.tick_conference(self._conference)

    def make_account(self, dial: UaDial | None = None) -> Account:
        """Make the account of the endpoint, or one with the credentials of a call out.

        Raises:
            LocalError: there is no room for another one.
        """
        if pjsip.accounts() >= pjsip.MOST_ACCOUNTS:
            raise LocalError("the worker has no free account")
        config = self.account_config()
        if dial is not None and dial.user:
            credentials = pj.AuthCredInfo("digest", "*", dial.user, 0, dial.password)
            config.sipConfig.authCreds.append(credentials)
        if dial is not None:
            self.accounts.write(config, _terms(dial))
        self.add_proxies(config, dial.proxy if dial is not None else "")
        account = Account(self._receive)
        account.create(config, dial is None)
        if dial is None:
            self.accounts.add(account, config)
        return account

    def own_account(self) -> Account:
        """Return the endpoint's own account, for a call out on the usual terms."""
        assert self.account is not None
        self.accounts.prepare_dialling(self.account)
        return self.account

    def account_config(self) -> pj.AccountConfig:
        """Return what every account has in common."""
        config = pj.AccountConfig()
        own = self._settings.public_address or self._settings.address
        config.idUri = f"sip:cordboard@[{own}]" if ":" in own else f"sip:cordboard@{own}"
        self.accounts.write(config, USUAL)
        # no sockets for media: what pjsua2 does not have, it cannot send RTCP from
        config.mediaConfig.useLoopMedTp = True
        config.mediaConfig.enableLoopback = False
        config.mediaConfig.lockCodecEnabled = False
        # encryption is media's, but pjsip must let RTP/SAVP pass, over whatever transport of SIP;
        # what a trunk takes is decided before and after it (edge.ua.screen, edge.sdp_crypto)
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL
        config.mediaConfig.srtpSecureSignaling = 0
        config.natConfig.iceEnabled = False
        config.natConfig.contactRewriteUse = 0
        config.natConfig.viaRewriteUse = 0
        config.natConfig.sdpNatRewriteUse = 0
        if self._settings.contact:
            config.sipConfig.contactForced = self._settings.contact
        return config

    def add_proxies(self, config: pj.AccountConfig, further: str) -> None:
        """Send an account's requests through the front, if there is one, and on from there.

        Args:
            config: of the account.
            further: the proxy after the front, or the only one; empty for none.
        """
        if self._settings.proxy:
            config.sipConfig.proxies.append(self._settings.proxy)
            further = further.replace(";hide", "")  # the front reads it from the request
        if further and further != self._settings.proxy:
            config.sipConfig.proxies.append(further)

    def answered(self, receive: Callable[[Any], None]) -> None:
        """Have answers to :meth:`send_request` passed on."""
        assert self.account is not None
        self.account.answered = receive

    def send_request(self, parameters: pj.SendRequestParam) -> None:
        """Send a request outside of any dialog."""
        assert self.account is not None
        self.account.sendRequest(parameters)

    def _check_files(self) -> None:
        """See that the certificate fits its key: pjsip would only say so to callers.

        Raises:
            ListenError: it does not, or a file cannot be read.
        """
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            name, path = "sip.tls_certificate", settings.tls_certificate
            context.load_cert_chain(settings.tls_certificate, settings.tls_key)
            if settings.tls_ca:
                name, path = "sip.tls_ca", settings.tls_ca
                context.load_verify_locations(settings.tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise ListenError(f"{name}: {path} cannot be used: {error}") from None

    def _set_tls(self, tls: Any) -> None:
        tls.certFile, tls.privKeyFile = self._settings.tls_certificate, self._settings.tls_key
        tls.CaListFile = self._settings.tls_ca
        tls.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2
        tls.verifyServer = False  # _Library sees to it: it knows what the server is called

    def _listen(self, kind: int, name: str, port: int) -> int:
        config = pj.TransportConfig()
        config.port = port
        config.boundAddress = self._settings.address
        config.publicAddress = self._settings.public_address or ""
        if name == "TLS":
            self._set_tls(config.tlsConfig)
        try:
            transport = self._pj.transportCreate(kind, config)
        except pj.Error as error:
            reason = f"cannot listen on {name} {self._settings.address}:{port}: {error.reason}"
            raise ListenError(reason) from None
        bound = str(self._pj.transportGetInfo(transport).localAddress)
        return int(bound.rsplit(":", 1)[1])


def _terms(dial: UaDial) -> Terms:
    return Terms(
        OnOff(dial.session_timers),
        dial.session_expires_s,
        USUAL.min_s if dial.session_expires_s is None else dial.session_min_s,
        rel100=OnOff(dial.rel100),
    )


def operation(status: int, reason: str, headers: dict[str, str]) -> pj.CallOpParam:
    """Make the parameters of a pjsua2 operation, with extra headers."""
    parameters = pj.CallOpParam(True)
    parameters.statusCode = status
    parameters.reason = reason
    for name, value in headers.items():
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        parameters.txOption.headers.append(header)
    return parameters


def challenge(parameters: pj.CallOpParam, values: tuple[str, ...]) -> None:
    """Add the challenges of a 401 or 407, one header each (RFC 8760 section 2.1)."""
    proxy = parameters.statusCode == 407
    for value in values:
        header = pj.SipHeader()
        header.hName = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        header.hValue = value
        parameters.txOption.headers.append(header)
