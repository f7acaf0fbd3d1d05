"""Lay the queues out for a terminal: what matters most is at the top and at the left."""

from __future__ import annotations

from dataclasses import dataclass

from edge.queues.messages import PersonView, QueueStatus, QueueView, WaitingView

_SGR = {"": "", "title": "\x1b[1m", "alarm": "\x1b[1;31m", "faint": "\x1b[2m"}
_PLAIN = "\x1b[0m"
_SHOWN = {"off_duty": "off duty", "wrap_up": "wrap-up"}
_NOW = {"off_duty": "off duty", "wrap_up": "in wrap-up", "ringing": "being rung"}
_WHICH = {"busy": "present"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the board."""

    text: str
    style: str = ""
    """``title``, ``alarm`` for what somebody should see to, ``faint``, or nothing."""


def wallboard(status: QueueStatus) -> str:
    """Return the queues and people as plain text."""
    return "\n".join(each.text for each in board(status))


def board(status: QueueStatus) -> list[Line]:
    """Return the queues and people as lines, an empty one between the blocks."""
    if not status.queues:
        return [Line("no queues are configured")]
    people = {each.name: each for each in status.people}
    lines: list[Line] = []
    for queue in status.queues:
        lines += [*_queue(queue, people), Line("")]
    return lines + _people(status.people)


def headline(status: QueueStatus, clock: str) -> Line:
    """Return the whole in one line."""
    waits = [each.waited_s for queue in status.queues for each in queue.waiting]
    free = sum(each.state == "idle" for each in status.people)
    longest = f", longest {span(max(waits))}" if waits else ""
    text = f"{clock}  {len(waits)} waiting{longest}, {free} of {len(status.people)} people free"
    return Line(text, "title")


def screen(lines: list[Line], columns: int, rows: int, *, color: bool) -> str:
    """Return what draws the lines over the screen before, cut to its size.

    Args:
        lines: from the top.
        columns: of the terminal.
        rows: of the terminal.
        color: whether styles may be used.
    """
    if len(lines) > rows:
        hidden = len(lines) - rows + 1
        lines = [*lines[: rows - 1], Line(f"... {hidden} more lines", "faint")]
    drawn = []
    for each in lines:
        text = each.text if len(each.text) <= columns else each.text[: columns - 1] + ">"
        style = _SGR[each.style] if color else ""
        drawn.append(f"{style}{text}{_PLAIN if style else ''}\x1b[K")
    return "\x1b[H" + "\n".join(drawn) + "\x1b[J"


def span(seconds: int) -> str:
    """Return minutes and seconds, hours where there are any."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _queue(queue: QueueView, people: dict[str, PersonView]) -> list[Line]:
    level = "-" if queue.service_level is None else f"{queue.service_level:.0%}"
    wait = "-" if queue.mean_wait_s is None else f"{queue.mean_wait_s:.0f} s"
    free = sum(people[name].state == "idle" for name in queue.people if name in people)
    lines = [
        Line(
            f"{queue.name.upper()}  {'open' if queue.open else 'closed'}, {queue.strategy}, "
            f"{free} of {len(queue.people)} free",
            "title",
        ),
        Line(
            f"  waiting {len(queue.waiting)}   within {queue.service_level_s:g} s {level}   "
            f"answered {queue.answered} of {queue.offered}   left {queue.abandoned}   "
            f"sent back {queue.sent_back}   mean wait {wait}"
        ),
    ]
    width = max((len(each.caller) for each in queue.waiting), default=0)
    return lines + [_waiting(each, width, queue.service_level_s) for each in queue.waiting]


def _waiting(each: WaitingView, width: int, level_s: float) -> Line:
    more = "" if each.expected_wait_s is None else f"  about {span(each.expected_wait_s)} to go"
    more = f"  ringing {', '.join(each.ringing)}" if each.ringing else more
    text = f"  {each.position:>3}. {each.caller:<{width}}  {span(each.waited_s):>5}{more}"
    return Line(f"{text}  {each.call_id}", "alarm" if each.waited_s > level_s else "")


def person_now(each: PersonView) -> str:
    """Return a sentence about what a person does now and what follows."""
    text = f"{each.name} is {_NOW.get(each.state, each.state)}"
    if each.left_s is not None:
        text += f", {each.left_s} s left"
    if each.after:
        text += f"; {_NOW.get(each.after, each.after)} after that"
    if each.wrap_up_s is not None:
        text += f"; {each.wrap_up_s} s of wrap-up after the {_WHICH.get(each.state, 'next')} call"
    return text


def _people(people: tuple[PersonView, ...]) -> list[Line]:
    width = max((len(each.name) for each in people), default=0)
    lines = [Line("PEOPLE", "title")]
    for each in people:
        state = _SHOWN.get(each.state, each.state)
        calls = f"{each.calls_taken} call{'' if each.calls_taken == 1 else 's'}"
        left = f"{span(each.left_s)} left" if each.left_s is not None else ""
        text = f"  {each.name:<{width}}  {state:<8}  {span(each.state_s):>7}  {calls:>9}  "
        text = f"{text}{left:<12}{each.call_id}".rstrip()
        lines.append(Line(text, "faint" if each.state == "off_duty" else ""))
    return lines
