"""Time a plan of ten thousand rules: reading, checking and routing. Run it by hand."""

from __future__ import annotations

import datetime
import random
import statistics
import tempfile
import time
from pathlib import Path

from edge.dialplan.loading import findings
from edge.dialplan.plan import CallFacts, DialPlan
from media.config.load import read_config

RULES = 10_000
CALLS = 5_000


def write_plan(path: Path, rules: int, seed: int = 1) -> list[str]:
    """Write a plan of exact numbers, prefixes, ranges and captures; return numbers to call."""
    dice = random.Random(seed)
    lines = ["hours:", "  office: {time_zone: Europe/Berlin, open: {mon-fri: '08:00-18:00'}}"]
    lines += ["agents:", "  support: {greeting: Hello, instructions: Help.}", "dialplan:"]
    numbers = []
    for index in range(rules - 1):
        base = f"+49{30_000_000 + index * 37}"
        called = dice.choice(
            [base + "11", base + "*", f"{base}000..{base}499", base + "{extension:3}"]
        )
        hours = ", hours: office" if dice.random() < 0.2 else ""
        match = f'{{called: "{called}"{hours}}}'
        lines.append(f"  - {{name: r{index}, match: {match}, agent: support}}")
        numbers.append(base + "11")
    lines.append("  - agent: support")
    path.write_text("\n".join(lines) + "\n")
    return numbers


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        numbers = write_plan(path, RULES)
        begin = time.perf_counter()
        loaded = read_config(path)
        read_s = time.perf_counter() - begin
        assert loaded.config is not None, loaded.reading.problems[:5]
        begin, begin_cpu = time.perf_counter(), time.process_time()
        errors, _, _ = findings(path)
        check_s, check_cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
        begin = time.perf_counter()
        plan = DialPlan.compile(loaded.config)
        compile_s = time.perf_counter() - begin
    at = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
    dice = random.Random(2)
    spent = []
    for _ in range(CALLS):
        facts = CallFacts(dice.choice(numbers), "+491701234567", at)
        begin = time.perf_counter()
        plan.route(facts)
        spent.append((time.perf_counter() - begin) * 1_000)
    spent.sort()
    print(f"rules                {RULES}")
    print(f"read                 {read_s:.2f} s")
    print(
        f"read and analyse     {check_s:.2f} s, {check_cpu_s:.2f} s of CPU ({len(errors)} errors)"
    )
    print(f"compile              {compile_s:.2f} s")
    print(f"route p50            {statistics.median(spent):.4f} ms")
    print(f"route p99            {spent[int(CALLS * 0.99)]:.4f} ms")


if __name__ == "__main__":
    main()
