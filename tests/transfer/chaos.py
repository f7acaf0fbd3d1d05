"""Random transfers with a known truth: every step is drawn from a seed, every outcome follows.

Two truths are compared with the record. The *script* says what everybody will do; on a machine that
is busy its people come late, and then a time-out of the queue was true before they did anything. So
what counts is the *wire* (:mod:`tests.transfer.truth`): what each phone and the caller really did
and saw, in causal order. Where nobody was late the two are the same.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from media.messages import ResumeConversation
from tests.transfer.phone import Behaviour, Dialog, Phone
from tests.transfer.rig import Caller, Rig, until
from tests.transfer.truth import NEVER, REFUSALS, Patience, Story, check, died

LANES = (("caller", "ann", "bob"), ("caller-2", "cleo", "dan"), ("caller-3", "eve", "fay"))
"""Each with a queue of its own, so that its truth depends on nobody else."""
LEFT = "caller_left"
WAYS = ("accept", "accept", "accept", "refuse", "refuse", "decline", "silent", "whisper", "no_key")
QUICK, PATIENT = Patience(3.0, 2.0), Patience(20.0, 20.0)
"""Of the lanes' two queues: the patient one is for plans in which nobody lets the time run out."""


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
                return [*outcomes, LEFT]
            outcomes.append(outcome)
            if outcome == "connected":
                break
        return outcomes

    @property
    def patience(self) -> Patience:
        """Return the time-outs that fit."""
        awaited = [way for way, end in zip(self.ways, self.truth, strict=False) if end != LEFT]
        return QUICK if {"silent", "no_key"} & set(awaited) else PATIENT

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
    scripted: int = 0
    """Whose record is the script's."""
    overtaken: list[str] = field(default_factory=list)
    """Whose record is not the script's but what the phones say: somebody came late, or a killed
    worker had a part in it."""
    crossed: list[str] = field(default_factory=list)
    """In which two things crossed on the wire, so that more than one record would be true."""
    results: dict[str, int] = field(default_factory=dict)
    killed_ns: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"{self.done} transfers: {self.results}, {self.scripted} as in the script, "
            f"{len(self.overtaken)} overtaken, {len(self.crossed)} crossed, "
            f"{len(self.killed_ns)} workers killed, {len(self.wrong)} wrong"
        )


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
                tally.killed_ns.append(time.monotonic_ns())
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
    async with asyncio.timeout(20):
        # the lane's last call may hold its line for some milliseconds after its BYE
        while sum(each.state != "ending" for each in (await rig.status()).calls) >= len(LANES):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
    caller = await rig.caller(name)
    resumed = len(rig.agent.heard(ResumeConversation))
    caller.ask(f"lane{plan.lane}" + ("" if plan.patience is QUICK else "-patient"), "chaos")
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
    await compare(rig, plan, caller, phones, result, tally)
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

    def is_back() -> bool:
        back = rig.agent.heard(ResumeConversation)[resumed:]
        return any(e.call_id == caller.call_id for e in back)  # type: ignore[attr-defined]

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if caller.dialog.ended_ns:
            return "left" if caller.dialog.left else "goodbye"
        for phone in phones:
            if caller.dialog.hears(phone.name):
                await talk(caller.dialog, phone.last, plan, is_back)
                if not is_back():
                    return "connected"
        if is_back():
            await until(lambda: caller.dialog.hears("ai") or caller.dialog.left, 4, rig.log)
            return "left" if caller.dialog.left else "back"
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody has {caller.call_id}")


async def talk(caller: Dialog, person: Dialog, plan: Plan, is_back: Callable[[], bool]) -> None:
    """Prove that the two hear each other, then have one of them hang up.

    A worker that dies in that moment takes the person's leg, and the caller is back with the AI.
    """
    await until(lambda: person.hears(caller.phone.tone) or person.ended_ns, 3)
    (person if plan.person_ends else caller).hang_up()
    if plan.person_ends:
        await until(lambda: caller.ended_ns or is_back(), 3)


async def compare(
    rig: Rig, plan: Plan, caller: Caller, phones: list[Phone], result: str, tally: Tally
) -> None:
    """Compare the record with the script and with the wire."""
    truth = plan.truth
    wanted = {"connected": "connected", LEFT: "left"}.get(truth[-1], "back")
    rows, wrong, certain = [], "", True
    for _ in range(200):
        rows = [(each["member"], each["outcome"]) for each in rig.attempts(caller.call_id)]
        stories = stories_of(phones, caller, plan.patience, tally.killed_ns)
        wrong, certain = check(rows, stories, left_ns(caller), plan.patience, tally.killed_ns)
        over = all(each.closed_ns for phone in phones for each in phone.dialogs)
        if rows and not wrong and over:
            break
        await asyncio.sleep(0.05)
    last = f"{rows} and {result} for {truth} and {wanted} ({plan}, {caller.call_id})"
    wrong = wrong or ends_wrong(rows, result, tally.killed_ns, caller.decided_ns)
    if wrong or not rows:
        tally.wrong.append(f"{wrong}: {last}")
        return
    tally.results[result] = tally.results.get(result, 0) + 1
    if not certain:
        tally.crossed.append(f"{last} {stories}")
    if [outcome for _, outcome in rows] == truth and result == wanted:
        tally.scripted += 1
    else:
        tally.overtaken.append(last)


def left_ns(caller: Caller) -> int:
    """Return when the caller hung up."""
    return caller.dialog.ended_ns if caller.dialog.left else NEVER


def stories_of(
    phones: list[Phone], caller: Caller, patience: Patience, deaths_ns: list[int]
) -> dict[str, Story]:
    """Return what every phone that was called lived through."""
    dialogs = sorted((d for p in phones for d in p.dialogs), key=lambda d: d.invited_ns)
    stories: dict[str, Story] = {}
    earliest_ns = caller.decided_ns
    for dialog in dialogs:
        story = Story.of(dialog, caller.dialog, earliest_ns)
        stories[dialog.phone.name] = story
        earliest_ns = story.cause_ns(patience, deaths_ns)
    return stories


def ends_wrong(
    rows: list[tuple[str, str]], result: str, killed_ns: list[int], decided_ns: int
) -> str:
    """Say what is wrong with where the caller is in the end, empty where nothing is."""
    last = rows[-1][1] if rows else ""
    fits = {"connected": ("connected",), LEFT: ("left",)}.get(last, ("back", "left"))
    if result in fits:
        return ""
    if result == "back" and last == "connected" and died(killed_ns, decided_ns, NEVER):
        return ""  # the worker died with the talk: the AI has the caller
    return f"the caller is {result} after {last}"
