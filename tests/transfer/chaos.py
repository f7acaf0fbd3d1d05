"""Random transfers with a known truth: every step is drawn from a seed, every outcome follows."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import datetime

from media.messages import ResumeConversation
from tests.transfer.phone import Behaviour, Dialog, Phone
from tests.transfer.rig import Caller, Rig, until

LANES = (("caller", "ann", "bob"), ("caller-2", "cleo", "dan"), ("caller-3", "eve", "fay"))
"""Each with a queue of its own, so that its truth depends on nobody else."""
REFUSALS = {486: "busy", 600: "busy", 480: "no_answer", 408: "no_answer", 603: "declined"}
REFUSALS |= {500: "failed", 404: "refused_by_carrier"}
WAYS = ("accept", "accept", "accept", "refuse", "refuse", "decline", "silent", "whisper", "no_key")
KILL_WINDOW_S = 6.0
"""What a worker's death may have touched: attempts that ran within so long after it."""


@dataclass
class Plan:
    """What happens in one transfer."""

    lane: int
    ways: tuple[str, str]
    statuses: tuple[int, int]
    delays_s: tuple[float, float]
    leaves_in: int | None
    """The caller hangs up while this phone rings or whispers, None where they stay."""
    person_ends: bool
    """The person hangs up after the talk, not the caller."""

    @property
    def truth(self) -> list[str]:
        """Return the outcomes that must be recorded."""
        outcomes: list[str] = []
        for at, outcome in enumerate(self.natural):
            if self.leaves_in == at:
                return [*outcomes, "caller_left"]
            outcomes.append(outcome)
            if outcome == "connected":
                break
        return outcomes

    @property
    def natural(self) -> list[str]:
        """Return what each phone's person does, whether it comes to that or not."""
        return [
            {
                "accept": "connected",
                "refuse": REFUSALS[status],
                "decline": "declined",
                "silent": "no_answer",
                "whisper": "agent_hung_up_in_whisper",
                "no_key": "timed_out",
            }[way]
            for way, status in zip(self.ways, self.statuses, strict=True)
        ]


@dataclass
class Tally:
    """What came of many transfers."""

    done: int = 0
    wrong: list[str] = field(default_factory=list)
    touched: int = 0
    """Transfers that a killed worker may have changed; their caller must not be lost either."""
    results: dict[str, int] = field(default_factory=dict)


def draw(dice: random.Random, lane: int) -> Plan:
    """Draw one transfer."""
    ways = (dice.choice(WAYS), dice.choice(WAYS))
    leaves_in = dice.choice((None, None, None, 0, 1))
    if leaves_in == 1 and ways[0] == "accept":
        leaves_in = None
    return Plan(
        lane,
        ways,
        (dice.choice(list(REFUSALS)), dice.choice(list(REFUSALS))),
        (dice.uniform(0, 0.3), dice.uniform(0, 0.3)),
        leaves_in,
        dice.random() < 0.5,
    )


async def run_chaos(rig: Rig, seed: int, count: int, kill_every: int) -> Tally:
    """Carry out random transfers on every lane at once."""
    tally, dice = Tally(), random.Random(seed)
    plans = [draw(dice, number % len(LANES)) for number in range(count)]
    lanes = [[each for each in plans if each.lane == lane] for lane in range(len(LANES))]
    over = asyncio.Event()

    async def one_lane(mine: list[Plan]) -> None:
        for plan in mine:
            await one(rig, plan, tally)
            tally.done += 1

    async def kill_workers() -> None:
        killed = 0
        while not over.is_set():
            if tally.done // kill_every > killed:
                killed += 1
                rig.kill_worker(1 + killed % 2)
            await asyncio.sleep(0.05)

    killer = asyncio.create_task(kill_workers())
    await asyncio.gather(*(one_lane(each) for each in lanes))
    over.set()
    await killer
    return tally


