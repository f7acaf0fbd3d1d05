import errno
import os
import socket
import threading
from types import SimpleNamespace

import pytest

from media import log_lines
from media.log_lines import LineLogger, LineStream

pytestmark = pytest.mark.unit


def test_lines_of_many_threads_stay_whole() -> None:
    """Lines longer than a pipe takes at once, of six threads: none is torn, none is lost."""
    back, front = os.pipe()
    logger, received = LineLogger(front, wait_s=10), bytearray()
    messages = [str(number) * 100_000 for number in range(6)]

    def read() -> None:
        while piece := os.read(back, 65_536):
            received.extend(piece)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=logger.msg, args=(each,)) for each in messages]
    try:
        for each in (reader, *writers):
            each.start()
        for each in writers:
            each.join()
    finally:
        logger.close()
        os.close(front)
        reader.join()
        os.close(back)
    assert sorted(received.decode().splitlines()) == messages


def test_a_line_is_one_write() -> None:
    """A packet socket keeps writes apart: the newline comes with its line, whatever is in it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        LineLogger(theirs.fileno()).msg("caf\u00e9 \ud800")
        assert ours.recv(100) == "caf\u00e9 \\ud800\n".encode()


def test_what_the_kernel_does_not_take_ends_nothing() -> None:
    """A reader that is gone: the line is dropped."""
    back, front = os.pipe()
    os.close(back)
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EPIPE)):
            os.write(front, b"x")
        LineLogger(front).msg("nobody reads this")
    finally:
        os.close(front)


def test_a_full_pipe_holds_nobody_up() -> None:
    """Lines are dropped, none is torn, and the next that goes through says how many."""
    back, front = os.pipe()
    logger = LineLogger(front)
    try:
        for number in range(400):
            logger.msg(f"{number:03} " + "x" * 9_996)
        received = os.read(back, 1 << 20)
        logger.msg("after")
        received += os.read(back, 1 << 20)
        assert os.get_blocking(front)
    finally:
        logger.close()
        os.close(front)
        os.close(back)
    *lines, told, last = received.decode().splitlines()
    assert lines == [f"{number:03} " + "x" * 9_996 for number in range(len(lines))]
    assert told == f"log_lines_dropped lines={400 - len(lines)}"
    assert last == "after" and 5 < len(lines) < 100


def test_a_full_pipe_stays_full_until_it_is_read() -> None:
    """What is dropped later is told as well, each once."""
    back, front = os.pipe()
    logger, received = LineLogger(front), b""
    try:
        for _ in range(3):
            for _ in range(100):
                logger.msg("x" * 3_000)
            received += os.read(back, 1 << 20)
        logger.msg("after")
        received += os.read(back, 1 << 20)
    finally:
        logger.close()
        os.close(front)
        os.close(back)
    lines = received.decode().splitlines()
    told = [int(each.rpartition("=")[2]) for each in lines if each.startswith("log_lines")]
    assert len(told) == 3
    assert sum(told) + lines.count("x" * 3_000) == 300


def test_a_full_socket_holds_nobody_up() -> None:
    """The journal is a socket: it is not waited for either."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        logger = LineLogger(theirs.fileno())
        for _ in range(2_000):
            logger.msg("x" * 999)
        ours.setblocking(False)
        received = bytearray()
        for _ in range(2):
            try:
                while piece := ours.recv(1 << 20):
                    received.extend(piece)
            except BlockingIOError:
                logger.msg("after")
    *lines, told, last = received.decode().splitlines()
    assert set(lines) == {"x" * 999}
    assert told == f"log_lines_dropped lines={2_000 - len(lines)}" and last == "after"


def test_a_full_pipe_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may wait does; from then on lines are dropped at once until it is read."""
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(log_lines, "time", clock)
    back, front = os.pipe()
    logger = LineLogger(front, wait_s=0.2)
    try:
        for expected_s in (0.2, 0.4):
            for _ in range(200):
                logger.msg("x" * 3_000)
            assert sum(slept) == pytest.approx(expected_s)
            os.read(back, 1 << 20)
    finally:
        logger.close()
        os.close(front)
        os.close(back)


def test_pieces_become_lines() -> None:
    """A line is given on when its newline comes, or at a flush; empty ones are not."""
    lines: list[str] = []
    stream = LineStream(2, lines.append)
    print("one", "two", file=stream)
    assert lines == ["one two"]
    print("\nthree", end="", file=stream)
    assert lines == ["one two"]
    stream.write(" four\nfive  \n\n")
    assert lines == ["one two", "three four", "five"]
    stream.write("six")
    stream.flush()
    stream.flush()
    assert lines[3:] == ["six"]
    assert stream.writable() and stream.fileno() == 2 and not stream.isatty()


def test_pieces_of_two_threads_are_not_mixed() -> None:
    """Each thread finishes its own line."""
    lines: list[str] = []
    stream = LineStream(2, lines.append)
    stream.write("ours ")
    other = threading.Thread(target=print, args=("theirs",), kwargs={"file": stream})
    other.start()
    other.join()
    stream.write("too\n")
    assert lines == ["theirs", "ours too"]
