from __future__ import annotations

import shutil
import subprocess
import time
import wave
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.service import ROOT
from tests.sip_matrix.rows import ROWS
from tests.sip_matrix.run import Matrix
from tests.sip_matrix.service import SipService
from tests.sip_matrix.tones import sine

pytestmark = pytest.mark.integration

CONFIGS = ROOT / "sip-configs"
KAMAILIO_PORT = 31_956


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SipService]:
    """A service with a scripted agent."""
    made = SipService(tmp_path_factory.mktemp("ends"), (31_950, 31_955), (31_340, 31_359))
    made.start()
    yield made
    made.stop()


def test_baresip_calls_with_the_shipped_configuration(service: SipService, tmp_path: Path) -> None:
    """Baresip with our accounts and config calls, is answered and hangs up."""
    program = shutil.which("baresip")
    assert program, "baresip is not installed: apt-get install baresip-core"
    modules = next(Path("/usr/lib").rglob("baresip/modules"))
    for name in ("accounts", "config"):
        text = (CONFIGS / "baresip" / name).read_text().replace("192.0.2.20", "127.0.0.1")
        text = text.replace("/usr/lib/baresip/modules", str(modules))
        (tmp_path / name).write_text(text.replace("/etc/baresip", str(tmp_path)))
    with wave.open(str(tmp_path / "said.wav"), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", "not compressed"))
        file.writeframes(sine(700, 8 * 8_000).astype("<i2").tobytes())
    (tmp_path / "contacts").write_text("")
    uri = f"sip:100@{service.target}"
    done = subprocess.run(
        [program, "-f", str(tmp_path), "-e", f"/dial {uri}", "-t", "3"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
    )
    deadline = time.monotonic() + 5
    found = []
    while not found and time.monotonic() < deadline:
        found = [each for each in service.records() if "desk@" in each["caller"]]
        found = [each for each in found if each["ended_at"] is not None]
        time.sleep(0.1)
    assert found, done.stdout.decode(errors="replace")[-2_000:]
    assert (found[0]["codec"], found[0]["reason"]) == ("PCMU", "caller_hangup")
    assert found[0]["packets_received"] > 50


@pytest.mark.skipif(shutil.which("kamailio") is None, reason="Kamailio is not installed")
def test_kamailio_hands_calls_over_with_the_shipped_configuration(
    service: SipService, tmp_path: Path
) -> None:
    """Calls through a Kamailio with our configuration are answered, held, and ended either way."""
    text = (CONFIGS / "kamailio" / "cordboard.cfg").read_text()
    text = text.replace("192.0.2.20:5060", f"127.0.0.1:{KAMAILIO_PORT}")
    text = text.replace("192.0.2.10:5060", service.target)
    config = tmp_path / "kamailio.cfg"
    config.write_text(text.replace("^1[0-9][0-9]$", "."))
    command = ["kamailio", "-f", str(config), "-DD", "-E", "-m", "16", "-M", "4"]
    command += ["-P", str(tmp_path / "pid"), "-Y", str(tmp_path)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        assert process.poll() is None, (tmp_path / "log").read_text()
        matrix = Matrix(tmp_path, f"127.0.0.1:{KAMAILIO_PORT}")
        for name in ("uac_basic", "uac_hold_sendonly", "uac_late_offer", "uac_bye_from_us"):
            matrix.check(next(row for row in ROWS if row.name == name))
        matrix.close()
    finally:
        process.terminate()
        process.wait(10)


def test_templates_of_phones_are_well_formed() -> None:
    """XML templates parse, and every file says in its head whether it is tested."""
    for path in CONFIGS.rglob("*"):
        if (
            not path.is_file()
            or path.parent.name in ("sipp", "carrier")
            or path.name == "README.md"
        ):
            continue
        head = path.read_text()[:900]
        assert "TESTED" in head, path
        if path.suffix == ".xml" or path.name == "polycom.cfg":
            ElementTree.parse(path)
