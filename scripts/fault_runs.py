"""Run commands with injected faults: in forks of this process, on small file systems, and against a counting server."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

TASK = "microbench_coarse_stain"
NUM_QUESTIONS = 289
CONCURRENT = 4
# The section of docs/faults.md that scripts/fault_table_served.py writes.
SERVED_TITLE = "\n## Faults of servers\n"
_MAX_MESSAGE_CHARS = 400
# What differs from one run of this script to the next, and the arguments of the stand-in: they would fill the column.
_VARYING = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"\(pid \d+\)", "(pid PID)"),
    (r"\d{8}_\d{6}_", "DATE_"),
    (r"\b[0-9a-f]{32}\b", "…"),
    (r"--model_args '[^']*'", "--model_args …"),
)


@dataclasses.dataclass
class FinishedCommand:
    """Hold a finished command: its exit status as a shell reports it, and its output."""

    status: int
    output: str

    @property
    def message(self) -> str:
        """Return the last message of this package, on one line; "-" if the command has done all."""
        return self._message(-1) if self.status else "-"

    @property
    def first_message(self) -> str:
        """Return the first message of this package, on one line."""
        return self._message(0)

    def _message(self, index: int) -> str:
        messages = re.findall(r"(?:^|\n)(?:Micro-Bench: |microbench(?: \w+)?: )(.*(?:\n[- ] .*)*)", self.output)
        line = " ".join(messages[index].split()) if messages else "(nothing)"
        for pattern, stable in _VARYING:
            line = re.sub(pattern, stable, line)
        return line if len(line) <= _MAX_MESSAGE_CHARS else f"{line[:_MAX_MESSAGE_CHARS]}…"

    @property
    def resume_options(self) -> list[str]:
        """Return the option ``--use_cache`` of the printed command that resumes the run; empty if there is none."""
        folders = re.findall(r"--use_cache (\S+)$", self.output, re.MULTILINE)
        return ["--use_cache", *folders[-1:]] if folders else []


class StartedCommand:
    """Start a command in a fork of this process."""

    def __init__(self, arguments: Sequence[object], folder: Path, **settings: str) -> None:
        self._log = folder / f"log-{time.monotonic_ns()}"
        self.pid = os.fork()
        if self.pid == 0:
            self._become([str(part) for part in arguments], settings)

    def _become(self, arguments: list[str], settings: dict[str, str]) -> None:
        status = 1
        # A shell makes background processes ignore SIGINT: restore its default handler.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            log = os.open(self._log, os.O_CREAT | os.O_WRONLY)
            os.dup2(log, 1)
            os.dup2(log, 2)
            # Stays open until the process ends.
            sys.stdout = sys.stderr = os.fdopen(1, "w", closefd=False)
            os.environ |= {"MICROBENCH_DATASET": "demo", "HF_HUB_OFFLINE": "1"} | settings
            sys.argv = arguments
            module = "harness.launcher" if arguments[0] == "lmms_eval" else "cli.program"
            importlib.import_module(f"microbench_tasks.{module}").main()
            status = 0
        except SystemExit as left:
            if isinstance(left.code, str):
                print(left.code)
            status = left.code if isinstance(left.code, int) else int(left.code is not None)
        except BaseException:
            importlib.import_module("traceback").print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(status)

    def wait(self) -> FinishedCommand:
        """Wait for the end of the command."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        output = self._log.read_text(errors="replace").replace("\r", "\n")
        return FinishedCommand(128 - status if status < 0 else status, output)


# --- files that are left ----------------------------------------------------------------------


def contents(folder: Path) -> str:
    """Describe the files in an output folder: whether results and samples are complete, and how many others exist.

    Summaries are not counted.
    """
    if not folder.is_dir():
        return "no folder"
    names = [path for path in folder.rglob("*") if path.is_file()]
    results = [path for path in names if path.name.endswith("_results.json")]
    samples = [path for path in names if "_samples_" in path.name and not path.name.startswith(".")]
    summaries = [path for path in names if path.stem.endswith("_summary")]
    others = set(names) - {*results, *samples, *summaries}
    torn = [path.name for path in (*results, *samples) if not _is_whole(path)]
    description = f"{len(results)} results, {len(samples)} samples files"
    description += f", TORN: {', '.join(torn)}" if torn else ", all whole" if results or samples else ""
    return description + (f"; {len(others)} other files" if others else "")


def _is_whole(path: Path) -> bool:
    text = path.read_text(errors="replace")
    try:
        return bool([json.loads(line) for line in (text.splitlines() if path.suffix == ".jsonl" else [text])])
    except ValueError:
        return False


@contextlib.contextmanager
def tmpfs(folder: Path, size: str = "16m") -> Iterator[Path]:
    """Mount a small file system in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    """Fill the file system of a folder."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


# --- runs ------------------------------------------------------------------------------


def demo_run(folder: Path, out: Path, *options: object, model: str = "demo_clip", **settings: str) -> StartedCommand:
    """Start a short run of a model that needs no server."""
    command = ["lmms_eval", "--model", model, "--tasks", TASK, "--output_path", out, "--log_samples", *options]
    return StartedCommand(command, folder, **settings)


class Server:
    """Run a server on loopback that counts the questions.

    Attributes:
        asked: how often each question was asked, in all runs.
        number: questions of the current run.
        before_answer: called with the number of each question of the current run; may return another reply.
    """

    def __init__(self) -> None:
        from tests.support.chat_server import Reply, serving

        self._reply = Reply
        self._lock = threading.Lock()
        self.asked: collections.Counter = collections.Counter()
        self.number = 0
        self.before_answer: Callable[[int], object] = lambda number: None
        self._context = serving(self._answer)
        self.url = self._context.__enter__().url

    def _answer(self, prompt: str, pixels: object) -> object:
        with self._lock:
            self.number += 1
            number = self.number
            self.asked[prompt, pixels.tobytes()] += 1
        return self.before_answer(number) or self._reply("A")

    def error_reply(self) -> object:
        """Return the reply of a server that fails."""
        return self._reply(status=500, raw=b"{}")

    def run(
        self, folder: Path, out: Path, *options: object, on: Callable[[int, int], object] | None = None
    ) -> FinishedCommand:
        """Run a command on this server; ``on`` gets its process id and the number of each question."""
        self.number = 0
        ready = threading.Event()
        model_args = f"model=stand-in,base_url={self.url},api_key=none,max_retries=1,retry_backoff_s=0"
        model_args += f",num_concurrent={CONCURRENT}"
        command = ["lmms_eval", "--model", "openai", "--model_args", model_args, "--tasks", TASK]

        def before_answer(number: int) -> object:
            ready.wait()
            return on(started.pid, number) if on else None

        self.before_answer = before_answer
        started = StartedCommand([*command, "--output_path", out, "--log_samples", *options], folder)
        ready.set()
        return started.wait()
