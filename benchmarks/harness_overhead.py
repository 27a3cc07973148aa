"""What the harness costs around a model that answers at once, on data of the release's size.

Each figure is a fresh process that asks an instant model through lmms-eval: one document of one task
(the floor: start-up, data checks, intervals), then whole tasks. The process reports its own time and the
largest memory that is its own (anonymous resident pages, without the memory-mapped data files); the
caches of datasets are in a folder of their own, whose growth is measured. Processor time, summed over
threads, is what time would be on a machine that nothing else runs on, as a run hardly ever does two things at once.
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
import time
from pathlib import Path

from full_size import NUM_ROWS, write
from result_pages import markdown_table
from timing import origin

ONE = "microbench_coarse_domain"
RUNS = {
    "one document": (ONE, "1"),
    "one task": (ONE, ""),
    "five coarse tasks": ("microbench_coarse", ""),
    "all coarse and fine tasks": ("microbench_vqa", ""),
}
_SAMPLED_EVERY = 0.02


def ask(tasks: str, limit: str) -> dict[str, float]:
    """Ask an instant model and say how long it took, in seconds, and how much memory, in MB."""
    from lmms_eval.api.model import lmms
    from lmms_eval.evaluator import simple_evaluate

    class Instant(lmms):
        def generate_until(self, requests):
            return ["A"] * len(requests)

        def loglikelihood(self, requests):
            raise NotImplementedError("The tasks here ask for answers only.")

        def generate_until_multi_round(self, requests):
            raise NotImplementedError("The tasks here ask for answers only.")

    peak = [0.0]
    done = threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(peak, done))
    watcher.start()
    start, busy = time.perf_counter(), time.process_time()
    try:
        results = simple_evaluate(
            model=Instant(), tasks=[tasks], limit=int(limit) if limit else None, bootstrap_iters=0
        )
    finally:
        done.set()
        watcher.join()
    asked = sum(sizes["effective"] for sizes in results["n-samples"].values())
    return {
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - busy,
        "megabytes": peak[0],
        "questions": asked,
    }


def watch_memory(peak: list[float], done: threading.Event) -> None:
    while not done.wait(_SAMPLED_EVERY):
        fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
        peak[0] = max(peak[0], int(fields["RssAnon"].split()[0]) / 1024)


def measured(tasks: str, limit: str, environment: dict[str, str]) -> dict[str, float]:
    caches = Path(environment["HF_HOME"]), Path(environment["XDG_CACHE_HOME"])
    before = _bytes_in(caches)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--ask", tasks, limit], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    found = json.loads(done.stdout.splitlines()[-1])
    return found | {"whole": time.perf_counter() - start, "cache": _bytes_in(caches) - before}


def _bytes_in(folders: tuple[Path, ...]) -> int:
    return sum(path.lstat().st_size for folder in folders for path in folder.rglob("*") if not path.is_dir())


def measure(data: Path, repeats: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the figures of the very first run on the data, and the medians of each of `RUNS`."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = os.environ | {
            "MICROBENCH_DATASET": str(data),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": f"{scratch}/huggingface",
            "XDG_CACHE_HOME": f"{scratch}/cache",
        }
        first = measured(*RUNS["one document"], environment)
        found = {name: [] for name in RUNS}
        for _ in range(repeats):
            for name, run in RUNS.items():
                found[name].append(measured(*run, environment))
    return first, {
        name: {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}
        for name, runs in found.items()
    }


def page(data: Path, repeats: int, command: str) -> str:
    first, median = measure(data, repeats)
    floor = median["one document"]
    rows = [
        [
            name,
            f"{run['questions']:,.0f}",
            f"{run['whole']:.1f}",
            f"{run['seconds']:.1f}",
            f"{run['seconds'] - floor['seconds']:+.1f}",
            f"{run['processor'] - floor['processor']:+.1f}",
            f"{run['megabytes']:.0f}",
            f"{run['megabytes'] - floor['megabytes']:+.0f}",
            f"{run['cache']:,.0f}",
        ]
        for name, run in median.items()
    ]
    head = [
        "",
        "questions",
        "process, s",
        "evaluation, s",
        "above the floor, s",
        "processor time above the floor, s",
        "memory, MB",
        "above the floor, MB",
        "new in caches, bytes",
    ]
    reading = (
        f"Median of {repeats}. The very first run on new data also reads every byte for the hash and checks every "
        f"image: {first['whole']:.1f} s, with {first['cache']:,} bytes new in caches."
    )
    return (
        "\n\n".join(
            [
                "# What the harness costs",
                origin(command, "lmms-eval", "datasets"),
                __doc__.split("\n\n", 1)[1].strip(),
                reading,
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
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="where it is written (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    parser.add_argument("--ask", nargs=2, metavar=("TASKS", "LIMIT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        print(json.dumps(ask(*args.ask)))
        return
    if args.data is None:
        parser.error("expected a folder for the data")
    text = page(
        write(args.data, args.rows),
        args.repeats,
        f"python benchmarks/harness_overhead.py DATA --rows {args.rows} --repeats {args.repeats}",
    )
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
