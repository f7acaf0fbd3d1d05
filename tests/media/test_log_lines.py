import errno
import os
import socket
import threading

import pytest

from media.log_lines import LineLogger, LineStream

pytestmark = pytest.mark.unit


def test_lines_of_many_threads_stay_whole() -> None:
    """Lines longer than a pipe takes at once, of six threads: none is torn, none is lost."""
    back, front = os.pipe()
    logger, received = LineLogger(front), bytearray()
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
