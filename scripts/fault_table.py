"""Inject faults into real runs, and write a table of how each run ends: `docs/faults.md`.

    python -m scripts.fault_table [--only WORD] [--out docs/faults.md]

Needs root on Linux, since some faults mount small file systems. The models are the package's demo model and a server
on loopback. Every command runs in a fork of this process, which has already imported the harness.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import importlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from scripts.fault_runs import (
    CONCURRENT,
    NUM_QUESTIONS,
    SERVED_TITLE,
    TASK,
    FinishedCommand,
    Server,
    StartedCommand,
    contents,
    demo_run,
    fill,
    tmpfs,
)

ROOT = Path(__file__).resolve().parents[1]
NUM_KILLS = 20


@dataclasses.dataclass
class Row:
    """Hold one line of the table."""

    fault: str
    status: str
    message: str
    on_disk: str
    second: str = "-"


def output_is_a_file(folder: Path) -> Iterator[Row]:
    """Name a file as the output folder."""
    (folder / "out").write_text("")
    done = demo_run(folder, folder / "out").wait()
    yield Row("`--output_path` is a file", str(done.status), done.message, "the file, as it was", _asked_nothing(done))


def output_is_read_only(folder: Path) -> Iterator[Row]:
    """Write to a read-only file system."""
    with tmpfs(folder / "mount") as mount:
        subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
        done = demo_run(folder, mount / "out").wait()
    yield Row("on a read-only file system", str(done.status), done.message, "nothing", _asked_nothing(done))


def output_cannot_be_written(folder: Path) -> Iterator[Row]:
    """Write to a folder that may not be changed."""
    out = folder / "out"
    out.mkdir()
    subprocess.run(["chattr", "+i", out], check=True)
    try:
        done = demo_run(folder, out).wait()
        yield Row("folder that nobody may change", str(done.status), done.message, contents(out), _asked_nothing(done))
    finally:
        subprocess.run(["chattr", "-i", out], check=True)


def output_is_full(folder: Path) -> Iterator[Row]:
    """Write to a full disk, and to one that is too small."""
    with tmpfs(folder / "mount", "1m") as mount:
        fill(mount)
        done = demo_run(folder, mount / "out").wait()
        left = contents(mount / "out")
        yield Row("disk full before the run", str(done.status), done.message, left, _asked_nothing(done))
    with tmpfs(folder / "mount", "1m") as mount:
        done = demo_run(folder, mount / "out").wait()
        left = contents(mount / "out")
        yield Row("disk too small for the run", str(done.status), done.message, left, _asked_nothing(done))


def _asked_nothing(done: FinishedCommand) -> str:
    return "all; no model was loaded" if "Running generate_until" not in done.output else "A MODEL WAS LOADED"


def output_breaks_during_the_run(folder: Path) -> Iterator[Row]:
    """Fill, lock or remove the output folder during the run."""
    server = Server()
    faults = {
        "disk full half-way": fill,
        "read-only half-way": lambda mount: subprocess.run(["mount", "-o", "remount,ro", mount], check=True),
        "folder removed half-way": lambda mount: shutil.rmtree(mount / "out"),
    }
    for name, fault in faults.items():
        with tmpfs(folder / "mount") as mount:
            cache = folder / f"cache {name}"

            def on(pid: int, number: int, mount: Path = mount, fault: Callable = fault) -> None:
                if number == NUM_QUESTIONS // 2:
                    fault(mount)

            done = server.run(folder, mount / "out", "--use_cache", cache, on=on)
            copies = re.findall(r"A copy is in (\S+)", done.output)
            left = contents(mount / "out") + (f"; copies in {Path(copies[0]).parent}" if copies else "")
            before = server.asked.total()
            again = server.run(folder, folder / "elsewhere", "--use_cache", cache)
            second = f"{server.asked.total() - before} questions; exit {again.status}"
            for copy in copies:
                Path(copy).unlink(missing_ok=True)
        yield Row(name, str(done.status), done.message, left, second)


def runs_at_once(folder: Path) -> Iterator[Row]:
    """Start several runs with one output folder at the same time."""
    for number in (2, 8):
        out = folder / f"out{number}"
        models = ["demo_clip", "microbench_random"]
        started = [demo_run(folder, out, model=models[place % 2]) for place in range(number)]
        done = [one.wait() for one in started]
        seconds = collections.Counter(path.name[:15] for path in out.rglob("*_results.json"))
        pairs = sum(
            path.with_name(path.name.replace("_results.json", f"_samples_{TASK}.jsonl")).is_file()
            for path in out.rglob("*_results.json")
        )
        left = f"{contents(out)}; {pairs} complete runs, up to {max(seconds.values())} of one second"
        statuses = ", ".join(sorted({str(one.status) for one in done}))
        yield Row(f"{number} runs at once, one folder", statuses, "-", left)


def signals(folder: Path) -> Iterator[Row]:
    """Interrupt a run, and resume it."""
    server = Server()
    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")):
        for options in ((), ("--use_cache", folder / f"cache_{name}")):
            out = folder / f"out_{name}_{len(options)}"

            def on(pid: int, question: int, number: int = number) -> None:
                if question == NUM_QUESTIONS // 2:
                    os.kill(pid, number)

            done = server.run(folder, out, *options, on=on)
            left, before = contents(out), server.asked.total()
            again = server.run(folder, out, *(options or done.resume_options))
            second = f"{server.asked.total() - before} of {NUM_QUESTIONS} questions; exit {again.status}"
            how = f"{name} after {NUM_QUESTIONS // 2} questions, {'with' if options else 'without'} `--use_cache`"
            yield Row(how, str(done.status), done.message, left, second)


def kills(folder: Path) -> Iterator[Row]:
    """Kill a run at random points, and resume it each time."""
    server, rng = Server(), random.Random(0)
    out, cache = folder / "out", folder / "cache"
    statuses: collections.Counter[int] = collections.Counter()
    for _ in range(NUM_KILLS):
        last = rng.randint(1, 2 * NUM_QUESTIONS // NUM_KILLS)

        def on(pid: int, number: int, last: int = last) -> None:
            if number == last:
                os.kill(pid, signal.SIGKILL)

        statuses[server.run(folder, out, "--use_cache", cache, on=on).status] += 1
    asked = server.asked.total()
    done = server.run(folder, out, "--use_cache", cache)
    twice = server.asked.total() - NUM_QUESTIONS
    said = ", ".join(f"{status} ({count} times)" for status, count in sorted(statuses.items()))
    second = f"{server.asked.total() - asked} questions, exit {done.status}; in all runs {twice} were asked twice"
    second += f" (at most {CONCURRENT} are in flight at a kill)"
    yield Row(f"SIGKILL at {NUM_KILLS} random points", said, "-", contents(out), second)


def several_processes(folder: Path) -> Iterator[Row]:
    """Let one of two processes fail."""
    program = folder / "run.py"
    program.write_text(_PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    faults = {
        "answering": "SIGKILL of one of two processes while it answers",
        "gathering": "SIGKILL of one of two processes while results are gathered",
        "memory": "memory runs out in one of two processes",
    }
    for fault, name in faults.items():
        out, cache = folder / f"out_{fault}", folder / f"cache_{fault}"
        arguments = ["--model", "demo_clip", "--tasks", TASK, "--limit", "20", "--output_path", out, "--log_samples"]
        started = time.monotonic()
        finished = subprocess.run(
            [*launcher, program, *arguments, "--use_cache", cache],
            env=os.environ | {"MICROBENCH_DATASET": "demo", "HF_HUB_OFFLINE": "1", "FAULT": fault},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        output = finished.stdout.replace("\r", "\n")
        done, seconds = FinishedCommand(finished.returncode, output), time.monotonic() - started
        left = contents(out)
        again = StartedCommand(["lmms_eval", *arguments, "--use_cache", cache], folder).wait()
        second = f"exit {again.status}, in one process"
        yield Row(name, f"{done.status}, {seconds:.0f} s after the start", done.first_message, left, second)


# Two processes, of which the second meets a fault.
_PROGRAM = """
import os, runpy, signal, sys
import torch
from microbench_adapters.models import contrastive

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def run_out(*args, **kwargs):
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