async def one(rig: Rig, plan: Plan, tally: Tally) -> None:
    """Carry out one transfer and compare its record with the truth."""
    name, *people = LANES[plan.lane]
    phones = [next(each for each in rig.phones if each.name == who) for who in people]
    for phone, way, status, delay_s in zip(
        phones, plan.ways, plan.statuses, plan.delays_s, strict=True
    ):
        final = {"refuse": status, "silent": 0}.get(way, 200)
        if plan.leaves_in == phones.index(phone) and way in ("refuse", "silent"):
            final = 0
        phone.behaviour = Behaviour(final, answer_after_s=delay_s)
        for dialog in phone.dialogs:
            dialog.rtp.close()
        phone.dialogs.clear()
    began_s = time.time()
    async with asyncio.timeout(10):
        # the lane's last call may hold its line for some milliseconds after its BYE
        while sum(each.state != "ending" for each in (await rig.status()).calls) >= len(LANES):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
    caller = await rig.caller(name)
    resumed = len(rig.agent.heard(ResumeConversation))
    caller.ask(f"lane{plan.lane}", "chaos")
    actors = [
        asyncio.create_task(act(rig, phone, plan, at, caller)) for at, phone in enumerate(phones)
    ]
    try:
        result = await settle(rig, plan, caller, phones, resumed)
    except AssertionError as error:
        result = f"lost: {error}"
    for actor in actors:
        actor.cancel()
    if caller.dialog.up:
        caller.dialog.hang_up()
    await compare(rig, plan, caller, result, tally, began_s)
    caller.dialog.phone.close()
    rig.phones.remove(caller.dialog.phone)


async def act(rig: Rig, phone: Phone, plan: Plan, at: int, caller: Caller) -> None:
    """Do what one phone's person does."""
    while not phone.dialogs:
        await asyncio.sleep(0.01)
    dialog, way = phone.last, plan.ways[at]
    if plan.leaves_in == at and way in ("refuse", "silent"):
        await asyncio.sleep(plan.delays_s[at])
        caller.dialog.hang_up()
        return
    while not dialog.heard():
        await asyncio.sleep(0.01)
    await asyncio.sleep(plan.delays_s[at])
    if plan.leaves_in == at:
        caller.dialog.hang_up()
    elif way == "accept":
        dialog.press("1")
    elif way == "decline":
        dialog.press("2")
    elif way == "whisper":
        dialog.hang_up()


async def settle(rig: Rig, plan: Plan, caller: Caller, phones: list[Phone], resumed: int) -> str:
    """Wait for the caller's end of it; return ``connected``, ``back``, ``left`` or ``goodbye``."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if caller.dialog.ended_ns:
            return "left" if caller.dialog.left else "goodbye"
        for phone in phones:
            if caller.dialog.hears(phone.name):
                await talk(caller.dialog, phone.last, plan)
                return "connected"
        back = rig.agent.heard(ResumeConversation)[resumed:]
        if any(e.call_id == caller.call_id for e in back):  # type: ignore[attr-defined]
            await until(lambda: caller.dialog.hears("ai") or caller.dialog.left, 4, rig.log)
            return "left" if caller.dialog.left else "back"
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody has {caller.call_id}")


async def talk(caller: Dialog, person: Dialog, plan: Plan) -> None:
    """Prove that the two hear each other, then have one of them hang up."""
    await until(lambda: person.hears(caller.phone.tone) or person.ended_ns, 3)
    (person if plan.person_ends else caller).hang_up()
    if plan.person_ends:
        await until(lambda: caller.ended_ns, 3)


def deaths(rig: Rig) -> list[float]:
    """Return when workers were lost, seconds since the epoch."""
    lost = rig.events("worker_lost")
    return [datetime.fromisoformat(each["timestamp"]).timestamp() for each in lost]


async def compare(
    rig: Rig, plan: Plan, caller: Caller, result: str, tally: Tally, began_s: float
) -> None:
    """Compare the record with the truth."""
    truth, last = plan.truth, ""
    wanted = {"connected": "connected", "caller_left": "left"}.get(truth[-1], "back")
    for _ in range(60):
        outcomes = [each["outcome"] for each in rig.attempts(caller.call_id)]
        last = f"{outcomes} and {result} for {truth} and {wanted} ({plan}, {caller.call_id})"
        if outcomes == truth and result == wanted:
            tally.results[wanted] = tally.results.get(wanted, 0) + 1
            return
        await asyncio.sleep(0.05)
    now_s = time.time()
    killed = any(began_s - KILL_WINDOW_S < each < now_s for each in deaths(rig))
    possible = {"failed", "caller_left", "no_answer", *plan.natural}
    if killed and not result.startswith("lost") and possible.issuperset(outcomes):
        tally.touched += 1
        tally.results[result] = tally.results.get(result, 0) + 1
        return
    tally.wrong.append(last)
