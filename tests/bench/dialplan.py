"""Time plans of ten thousand rules in many shapes: reading, checking and routing.

    python -m tests.bench.dialplan [SHAPE ...]

Each shape is written as a file and read back. In seconds of the processor: ``yaml``, the text into
nodes (libyaml and what is built from its events); ``values``, the nodes into a configuration;
``rules``, what the dial plan's analysis adds; ``check``, all of it as ``cordboard check`` does it,
and beside that what a clock on the wall says; ``compile``, a dial plan's routes. Routes are in
milliseconds.
"""

from __future__ import annotations

import datetime
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge.dialplan.analysis import analyse
from edge.dialplan.loading import findings
from edge.dialplan.plan import CallFacts, DialPlan
from media.config.collection import collection_paused
from media.config.load import read_config
from media.config.nodes import compose, decode
from media.config.pattern import words_of

RULES = 10_000
CALLS = 3_000
HOURS = 50
TRUNKS = 40
HEAD = (
    "hours:\n"
    + "".join(
        f"  h{each}: {{time_zone: Europe/Berlin, open: {{mon-fri: '08:00-18:{each:02}'}}}}\n"
        for each in range(HOURS)
    )
    + "trunks:\n"
    + "".join(f"  t{each}: {{servers: 192.0.2.{each + 1}}}\n" for each in range(TRUNKS))
    + "agents:\n"
    + "".join(f"  a{each}: {{greeting: Hello, instructions: Help.}}\n" for each in range(3))
    + "dialplan:\n"
)


def _ordinary(dice: random.Random, index: int) -> str:
    base = f"+49{30_000_000 + index * 37}"
    called = dice.choice([base + "11", base + "*", f"{base}000..{base}499", base + "{extension:3}"])
    return f'called: "{called}"' + (", hours: h1" if dice.random() < 0.2 else "")


def _leading(dice: random.Random, index: int) -> str:
    return f'called: "{dice.choice(["??", "{n:2}", "+??", "[1-9]?"])}{index:05}*"'


def _scattered(dice: random.Random, index: int) -> str:
    chars = [dice.choice([str(dice.randrange(10)), "?"]) for _ in range(10)]
    return f'called: "{"".join(chars)}"'


def _suffix(dice: random.Random, index: int) -> str:
    return f'called: "{{n:3-8}}{index:05}"'


def _narrow(dice: random.Random, index: int) -> str:
    low = dice.randrange(10**8 - 1_500)
    return f'called: "+49{low:08}..+49{low + dice.randrange(1_500):08}"'


def _wide(dice: random.Random, index: int) -> str:
    low, high = sorted(dice.randrange(10**8) for _ in range(2))
    return f'called: "+49{low:08}..+49{high:08}"'


def _growing(dice: random.Random, index: int) -> str:
    return f'called: "+49{50_000_000 - index * 37:08}..+49{50_000_000 + index * 41:08}"'


def _captures(dice: random.Random, index: int) -> str:
    return f'called: "+4930{{a:{index % 5 + 1}}}{index:05}{{b:1-3}}"'


def _one_prefix(dice: random.Random, index: int) -> str:
    exact = f"+4930{dice.randrange(10**6):06}"
    called = dice.choice([exact, "+4930??[1-5]?" + str(dice.randrange(100)), exact[:-3] + "*"])
    return f'called: "{called}", hours: h{dice.randrange(HOURS)}'


def _conditions(dice: random.Random, index: int) -> str:
    opened, shut = dice.sample(range(HOURS), 2)
    parts = [f"trunk: t{dice.randrange(TRUNKS)}", f"hours: h{opened}"]
    closed = f"outside: h{shut}"
    parts.append(closed if dice.random() < 0.3 else "called: '+4930*'")
    parts.append(f'headers: {{X-A: "{dice.randrange(200)}", X-B: "*{dice.randrange(30)}"}}')
    return ", ".join(parts) + f", load_at_least: {dice.randrange(90)}"


def _hours(dice: random.Random, index: int) -> str:
    return f'called: "+49{index % 20}*", hours: h{index % HOURS}, trunk: t{dice.randrange(TRUNKS)}'


def _headers(dice: random.Random, index: int) -> str:
    return f'headers: {{X-A: "{dice.choice(["v", "v*", "*v"])}{index}{dice.choice(["", "*"])}"}}'


def _lists(dice: random.Random, index: int) -> str:
    numbers = ", ".join(f'"+49{dice.randrange(10**8):08}"' for _ in range(12))
    return f"called: [{numbers}]"


def _lists_of_ranges(dice: random.Random, index: int) -> str:
    lows = [dice.randrange(10**8 - 300) for _ in range(12)]
    ranges = ", ".join(f'"+49{low:08}..+49{low + dice.randrange(300):08}"' for low in lows)
    return f"called: [{ranges}]"


def _tiles(dice: random.Random, index: int) -> str:
    if index % 4 < 3:  # side by side
        return f'called: "+49{index * 1_000:08}..+49{index * 1_000 + 999:08}"'
    low, high = sorted(dice.randrange(index * 1_000) for _ in range(2))
    return f'called: "+49{low:08}..+49{high:08}"'


