"""How long commands take to start, each beside what it cannot be faster than.

Every figure is a fresh process, from start to end, in turn with its baseline: an interpreter that does
nothing, the harness's own script (which knows the tasks too, but in `tasks list`), or an interpreter that imports
the harness's evaluator.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from result_pages import markdown_table
from timing import origin, seconds_of_process, shown

SCRIPTS = Path(sys.executable).parent
NOTHING = [sys.executable, "-c", "pass"]
EVALUATOR = [sys.executable, "-c", "import lmms_eval.evaluator"]
ONE_QUESTION = ["--model", "microbench_random", "--tasks", "microbench_coarse_stain", "--limit", "1"]
RUN = f"lmms_eval {' '.join(ONE_QUESTION)}"
# What is timed, its command, and the name and command of its baseline.
PAIRS = (
    ("microbench path", [SCRIPTS / "microbench", "path"], "an interpreter", NOTHING),
    ("microbench report --help", [SCRIPTS / "microbench", "report", "--help"], "an interpreter", NOTHING),
    ("lmms_eval version", [SCRIPTS / "lmms_eval", "version"], "lmms-eval version", [SCRIPTS / "lmms-eval", "version"]),
    (
        "lmms_eval tasks list",
        [SCRIPTS / "lmms_eval", "tasks", "list"],
        "lmms-eval tasks list",
        [SCRIPTS / "lmms-eval", "tasks", "list"],
    ),
    (RUN, [SCRIPTS / "lmms_eval", *ONE_QUESTION], "lmms-eval …", [SCRIPTS / "lmms-eval", *ONE_QUESTION]),
    (RUN, [SCRIPTS / "lmms_eval", *ONE_QUESTION], "import lmms_eval.evaluator", EVALUATOR),
)


def page(repeats: int, command: str) -> str:
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = os.environ | {"MICROBENCH_DATASET": "demo", "HF_HUB_OFFLINE": "1"}
        for name, ours, of_what, baseline in PAIRS:
            # The first of each fills caches of files and of the demo set.
            pairs = [
                (seconds_of_process(ours, environment, folder), seconds_of_process(baseline, environment, folder))
                for _ in range(repeats + 1)
            ][1:]
            medians = [statistics.median(column) for column in zip(*pairs, strict=False)]
            rows.append(
                [
                    f"`{name}`",
                    shown(medians[0]),
                    f"`{of_what}`" if of_what != "an interpreter" else of_what,
                    shown(medians[1]),
                    f"{statistics.median(one / other for one, other in pairs):.2f}",
                ]
            )
    table = markdown_table(["command", "median", "baseline", "median", "ratio"], rows)
    return (
        "\n\n".join(
            [
                "# Start-up",
                origin(command, "lmms-eval", "torch"),
                __doc__.split("\n\n", 1)[1].strip(),
                f"Median of {repeats}.",
                table,
            ]
        )
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    text = page(args.repeats, f"python benchmarks/start_up.py --repeats {args.repeats}")
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
