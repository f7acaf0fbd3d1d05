"""Run the matrix and print it as a table: ``python -m tests.sip_matrix --table [--front]``."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from tests.sip_matrix.rows import FRONT_ROWS, ROWS, Outcome, Row
from tests.sip_matrix.run import open_matrix


def _shown(received: list[str]) -> str:
    """Return what was received, long repetitions as a number."""
    groups = [(each, len(list(same))) for each, same in itertools.groupby(received)]
    return " ".join(f"{e} x{n}" if n > 4 else " ".join([e] * n) for e, n in groups)


def _line(row: Row, outcome: Outcome | None, *, fronted: bool) -> str:
    direction = "out" if row.outbound else "in"
    seen = "**not as written**" if outcome is None else _shown(outcome.received)
    if fronted:
        return f"| {row.name} | {direction} | {seen} | {row.why} |"
    return f"| {row.name} | {row.title} | {direction} | {row.section} | {seen} |"


def main(arguments: list[str] | None = None) -> int:
    """Run the rows; 0 where all went as written."""
    parser = argparse.ArgumentParser(prog="python -m tests.sip_matrix", description=__doc__)
    parser.add_argument("--table", action="store_true", help="print a Markdown table")
    parser.add_argument("--target", help="host:port that calls in go to, instead of own service")
    parser.add_argument("--front", action="store_true", help="calls go through Kamailio")
    parser.add_argument("names", nargs="*", help="rows to run; all without")
    chosen = parser.parse_args(arguments)
    known = FRONT_ROWS if chosen.front else ROWS
    rows = [row for row in known if not chosen.names or row.name in chosen.names]
    failed = 0
    if chosen.table and chosen.front:
        print("| scenario | call | what SIPp received through Kamailio | why another answer |")
        print("|---|---|---|---|")
    elif chosen.table:
        print("| scenario | what it shows | call | where it is written | what SIPp received |")
        print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="sip-matrix-") as folder:
        matrix = open_matrix(Path(folder), rows, chosen.target, fronted=chosen.front)
        try:
            for row in rows:
                outcome: Outcome | None = None
                try:
                    outcome = matrix.check(row)
                except AssertionError as error:
                    failed += 1
                    if not chosen.table:
                        print(f"{row.name}: {error}", flush=True)
                if chosen.table:
                    print(_line(row, outcome, fronted=chosen.front), flush=True)
        finally:
            matrix.close()
    print(f"\n{len(rows) - failed} of {len(rows)} scenarios went as written.")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