if os.environ["RANK"] == "1":
    if os.environ["FAULT"] == "gathering":
        torch.distributed.gather_object = die
    else:
        contrastive.ContrastiveModel.generate_until = {"answering": die, "memory": run_out}[os.environ["FAULT"]]
runpy.run_module("lmms_eval", run_name="__main__", alter_sys=True)
"""


def failures(folder: Path) -> Iterator[Row]:
    """Let the server fail at some or all questions."""
    server = Server()
    for cache in ((), ("--use_cache", folder / "cache")):
        failing = {number for number in range(1, NUM_QUESTIONS + 1) if number % 10 == 0}
        out = folder / f"out_{len(cache)}"

        def on(pid: int, number: int, failing: set[int] = failing) -> object:
            return server.error_reply() if number in failing else None

        done = server.run(folder, out, *cache, on=on)
        left, before = contents(out), server.asked.total()
        again = server.run(folder, out, *(cache or done.resume_options))
        second = f"{server.asked.total() - before} questions; exit {again.status}"
        option = f"{'with' if cache else 'without'} `--use_cache`"
        fault = f"status 500 for {len(failing)} of {NUM_QUESTIONS} questions, {option}"
        yield Row(fault, str(done.status), done.message, left, second)
    out = folder / "out none"
    done = server.run(folder, out, on=lambda pid, number: server.error_reply())
    scored = re.search(r"\|acc +\|", done.output)
    left = f"{contents(out)}; {'A SCORE' if scored else 'no score'} in the table"
    yield Row("status 500 for all questions", str(done.status), done.message, left)


def full_disks_of_commands(folder: Path) -> Iterator[Row]:
    """Run the commands of this package on a full disk."""
    out = folder / "run"
    # Leaderboards rank those who answered all tasks of a group.
    demo_run(folder, out, "--tasks", "microbench_coarse").wait()
    submission = folder / "submission"
    StartedCommand(["microbench", "submit", out, "--model-name", "Demo", "--out", submission], folder).wait()
    commands = {
        "submit": ["submit", out, "--model-name", "Demo", "--out"],
        "leaderboard": ["leaderboard", submission, "--out"],
        "report": ["report", out, "--out"],
        "merge": ["merge", "demo_clip", _other_checkpoint(folder), "--alpha", "0.5", "--out"],
    }
    for name, command in commands.items():
        with tmpfs(folder / "mount", "64k") as mount:
            fill(mount)
            (mount / "filler").rename(mount / ".filler")
            done = StartedCommand(["microbench", *command, mount / "out"], folder).wait()
            left = ", ".join(sorted(path.name for path in mount.rglob("*") if path.name != ".filler")) or "nothing"
        again = StartedCommand(["microbench", *command, folder / f"again {name}"], folder).wait()
        second = f"elsewhere: exit {again.status}"
        yield Row(f"disk full in `microbench {name}`", str(done.status), done.message, left, second)
    with tmpfs(folder / "mount", "64k") as mount:
        fill(mount)
        done = demo_run(folder, folder / "cached", XDG_CACHE_HOME=str(mount)).wait()
    yield Row("disk full in the cache of the package", str(done.status), done.message, contents(folder / "cached"))
    with tmpfs(folder / "mount", "64k") as mount:
        fill(mount)
        done = demo_run(folder, folder / "with cache", "--use_cache", mount / "cache").wait()
    left = contents(folder / "with cache")
    yield Row("disk full in `--use_cache`", str(done.status), done.message, left, _asked_nothing(done))


def _other_checkpoint(folder: Path) -> Path:
    """Write the demo model with other weights, without torch: its threads do not survive the forks."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    other = folder / "other_clip"
    shutil.copytree(ROOT / "adapters" / "demo_clip", other, ignore=shutil.ignore_patterns("__pycache__"))
    for path in other.glob("*.safetensors"):
        save_file({name: np.asarray(value * 1.01, value.dtype) for name, value in load_file(path).items()}, path)
    return other


