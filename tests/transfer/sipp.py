"""SIPp as carrier and as desk phone, its scenarios put together from steps."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

_HEAD = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="cordboard">\n'
_SDP = """v=0
      o=sipp 1 1 IN IP4 [local_ip]
      s=-
      c=IN IP4 [local_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 0 101
      a=rtpmap:0 PCMU/8000
      a=rtpmap:101 telephone-event/8000
"""
_REPLY = """[last_Via:]
      [last_From:]
      [last_To:]{tag}
      [last_Call-ID:]
      [last_CSeq:]"""
_KEPT = ("Via", "From", "To", "CSeq")
_IN_DIALOG = """[last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]"""


def send(text: str) -> str:
    """Return a step that sends a message."""
    return f"  <send><![CDATA[\n\n      {text.strip()}\n\n  ]]></send>\n"


def receive(request: str = "", response: int = 0, optional: bool = False) -> str:
    """Return a step that waits for a message."""
    what = f'request="{request}"' if request else f'response="{response}"'
    more = ' rrs="true" rtd="true"' if response == 200 else ""
    more += ' optional="true"' if optional else ""
    return f"  <recv {what}{more}></recv>\n"


def pause(ms: int) -> str:
    """Return a step that waits."""
    return f'  <pause milliseconds="{ms}"/>\n'


def reply(status: str, headers: str = "", body: bool = False) -> str:
    """Return a step that answers the last request in a dialog that is up."""
    return _answer(status, _IN_DIALOG, headers, body)


def early(status: str, headers: str = "", body: bool = False) -> str:
    """Return a step that answers an INVITE with a tag of ours."""
    return _answer(status, _REPLY.format(tag=";tag=[call_number]"), headers, body)


def _answer(status: str, dialog: str, headers: str, body: bool) -> str:
    extra = f"\n      {headers}" if headers else ""
    tail = f"\n      Content-Type: application/sdp\n      Content-Length: [len]\n\n      {_SDP}"
    return send(
        f"SIP/2.0 {status}\n      {dialog}\n"
        f"      Contact: <sip:sipp@[local_ip]:[local_port]>{extra}"
        + (tail if body else "\n      Content-Length: 0")
    )


def request(method: str, number: int, headers: str = "", body: str = "") -> str:
    """Return a step that sends a request in a dialog that we began."""
    extra = f"\n      {headers}" if headers else ""
    return send(
        f"{method} [next_url] SIP/2.0\n"
        "      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "      From: <sip:carrier@[local_ip]:[local_port]>;tag=[call_number]\n"
        "      To: <sip:100@[remote_ip]:[remote_port]>[peer_tag_param]\n"
        "      Call-ID: [call_id]\n"
        f"      CSeq: {number} {method}\n"
        "      Contact: <sip:carrier@[local_ip]:[local_port]>\n"
        f"      Max-Forwards: 70{extra}\n"
        f"      Content-Length: {'[len]' if body else '0'}" + (f"\n\n      {body}" if body else "")
    )


def callee_bye() -> str:
    """Return a step that sends BYE in a dialog that the far end began."""
    return send(
        "BYE [next_url] SIP/2.0\n"
        "      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "      From[$to];tag=[call_number]\n"
        "      To[$from]\n"
        "      Call-ID: [call_id]\n"
        "      CSeq: 2 BYE\n"
        "      Max-Forwards: 70\n"
        "      Content-Length: 0"
    )


def notify(number: int, sipfrag: str, state: str = "terminated;reason=noresource") -> str:
    """Return a step that tells how a REFER went, and one that takes the answer."""
    kind = "Content-Type: message/sipfrag;version=2.0\n      " if sipfrag else ""
    headers = f"Event: refer\n      {kind}Subscription-State: {state}"
    return request("NOTIFY", number, headers, sipfrag) + receive(response=200)


def receive_kept(method: str) -> str:
    """Return a step that waits for a request and keeps what its answer needs."""
    kept = "".join(
        f'    <ereg regexp=".*" search_in="hdr" header="{name}" assign_to="{name.lower()}"/>\n'
        for name in _KEPT
    )
    return f'  <recv request="{method}"><action>\n{kept}  </action></recv>\n'


def reply_kept(status: str) -> str:
    """Return a step that answers the request that was kept, whatever came since."""
    headers = "".join(f"      {name}[${name.lower()}]\n" for name in _KEPT)
    return send(
        f"SIP/2.0 {status}\n{headers}      Call-ID: [call_id]\n"
        "      Contact: <sip:sipp@[local_ip]:[local_port]>\n      Content-Length: 0"
    )


def carrier(*steps: str) -> str:
    """Return a carrier that calls, is answered, and then does these steps."""
    invite = send(
        "INVITE sip:100@[remote_ip]:[remote_port] SIP/2.0\n"
        "      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "      From: <sip:carrier@[local_ip]:[local_port]>;tag=[call_number]\n"
        "      To: <sip:100@[remote_ip]:[remote_port]>\n"
        "      Call-ID: [call_id]\n"
        "      CSeq: 1 INVITE\n"
        "      Contact: <sip:carrier@[local_ip]:[local_port]>\n"
        "      Max-Forwards: 70\n"
        "      Allow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY\n"
        f"      Content-Type: application/sdp\n      Content-Length: [len]\n\n      {_SDP}"
    )
    progress = receive(response=100, optional=True) + receive(response=180, optional=True)
    ack = request("ACK", 1)
    return _HEAD + invite + progress + receive(response=200) + ack + "".join(steps) + "</scenario>"


def phone(*steps: str) -> str:
    """Return a phone that is called and then does these steps."""
    whom = (
        '  <recv request="INVITE" rrs="true"><action>\n'
        '    <ereg regexp=".*" search_in="hdr" header="From" assign_to="from"/>\n'
        '    <ereg regexp=".*" search_in="hdr" header="To" assign_to="to"/>\n'
        "  </action></recv>\n"
    )
    return _HEAD + whom + "".join(steps) + '<Reference variables="from,to"/>\n</scenario>'


class Sipp:
    """One SIPp for one call.

    Args:
        folder: for scenario and logs.
        scenario: XML.
        address: local one.
        port: local one, 0 for any.
        target: of a carrier.
    """

    def __init__(
        self,
        folder: Path,
        scenario: str,
        address: str = "127.0.0.1",
        port: int = 0,
        target: str = "",
    ) -> None:
        self.path = folder / f"sipp-{id(self)}.xml"
        self.path.write_text(scenario)
        self._folder = folder
        program = shutil.which("sipp")
        assert program, "sipp is not installed: apt-get install sip-tester"
        command = [program, *([target] if target else []), "-sf", str(self.path), "-m", "1"]
        command += ["-i", address, "-nostdin", "-timeout", "25s", "-timeout_error"]
        command += ["-trace_err", "-error_file", str(self.path) + ".err", "-mp", "29900"]
        command += ["-trace_msg", "-message_file", str(self.path) + ".msg"]
        command += ["-p", str(port)] if port else []
        self._command = command

    async def start(self) -> Sipp:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await asyncio.sleep(0.3)
        return self

    async def done(self, timeout_s: float = 15.0) -> None:
        """Wait for the end; every step must have gone as written."""
        try:
            code = await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            code = -1
        assert code == 0, self.trouble()

    def trouble(self) -> str:
        """Return what SIPp complained about, and the messages."""
        texts = [Path(f"{self.path}{end}") for end in (".err", ".msg")]
        return "\n".join(each.read_text()[-5_000:] for each in texts if each.exists())

    async def stop(self) -> None:
        """Kill it, if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
