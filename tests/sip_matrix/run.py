"""Run rows: SIPp at one end, the service or a worker at the other."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.front.settings import fronted_settings
from edge.ua.messages import UaDial, UaHangup, UaSettings
from tests.edge.ua.ua_peer import WorkerProcess
from tests.sip_matrix.rows import FRONT_ROWS, ROWS, SCENARIOS, Outcome, Row
from tests.sip_matrix.service import SipService

_RECEIVED = re.compile(r"message received \[?\d+\]? bytes ?:\n\n(\S+) (\S+)")
_SENT_CALL_ID = re.compile(r"message sent .*?^(?:Call-ID|i): (\S+)", re.DOTALL | re.MULTILINE)
_SIPP_PORTS = itertools.cycle(range(31_060, 31_180, 2))
_RTP_PORTS = itertools.cycle(range(31_400, 31_580, 10))
_PATIENT_SIPP_PORTS = itertools.count(31_900, 2)
_PATIENT_RTP_PORTS = itertools.count(31_600, 8)
_WORKER_PORTS = itertools.count(31_800, 2)
_QUICK_S, _PATIENT_S = 8, 110
LINES_WITHOUT_FRONT = 3
LINES = 8
"""Through Kamailio: two workers of the packaged build."""
_FIRST_PLACE = 50
"""Of workers that the test drives behind the service's Kamailio; control's begin with 0."""


class Matrix:
    """Everything the rows need; each part is started when the first row needs it.

    Args:
        folder: for configurations, logs and SIPp's traces.
        target: ``host:port`` that calls in go to instead of a service of our own.
        fronted: calls in and out go through Kamailio.
    """

    def __init__(self, folder: Path, target: str | None = None, *, fronted: bool = False) -> None:
        self._folder = folder
        self._target = target
        self._fronted = fronted
        self._places = itertools.count(_FIRST_PLACE)
        self._services: dict[str, SipService] = {}
        self._worker: WorkerProcess | None = None
        self._patient: dict[str, threading.Thread] = {}
        self._results: dict[str, Outcome | BaseException] = {}

    def begin_patient(self, rows: list[Row]) -> None:
        """Start the rows that wait for timers, beside all others."""
        for row in rows:
            thread = threading.Thread(target=self._run_patient, args=(row,), daemon=True)
            self._patient[row.name] = thread
            thread.start()

    def check(self, row: Row) -> Outcome:
        """Run one row and check how it went.

        Raises:
            AssertionError: it did not go as written.
        """
        if row.patient:
            self._patient[row.name].join(_PATIENT_S + 10)
            result = self._results.get(row.name)
            if isinstance(result, BaseException):
                raise result
            assert result is not None, "still waiting"
            return result
        if row.outbound:
            return self._run_outbound(row, self._shared_worker(), _QUICK_S)
        self._stop_worker()
        return self._run_inbound(row)

    def close(self) -> None:
        """Stop everything."""
        self._stop_worker()
        for service in self._services.values():
            service.stop()

    def service(self, host: str = "127.0.0.1", name: str = "") -> SipService:
        """Return the service that calls in go to."""
        key = name or host
        if key not in self._services:
            folder = self._folder / f"service-{key.replace(':', '-')}"
            folder.mkdir(exist_ok=True)
            first = 31_000 + 10 * len(self._services)
            rtp = 31_200 + 40 * len(self._services)
            ports = (first, first + 9)
            lines = f", calls: {LINES}" if self._fronted else ""
            service = SipService(
                folder, ports, (rtp, rtp + 39), limits=lines, host=host, fronted=self._fronted
            )
            service.start()
            self._services[key] = service
        return self._services[key]

    # ------------------------------------------------------------ calls in

    def _run_inbound(self, row: Row) -> Outcome:
        service = None if self._target else self.service(row.host)
        target = self._target or self.service(row.host).target
        if row.full:
            with self._fill(target):
                outcome = self._call(row, target, _QUICK_S)
        else:
            outcome = self._call(row, target, _QUICK_S)
        _judge(row, outcome)
        if row.check is not None and service is not None:
            row.check(outcome, _record(service, outcome.sip_call_id))
        if row.front_log and service is not None:
            assert row.front_log in service.front_log(), f"{row.front_log}: not in the front's log"
        return outcome

    def _run_patient(self, row: Row) -> None:
        try:
            if row.outbound:
                worker = self._new_worker()
                try:
                    outcome = self._run_outbound(row, worker, _PATIENT_S)
                finally:
                    worker.stop()
            else:
                target = self._target or self.service(name="patient").target
                outcome = self._call(row, target, _PATIENT_S)
                _judge(row, outcome)
            self._results[row.name] = outcome
        except BaseException as error:  # raised again where the row is asked for
            self._results[row.name] = error

    def _call(self, row: Row, target: str, timeout_s: int) -> Outcome:
        process, started = self._sipp(row, target, timeout_s)
        return self._finish(row, process, started)

    def _fill(self, target: str) -> subprocess.Popen[bytes]:
        folder = self._folder / "filling"
        folder.mkdir(exist_ok=True)
        lines = LINES if self._fronted else LINES_WITHOUT_FRONT
        command = ["sipp", target, "-sf", str(SCENARIOS / "uac_long_call.xml"), "-m", str(lines)]
        command += ["-r", "30", "-d", "1500", "-i", "127.0.0.1", "-p", str(next(_SIPP_PORTS))]
        command += ["-mp", str(next(_RTP_PORTS)), "-nostdin", "-timeout", "10s"]
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(0.7)
        return process

    # ------------------------------------------------------------ calls out

    def _run_outbound(self, row: Row, worker: WorkerProcess, timeout_s: int) -> Outcome:
        assert row.script is not None
        worker.pending.clear()
        process, started = self._sipp(row, "", timeout_s)
        port = int(process.args[process.args.index("-p") + 1])  # type: ignore[arg-type, union-attr]
        _wait_bound(port, row.transport)
        leg = -next(_LEGS)
        transport = ";transport=tcp" if row.transport == "t1" else ""
        worker.send(
            UaDial(
                leg,
                f"sip:phone@127.0.0.1:{port}{transport}",
                "sip:+4930123@127.0.0.1",
                "127.0.0.1",
                31_700,
                **row.dial,
            )
        )
        failure: BaseException | None = None
        try:
            row.script(worker, leg)
        except AssertionError as error:
            failure = error
            worker.send(UaHangup(leg))
        deadline = time.monotonic() + timeout_s + 1
        while process.poll() is None and time.monotonic() < deadline:
            worker.pump()
        outcome = self._finish(row, process, started)
        _judge(row, outcome)
        if failure is not None:
            raise failure
        return outcome

    def _shared_worker(self) -> WorkerProcess:
        if self._worker is None:
            self._worker = self._new_worker()
        return self._worker

    def _new_worker(self) -> WorkerProcess:
        if self._fronted:
            return self._worker_behind_front(self.service())
        port = next(_WORKER_PORTS)
        worker = WorkerProcess(UaSettings("127.0.0.1", udp_port=port, tcp_port=port))
        worker.ready()
        return worker

    def _worker_behind_front(self, service: SipService) -> WorkerProcess:
        place = next(self._places)
        settings = fronted_settings(service.config)
        worker = WorkerProcess(
            replace(settings, callers=0, contact=settings.contact.format(place=place))
        )
        uri = f"sip:127.0.0.1:{worker.ready().udp_port}"
        service.tell_front("htable.sets", "uri", str(place), uri)
        return worker

    def _stop_worker(self) -> None:
        if self._worker is not None:
            worker, self._worker = self._worker, None
            code, errors = worker.stop()
            assert code == 0, errors

    # ------------------------------------------------------------ SIPp

    def _sipp(self, row: Row, target: str, timeout_s: int) -> tuple[subprocess.Popen[str], float]:
        program = shutil.which("sipp")
        assert program, "sipp is not installed: apt-get install sip-tester"
        folder = self._folder / row.name
        folder.mkdir(exist_ok=True)
        command = [program, *([target] if target else []), "-sf", str(row.path), "-m", "1"]
        port = next(_PATIENT_SIPP_PORTS if row.patient else _SIPP_PORTS)
        rtp_port = next(_PATIENT_RTP_PORTS if row.patient else _RTP_PORTS)
        command += ["-i", row.host, "-p", str(port), "-mp", str(rtp_port)]
        command += ["-s", row.user, "-t", row.transport, "-nostdin", "-timeout", f"{timeout_s}s"]
        command += ["-timeout_error", "-trace_msg", "-message_file", str(folder / "messages")]
        command += ["-trace_err", "-error_file", str(folder / "errors")]
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return process, time.monotonic()

    def _finish(self, row: Row, process: subprocess.Popen[str], started: float) -> Outcome:
        output, _ = process.communicate(timeout=_PATIENT_S + 10)
        folder = self._folder / row.name
        trace = _text(folder / "messages")
        received = [
            second if first.startswith("SIP/") else first
            for first, second in _RECEIVED.findall(trace)
        ]
        call_id = _SENT_CALL_ID.search(trace)
        return Outcome(
            process.returncode,
            received,
            time.monotonic() - started,
            _text(folder / "errors") or output[-2_000:],
            call_id[1] if call_id else "",
        )


_LEGS = itertools.count(1)


def _judge(row: Row, outcome: Outcome) -> None:
    assert outcome.exit_code == 0, (
        f"{row.name} ({row.section}): SIPp ended with {outcome.exit_code} after "
        f"{' '.join(outcome.received)}\n{outcome.errors[:3_000]}"
    )


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _record(service: SipService, sip_call_id: str) -> dict[str, Any]:
    return service.record(sip_call_id)


def _wait_bound(port: int, transport: str) -> None:
    name = "udp" if transport.startswith("u") else "tcp"
    wanted = f":{port:04X} "
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        if wanted in Path(f"/proc/net/{name}").read_text():
            return
        time.sleep(0.01)


def asked_for(request: pytest.FixtureRequest, parameter: str, rows: Iterable[Row]) -> list[Row]:
    """Return the rows that this run of pytest is to try, as values of a parameter."""
    names = {
        item.callspec.params[parameter].name
        for item in request.session.items
        if parameter in getattr(getattr(item, "callspec", None), "params", {})
    }
    return [row for row in rows if row.name in names]


def open_matrix(
    folder: Path,
    rows: list[Row] | None = None,
    target: str | None = None,
    *,
    fronted: bool = False,
) -> Matrix:
    """Return a matrix whose patient rows are under way."""
    matrix = Matrix(folder, target, fronted=fronted)
    patient = [row for row in rows or (FRONT_ROWS if fronted else ROWS) if row.patient]
    if target is None and any(not row.outbound for row in patient):
        matrix.service(name="patient")
    if fronted:
        matrix.service()
    matrix.begin_patient(patient)
    return matrix