ROWS = (
    output_is_a_file,
    output_cannot_be_written,
    output_is_read_only,
    output_is_full,
    output_breaks_during_the_run,
    runs_at_once,
    signals,
    kills,
    several_processes,
    failures,
    full_disks_of_commands,
)


def _as_markdown(rows: Sequence[Row], folder: Path) -> str:
    lines = ["| fault | exit status | message | on disk | a second run asks |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        cells = (
            str(cell).replace("|", "\\|").replace(str(folder), "…").replace(str(Path.home()), "~")
            for cell in dataclasses.astuple(row)
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


_HEAD = f"""# Faults

What is left of a run when something goes wrong: a full disk, a signal, a killed process, a server that fails. Each row
has the exit status, the message, the files that are left, and what the next run asks. The next run is the same command,
or the one that the message prints.

## Faults of disks and processes

Made by `python -m scripts.fault_table --out docs/faults.md` (as root). It causes each fault, on small file systems in
memory, by signals, and with a server on the same machine.

- The task is `{TASK}` of the demo set, {NUM_QUESTIONS} questions, with `--log_samples`. The model is `demo_clip`, or
  `openai` ({CONCURRENT} requests at a time) where questions are counted.
- A file is whole if every line of it is JSON. The two summary files of a run are not counted.
- Long messages are cut. "…" at the beginning of a path stands for the folder of the test.
"""


# Imported before the first fork, so that all runs start equally fast.
_PRELOADED = (
    "lmms_eval.__main__",
    "microbench_adapters.libraries.open_clip_adapter",
    "microbench_tasks.harness.launcher",
    "openai",
    "tests.support.chat_server",
)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run only the functions of `ROWS` whose name contains this word")
    parser.add_argument("--out", type=Path, help="file to write the page to (default: print it)")
    options = parser.parse_args()
    for module in _PRELOADED:
        importlib.import_module(module)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for function in ROWS:
            if options.only in function.__name__:
                folder = Path(name) / function.__name__
                folder.mkdir()
                for row in function(folder):
                    rows.append(row)
                    print(_as_markdown([row], folder).splitlines()[-1], file=sys.stderr, flush=True)
        page = f"{_HEAD}\n{_as_markdown(rows, Path(name))}\n"
    if options.out:
        options.out.parent.mkdir(exist_ok=True)
        # The sections of other scripts stay.
        before = options.out.read_text() if options.out.exists() else ""
        _, title, sections = before.partition(SERVED_TITLE)
        options.out.write_text(page + title + sections)
    else:
        print(page)


if __name__ == "__main__":
    main()
