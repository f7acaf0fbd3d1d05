from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edge.trunks.caller import calling
from tests.edge.trunks.exchange import Exchange
from tests.edge.trunks.test_strangers import credentials
from tests.harness.outside_sip import SipMessage

pytestmark = pytest.mark.integration

SHORT, NONE, OTHER = "127.0.0.31", "127.0.0.32", "127.0.0.33"
ASKS = ("Supported: timer", "Session-Expires: 3600")


def plan(expires_s: int = 600, mode: str = "off") -> str:
    return f"""
trunks:
  short:
    sources: {SHORT}
    session_timers: {{expires_s: {expires_s}, min_s: 300, refresher: uas}}
    rel100: required
  none:
    sources: {NONE}
    session_timers: {{mode: "{mode}"}}
  other: {{sources: {OTHER}}}
  pbx:
    digest: {{username: pbx, password: secret}}
    session_timers: {{expires_s: 700}}
dialplan: [{{agent: desk}}]
agents: {{desk: {{greeting: Hello., instructions: Be brief.}}}}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Provide a service with four trunks, each with terms of its own."""
    folder = tmp_path_factory.mktemp("terms")
    exchange = Exchange(folder, plan(), rtp_ports=(30_850, 30_899))
    exchange.start()
    yield exchange
    exchange.stop()


def _call(service: Exchange, source: str, *headers: str) -> SipMessage:
    with calling(service.port, source=source, headers=headers) as caller:
        return caller.call()


def test_each_trunk_of_the_file_has_its_own_timers(service: Exchange) -> None:
    """The callers of one trunk get its interval and refresher, those of another get no timers."""
    assert _call(service, OTHER, *ASKS).header("session-expires") == "1800;refresher=uac"
    bare = _call(service, NONE, *ASKS)
    assert (bare.status, bare.header("session-expires")) == (200, "")
    assert "timer" not in bare.header("supported")
    assert _call(service, OTHER, *ASKS).header("session-expires") == "1800;refresher=uac"


def test_refusals_name_what_is_missing_and_have_a_record(service: Exchange) -> None:
    """421 without 100rel, 422 below ``min_s``; the call record has the code."""
    with calling(service.port, source=SHORT, headers=ASKS) as caller:
        refused = caller.call()
    assert (refused.status, refused.header("require")) == (421, "100rel")
    record = service.record(caller.dialog.call_id)
    assert record["sip_status"] == 421
    low = ("Supported: timer, 100rel", "Session-Expires: 200")
    refused = _call(service, SHORT, *low)
    assert (refused.status, refused.header("min-se")) == (422, "300")
    assert _call(service, NONE, "Require: timer").header("unsupported") == "timer"


def test_a_user_that_is_named_brings_its_trunks_terms(service: Exchange) -> None:
    """A trunk that is known by its password only is known with the credentials."""
    with calling(service.port, source="127.0.0.34", headers=ASKS) as caller:
        asked = caller.call()
        assert asked.status == 401
        uri = f"sip:100@127.0.0.1:{service.port}"
        proof = credentials(asked.all("www-authenticate")[0], "secret", uri)
        caller.dialog.more = (*ASKS, proof)
        answer = caller.call()
    assert (answer.status, answer.header("session-expires")) == (200, "700;refresher=uac")


def test_a_reload_changes_the_terms_of_the_next_call(service: Exchange) -> None:
    """The call in progress keeps what it began with."""
    service.write(plan(mode="supported"))
    assert service.command("reload").returncode == 0
    with calling(service.port, source=NONE, headers=ASKS) as caller:
        assert caller.call().header("session-expires") == "1800;refresher=uac"
        service.write(plan())
        assert service.command("reload").returncode == 0
        assert _call(service, NONE, *ASKS).header("session-expires") == ""
        update = caller.dialog.in_dialog("UPDATE")
        assert (update.status, "timer" in update.header("supported")) == (200, True)
