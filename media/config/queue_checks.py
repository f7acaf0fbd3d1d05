"""Check what queues and people refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from media.config.model import Config
from media.config.queues import QueueConfig, QueueConnect
from media.config.read import Reading
from media.config.trunks import Transfer

CheckReference = Callable[[str, str, str | None, Iterable[str], Reading], None]
"""Notes an unknown name: (path, kind, name, known names, reading)."""


def check_queue(
    path: str, queue: QueueConfig, config: Config, reading: Reading, check: CheckReference
) -> None:
    """Note members, fallbacks and keys of a queue that cannot be."""
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


def check_people(config: Config, reading: Reading, check: CheckReference) -> None:
    """Note phones that cannot be rung, and keys that lead nowhere or mean two things."""
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
        if trunk is not None and not trunk.servers:
            reading.note_at(f"{path}.trunk", f'trunk "{person.trunk}" has no servers to call over')
        sip = person.phone.startswith(("sip:", "sips:"))
        if sip and person.trunk is not None:
            reading.note_at(f"{path}.trunk", "a SIP address needs no trunk; keep one of them")
        if not sip and person.trunk is None:
            known = reading.names.get("phones", [])
            check(f"{path}.phone", "phone", person.phone, known, reading)
    queues = reading.names.get("queues", [])
    for name, agent in config.agents.items():
        for key, queue in agent.human_keys.items():
            check(f"agents.{name}.human_keys.{key}", "queue", queue, queues, reading)
