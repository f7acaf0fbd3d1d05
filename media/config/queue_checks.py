"""Check what queues and people refer to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from media.config.model import Config
from media.config.queues import QueueConfig, QueueConnect
from media.config.read import Problem, Reading, did_you_mean
from media.config.trunks import Transfer

_JOINED = (Transfer.AUTO, Transfer.BRIDGE)
"""Trunks whose callers are joined here; AUTO becomes REFER only where it is known to work."""

CheckReference = Callable[[str, str, str | None, Iterable[str], Reading], None]
"""Notes an unknown name: (path, kind, name, known names, reading)."""


def check_queue(
    path: str,
    queue: QueueConfig,
    config: Config,
    reading: Reading,
    check: CheckReference,
    warnings: list[Problem],
) -> None:
    """Note members, fallbacks and keys of a queue that cannot be, and skills that nobody has."""
    _check_skills(path, queue, config, reading, warnings)
    people = reading.names.get("people", [])
    for name in queue.members:
        check(f"{path}.members.{name}", "person", name, people, reading)
    queues = reading.names.get("queues", [])
    for field in ("on_nobody", "on_no_answer"):
        kind, _, name = str(getattr(queue, field) or "").partition(" ")
        if kind == "queue":
            check(f"{path}.{field}", "queue", name, queues, reading)
            if f"queues.{name}" == path:
                reading.note_at(f"{path}.{field}", "a queue cannot fall back to itself")
        if kind == "number":
            _check_number(f"{path}.{field}", name, config, reading, check, warnings)
    action = queue.on_failure
    if action is not None and action.number is not None and action.trunk is None:
        _check_number(f"{path}.on_failure.number", action.number, config, reading, check, warnings)
    by_refer = any(each.transfer not in _JOINED for each in config.trunks.values())
    joined = queue.connect is QueueConnect.BRIDGE or (
        queue.connect is QueueConnect.AUTO and not by_refer
    )
    if queue.outside is not None and joined:
        _check_number(f"{path}.outside", queue.outside, config, reading, check, warnings)
    check(f"{path}.second_line", "queue", queue.second_line, queues, reading)
    if queue.outside is not None and queue.members:
        reading.note_at(f"{path}.outside", "a queue has members or an outside number, not both")
    trunks = config.trunks.values()
    blind = queue.connect is QueueConnect.BLIND_REFER
    if queue.connect is QueueConnect.AUTO:
        blind = any(each.transfer is Transfer.BLIND_REFER for each in trunks)
    if blind:
        for name in queue.members:
            phone = config.people[name].phone if name in config.people else ""
            if phone in config.phones:
                reading.note_at(
                    f"{path}.members.{name}",
                    "a carrier cannot call a phone that registers here; connect by refer or bridge",
                )
    keys = [queue.whisper.accept_key, queue.whisper.decline_key, queue.whisper.repeat_key]
    if len(set(keys)) < len(keys):
        reading.note_at(f"{path}.whisper", "accept, decline and repeat need three different keys")


def _check_number(
    path: str,
    number: str,
    config: Config,
    reading: Reading,
    check: CheckReference,
    warnings: list[Problem],
) -> None:
    """Note a trunk that cannot call a number outside, and warn where none can."""
    number, _, named = number.partition(" trunk ")
    sip = number.startswith(("sip:", "sips:"))
    if named:
        check(path, "trunk", named, reading.names.get("trunks", []), reading)
        trunk = config.trunks.get(named)
        if sip:
            reading.note_at(path, "a SIP address needs no trunk; keep one of them")
        elif trunk is not None and not trunk.carries_calls_out:
            reading.note_at(path, f'trunk "{named}" has no servers to call over')
        return
    if sip or number in config.phones or any(each.servers for each in config.trunks.values()):
        return
    line, column = reading.position(path)
    message = f"no trunk has servers to call {number} over; callers go nowhere from here"
    warnings.append(Problem(reading.file, line, column, path, message))


def check_people(config: Config, reading: Reading, check: CheckReference) -> None:
    """Note phones that cannot be rung, codes given twice, and keys that lead nowhere."""
    _check_codes(config, reading)
    keys = config.desk.keys
    sequences = [keys.consult, keys.three_way, keys.complete, keys.cancel]
    for each in sequences:
        if sum(other.endswith(each) for other in sequences) > 1:
            reading.note_at("desk.keys", f'"{each}" ends another sequence, too')
    trunks = reading.names.get("trunks", [])
    for name, person in config.people.items():
        path = f"people.{name}"
        check(f"{path}.trunk", "trunk", person.trunk, trunks, reading)
        trunk = config.trunks.get(person.trunk or "")
        if trunk is not None and not trunk.carries_calls_out:
            reading.note_at(f"{path}.trunk", f'trunk "{person.trunk}" has no servers to call over')
        sip = person.phone.startswith(("sip:", "sips:"))
        if sip and person.trunk is not None:
            reading.note_at(f"{path}.trunk", "a SIP address needs no trunk; keep one of them")
        if not sip and person.trunk is None:
            _check_phone(f"{path}.phone", person.phone, reading, check)
    queues = reading.names.get("queues", [])
    for name, agent in config.agents.items():
        for key, queue in agent.human_keys.items():
            check(f"agents.{name}.human_keys.{key}", "queue", queue, queues, reading)


def _check_phone(path: str, phone: str, reading: Reading, check: CheckReference) -> None:
    """Note a phone that is none of those that register, and say what it looks like."""
    known = reading.names.get("phones", [])
    if phone in known:
        return
    if re.fullmatch(r"[+0-9][0-9 ()/-]+", phone):
        reading.note_at(path, f'the number "{phone}" needs a trunk; add trunk: NAME beside it')
    elif "@" in phone:
        reading.note_at(path, f'"{phone}" is no SIP address; did you mean "sip:{phone}"?')
    else:
        check(path, "phone", phone, known, reading)


def _check_codes(config: Config, reading: Reading) -> None:
    """Note a feature code that stands for two things."""
    codes = config.desk.codes
    seen: dict[str, str] = {}
    for name in ("join", "leave", "pause", "unpause", "wrap_up"):
        code = getattr(codes, name)
        if code in seen:
            reading.note_at(
                f"desk.codes.{name}", f'"{code}" is the code for {seen[code]} already; take another'
            )
        seen.setdefault(code, name)


def _check_skills(
    path: str, queue: QueueConfig, config: Config, reading: Reading, warnings: list[Problem]
) -> None:
    """Warn of a queue whose callers nobody can serve."""
    members = [config.people[each] for each in queue.members if each in config.people]
    if not members or any(set(queue.skills) <= set(each.skills) for each in members):
        return
    known = sorted({skill for each in members for skill in each.skills})
    missing = next((each for each in queue.skills if each not in known), "")
    what = f'"{missing}"' if missing else "all of them"
    hint = did_you_mean(missing, known) or f"; they have: {', '.join(known) or 'none'}"
    line, column = reading.position(f"{path}.skills")
    message = f"no member can do {what}, so nobody gets these callers{hint}"
    warnings.append(Problem(reading.file, line, column, f"{path}.skills", message))