def _ranges_and_prefixes(dice: random.Random, index: int) -> str:
    low, high = sorted(dice.randrange(10**8) for _ in range(2))
    prefix, scattered = dice.randrange(10_000), dice.randrange(1_000)
    patterns = [f"+49{low:08}..+49{high:08}", f"+49{prefix:04}*", f"+49?{scattered:03}??[1-5]?"]
    return f'called: "{dice.choice(patterns)}"'


def _ranges_by_hours(dice: random.Random, index: int) -> str:
    asked = f"hours: h{dice.randrange(HOURS)}, trunk: t{dice.randrange(TRUNKS)}"
    return f"{_wide(dice, index)}, {asked}"


def _callers(dice: random.Random, index: int) -> str:
    return f'called: "+4930*", caller: "??{index:05}*"'


def _copies(dice: random.Random, index: int) -> str:
    return 'called: "?{n:4}*", trunk: [t1, t2]' if index % 2 else f'called: "?{index:04}*"'


SHAPES: dict[str, Callable[[random.Random, int], str]] = {
    "ordinary": _ordinary,
    "leading wildcard": _leading,
    "scattered wildcards": _scattered,
    "wildcard of many lengths": _suffix,
    "narrow ranges": _narrow,
    "wide ranges": _wide,
    "growing ranges": _growing,
    "captures after one prefix": _captures,
    "mixed after one prefix": _one_prefix,
    "trunk, hours, headers, load": _conditions,
    "same numbers, other hours": _hours,
    "headers only": _headers,
    "lists of numbers": _lists,
    "lists of ranges": _lists_of_ranges,
    "ranges over tiles": _tiles,
    "ranges, prefixes, wildcards": _ranges_and_prefixes,
    "ranges by hours and trunk": _ranges_by_hours,
    "callers with wildcards": _callers,
    "copies": _copies,
}


def write_plan(path: Path, shape: str, rules: int = RULES, seed: int = 1) -> None:
    """Write a plan of one shape that ends in a rule for everything."""
    dice = random.Random(seed)
    lines = [
        f"  - {{name: r{index}, match: {{{SHAPES[shape](dice, index)}}}, agent: a{index % 3}}}\n"
        for index in range(rules - 1)
    ]
    path.write_text(HEAD + "".join(lines) + "  - agent: a0\n")


def calls(plan: DialPlan, seed: int = 2) -> list[CallFacts]:
    """Return calls to numbers of the plan's rules, and to others."""
    dice = random.Random(seed)
    found = []
    for _ in range(CALLS):
        rule = dice.choice(plan.rules)
        numbers = [
            "".join(dice.choice(sorted(each)) for each in dice.choice(words_of(parts)).sets)
            if parts
            else ""
            for parts in (rule.called, rule.caller)
        ]
        headers = {name: text.replace("*", "7") for name, text, _ in rule.headers}
        trunk = dice.choice(rule.match.trunk) if rule.match.trunk else None
        at = datetime.datetime(2026, 11, 23, dice.randrange(24), 3, tzinfo=datetime.UTC)
        found.append(
            CallFacts(
                numbers[0] or f"+49{dice.randrange(10**8):08}",
                numbers[1] or "+491701234567",
                at,
                trunk,
                headers,
                dice.random(),
            )
        )
    return found


def measure(shape: str) -> str:
    """Return one line of figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        write_plan(path, shape)
        text = decode(path.read_bytes())
        with collection_paused():
            begin = time.process_time()
            nodes = compose(text, [])
            yaml_s = time.process_time() - begin
        del nodes
        begin = time.process_time()
        loaded = read_config(path)
        values_s = time.process_time() - begin - yaml_s
        draft = loaded.draft
        assert draft is not None
        with collection_paused():
            begin = time.process_time()
            analyse(draft, loaded.reading)
            rules_s = time.process_time() - begin
        begin, wall = time.process_time(), time.monotonic()
        errors, _, notes = findings(path)
        check_s, wall_s = time.process_time() - begin, time.monotonic() - wall
    begin = time.process_time()
    plan = DialPlan.compile(draft)
    compile_s = time.process_time() - begin
    spent = []
    for facts in calls(plan):
        begin = time.thread_time()
        plan.route(facts)
        spent.append((time.thread_time() - begin) * 1_000)
    spent.sort()
    return (
        f"{shape:28} {yaml_s:5.2f} {values_s:6.2f} {rules_s:6.2f} {check_s:6.2f} {wall_s:6.2f}"
        f" {compile_s:8.2f} {spent[len(spent) // 2]:10.3f} {spent[int(len(spent) * 0.99)]:10.3f}"
        f" {len(errors):7} {len(notes):5}"
    )


def main() -> None:
    """Print a table."""
    columns = f"{'yaml':>5} {'values':>6} {'rules':>6} {'check':>6} {'wall':>6}"
    columns += f" {'compile':>8} {'route p50':>10} {'route p99':>10}"
    print(f"{f'{RULES} rules':28} {columns}  errors notes")
    for shape in sys.argv[1:] or SHAPES:
        print(measure(shape), flush=True)


if __name__ == "__main__":
    main()
