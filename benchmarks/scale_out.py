"""How a contrastive run scales over processes of one core each.

ViT-B/32 with random weights answers all closed questions about release-shaped images through lmms-eval, in one
process on one core and in two on a core each, in turn, started by torchrun. Each process says how long its
generation phase took, how many images it encoded and its largest memory of its own (anonymous resident pages).
The harness asks a few questions twice, so that each process has as many for every task.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import torch
from contrastive import Timed, adapter, counted, save_model
from full_size import write
from harness_overhead import watch_memory
from result_pages import markdown_table
from timing import origin


def ask(weights: Path, out: Path) -> None:
    """What one process of a run does: on its own core, one thread."""
    rank = int(os.environ["RANK"])
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    peak, done = [0.0], threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(peak, done))
    watcher.start()
    try:
        model = adapter(weights)
        with counted(model) as inputs:
            run = Timed(model)
    finally:
        done.set()
        watcher.join()
    images, texts = (sum(len(next(iter(batch.values()))) for batch in inputs[name]) for name in inputs)
    (out / f"{rank}.json").write_text(
        json.dumps(
            {
                "seconds": run.seconds,
                "images": images,
                "texts": texts,
                "megabytes": peak[0],
                "questions": len(run.answers),
            }
        )
    )


def measured(weights: Path, processes: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            str(processes),
            __file__,
            "--ask",
            str(weights),
            out,
        ]
        done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        found = [json.loads(path.read_text()) for path in sorted(Path(out).glob("*.json"))]
    return {
        "seconds": max(process["seconds"] for process in found),
        "megabytes": max(process["megabytes"] for process in found),
        **{name: sum(process[name] for process in found) for name in ("images", "texts", "questions")},
    }


def measure(weights: Path, repeats: int) -> dict[int, list[dict[str, float]]]:
    """Return the figures of each run, by the number of processes."""
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(repeats):
        for processes, runs in found.items():
            runs.append(measured(weights, processes))
    return found


def page(weights: Path, repeats: int, command: str) -> str:
    found = measure(weights, repeats)
    median = {
        processes: {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for processes, runs in found.items()
    }
    distinct = median[1]["images"]
    rows = [
        [
            str(processes),
            f"{run['questions']:,.0f}",
            f"{run['images']:,.0f}",
            f"{run['texts']:,.0f}",
            f"{run['seconds']:.1f}",
            f"{distinct / run['seconds']:.2f}",
            f"{median[1]['seconds'] / run['seconds']:.2f}",
            f"{run['megabytes']:.0f}",
        ]
        for processes, run in median.items()
    ]
    ratios = [one["seconds"] / two["seconds"] for one, two in zip(*found.values(), strict=False)]
    text = (
        f"Median of {repeats}; times as fast: {statistics.median(ratios):.2f} ({min(ratios):.2f} to "
        f"{max(ratios):.2f}) for neighbours in time. Seconds are those of the slowest process, memory that of the "
        "largest; images and texts those encoded by all processes together."
    )
    head = [
        "processes",
        "questions",
        "images encoded",
        "texts encoded",
        "s",
        "distinct images a second",
        "times as fast",
        "memory of one, MB",
    ]
    return (
        "\n\n".join(
            [
                "# Several processes",
                origin(command, "lmms-eval", "torch", "open_clip_torch"),
                __doc__.split("\n\n", 1)[1].strip(),
                text,
                markdown_table(head, rows),
            ]
        )
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "data", type=Path, nargs="?", help="folder of benchmarks/full_size.py, written if it is not there"
    )
    parser.add_argument("--rows", type=int, default=700, help="with which it is written (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    parser.add_argument("--ask", type=Path, nargs=2, metavar=("WEIGHTS", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        ask(*args.ask)
        return
    if args.data is None:
        parser.error("expected a folder for the data")
    os.environ |= {"MICROBENCH_DATASET": str(write(args.data, args.rows)), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as scratch:
        text = page(
            save_model(Path(scratch)),
            args.repeats,
            f"python benchmarks/scale_out.py DATA --rows {args.rows} --repeats {args.repeats}",
        )
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
