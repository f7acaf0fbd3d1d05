"""What a process of the service writes, told by a process that does all of it."""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.unit

START = """
import asyncio, logging, sys, threading, traceback, warnings
import structlog
from media.config.model import LogConfig, LogFormat
from media.log import configure_log
configure_log(LogConfig(LogFormat(sys.argv[1]), sys.argv[2], sys.argv[3] == "pii"), "tester")
log = structlog.get_logger()
def fail(*_):
    raise ValueError("broken")
"""


def run(code: str, form: str = "json", level: str = "info", pii: str = "") -> tuple[int, str]:
    """Run code in a process whose writes are not buffered, as the service's are not."""
    done = subprocess.run(
        [sys.executable, "-u", "-W", "always", "-c", START + code, form, level, pii],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def events(code: str, level: str = "info", status: int = 0) -> list[dict[str, Any]]:
    """Return what was logged; each line must be one JSON object with a role."""
    ended, text = run(code, level=level)
    found = [json.loads(line) for line in text.splitlines()]
    assert ended == status, text
    assert all(each["role"] == "tester" and each["timestamp"] for each in found)
    return found


def test_our_own_events() -> None:
    """Level, personal keys and the bound call are ours to say."""
    code = "structlog.contextvars.bind_contextvars(call_id='7')\n"
    code += "log.info('call_offered', pii_caller='555')\nlog.debug('rtp_received')\n"
    (event,) = events(code)
    assert (event["event"], event["level"], event["call_id"]) == ("call_offered", "info", "7")
    assert "pii_caller" not in event
    _, text = run(code, level="debug", pii="pii")
    assert [json.loads(line)["event"] for line in text.splitlines()] == [
        "call_offered",
        "rtp_received",
    ]
    assert '"pii_caller": "555"' in text


def test_libraries() -> None:
    """A library's warning is an event, with its traceback; what it says in passing is not."""
    code = "logging.getLogger('sqlalchemy.pool').error('Exception in %s', 'reset')\n"
    code += "logging.getLogger('httpx').info('GET')\n"
    code += "logging.getLogger('uvicorn').critical('two\\nlines', 'and arguments')\n"
    code += "try: fail()\nexcept ValueError: logging.getLogger('x').warning('', exc_info=True)\n"
    first, second, third = events(code)
    assert (first["event"], first["level"]) == ("library_logged", "error")
    assert (first["library"], first["message"]) == ("sqlalchemy.pool", "Exception in reset")
    assert (second["level"], second["message"]) == ("error", "two\nlines ('and arguments',)")
    assert third["level"] == "warning" and "ValueError: broken" in third["exception"]
    assert [each["library"] for each in events(code, level="error")] == [
        "sqlalchemy.pool",
        "uvicorn",
    ]


def test_warnings() -> None:
    """A warning says where and which."""
    (event,) = events("warnings.warn('old', DeprecationWarning)\n")
    assert (event["event"], event["library"]) == ("library_logged", "py.warnings")
    assert "DeprecationWarning: old" in event["message"]


def test_what_asyncio_finds() -> None:
    """A callback that fails, and a task whose error nobody asked for."""
    code = "async def main():\n"
    code += " asyncio.get_running_loop().call_soon(fail)\n"
    code += " task = asyncio.ensure_future(asyncio.to_thread(fail))\n"
    code += " await asyncio.wait([task])\n del task\n"
    code += "asyncio.run(main())\n"
    callback, task = events(code)
    for each in (callback, task):
        assert (each["library"], each["level"]) == ("asyncio", "error")
        assert "ValueError: broken" in each["exception"]
    assert "Exception in callback fail()" in callback["message"]
    assert "Task exception was never retrieved" in task["message"]


def test_crashes() -> None:
    """Of a destructor, of a thread, of the process: one line each, and the exit code of a crash."""
    code = "class Torn:\n __del__ = fail\n"
    code += "Torn()\n"
    code += "for each in (fail, sys.exit):\n"
    code += " thread = threading.Thread(target=each, name='late'); thread.start(); thread.join()\n"
    code += "fail()\n"
    destructor, thread, process = events(code, status=1)
    assert (destructor["event"], thread["event"], process["event"]) == (
        "exception_ignored",
        "thread_crashed",
        "process_crashed",
    )
    assert "fail" in destructor["message"] and thread["thread"] == "late"
    for each in (destructor, thread, process):
        assert each["level"] == "error" and "ValueError: broken" in each["exception"]


def test_text_on_standard_error() -> None:
    """Whoever prints there prints events; a traceback is one a line."""
    code = "print('one', 'two', file=sys.stderr)\n"
    code += "try: fail()\nexcept ValueError: traceback.print_exc()\n"
    code += "sys.stderr.write('three')\n"
    first, *more, last = events(code)
    assert (first["event"], first["level"]) == ("stderr_written", "warning")
    assert (first["text"], last["text"]) == ("one two", "three")
    assert more[-1]["text"] == "ValueError: broken" and len(more) > 3


def test_console() -> None:
    """For a person a traceback stays a traceback, and printed text stays as it is."""
    code = "print('one', file=sys.stderr)\nlogging.getLogger('x').warning('two')\nfail()\n"
    status, text = run(code, form="console")
    assert status == 1
    assert text.startswith("one\n")
    assert "library_logged" in text and "process_crashed" in text
    assert "ValueError: broken" in text and "Traceback" in text
