"""`python -m benchmarks [area ...] [--quick]`: measure, print a table, keep the figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.protocol import Case, Verdict, WrongError, circumstances, measure, missing

AREAS = ("blend", "export", "brush", "backends", "metrics")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("areas", nargs="*", default=list(AREAS), metavar="area", help=", ".join(AREAS))
    parser.add_argument("--quick", action="store_true", help="small inputs and three rounds")
    options = parser.parse_args()
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    wrong = 0
    for area in options.areas:
        facts = circumstances()
        print(f"\n## {area} (load {facts['load'][0]:.2f}, {facts['machine']}, Python {facts['python']})\n")
        print("| case | who | median | theirs : ours | range | rounds | CPU ratio | peak MB | check |")
        print("|---|---|---|---|---|---|---|---|---|")
        rows: list[dict[str, Any]] = []
        verdicts: list[Verdict] = []
        for case in importlib.import_module(f"benchmarks.{area}").cases(options.quick):
            try:
                measured, judged = report(case, options.quick)
                rows += measured
                verdicts += judged
            except WrongError as error:
                print(f"| {error} |  |  |  |  |  |  |  | WRONG |")
                wrong += 1
        judge(verdicts)
        found = {"rows": rows, "targets": [v.to_json() for v in verdicts]}
        text = json.dumps({"area": area, "quick": options.quick, **facts, **found}, indent=1)
        (folder / f"{area}-{int(time.time())}.json").write_text(text)
    return 1 if wrong else 0


def judge(verdicts: list[Verdict]) -> None:
    """Print what is reached of the targets."""
    if not verdicts:
        return
    print("\n| case | target | limit | measured | range | met |\n|---|---|---|---|---|---|")
    for v in verdicts:
        met = "yes" if v.shortfall <= 1 else f"no, by {v.shortfall:.1f}x"
        print(
            f"| {v.case} | {v.target} | {v.limit:g} {v.unit} | {v.value:.3g} {v.unit} | "
            f"{v.lowest:.3g}-{v.highest:.3g} | {met} |",
            flush=True,
        )


def report(case: Case, quick: bool) -> tuple[list[dict[str, Any]], list[Verdict]]:
    """Measure and print a case; gives its rows and what is reached of its targets."""
    rows, verdicts = measure(case, quick)
    for row in rows:
        print(
            f"| {row.case} | {row.runner} | {row.median_s * 1e3:.4g} ms | {row.ratio:.2f} | "
            f"{row.lowest:.2f}-{row.highest:.2f} | {row.rounds} | {row.cpu_ratio:.2f} | {row.peak_mb:.0f} | "
            f"{row.said or 'ok'} |",
            flush=True,
        )
    skipped = [f"{r.name} skipped: {', '.join(missing(r))} is missing" for r in case.runners if missing(r)]
    for note in (*case.notes, *skipped):
        print(f"| {case.name} |  |  |  |  |  |  |  | {note} |", flush=True)
    return [row.to_json() for row in rows], verdicts


if __name__ == "__main__":
    raise SystemExit(main())
