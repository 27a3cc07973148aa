"""Run evaluations against a faulty server on loopback, and write the outcomes as the last section of `docs/faults.md`.

Each row runs two commands with the same ``--use_cache``: the first against the faulty server, the second against a
server that works.

    python -m scripts.fault_table_served --out docs/faults.md
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from microbench_tasks.data import micrographs
from scripts.fault_runs import SERVED_TITLE
from tests.support import commands
from tests.support.chat_server import ChatServer, Reply, serving
from tests.support.commands import SCRIPTS

TASK = "microbench_coarse_stain"
QUESTIONS = 60
CONCURRENCY = 4
_AGAIN = (("x-should-retry", "true"),)
_MESSAGE = re.compile(r"ServerStoppedError: (.+)")


@dataclass(frozen=True)
class Fault:
    """Describe the fault of one row of the table.

    Attributes:
        name: what is wrong with the server.
        reply: returns the server's reply, given the number of the request (from 0) and the text of the right answer.
        options: further model arguments.
        model: model class of the harness.
        dies_after: number of requests after which the server stops.
        kills_after: number of requests after which the client is killed.
    """

    name: str
    reply: Callable[[int, str], Reply]
    options: dict[str, Any] = field(default_factory=dict)
    model: str = "openai"
    dies_after: int | None = None
    kills_after: int | None = None


def _always(reply: Reply) -> Callable[[int, str], Reply]:
    return lambda number, right: reply


def _tenth(reply: Reply) -> Callable[[int, str], Reply]:
    return lambda number, right: reply if number % 10 == 5 else Reply(right)


def _error(status: int, message: str, *headers: tuple[str, str]) -> Reply:
    return Reply(status=status, raw=json.dumps({"error": {"message": message}}).encode(), headers=_AGAIN + headers)


_HTML = Reply(raw=b"<html><head><title>502 Bad Gateway</title></head></html>", headers=(("Content-Type", "text/html"),))
_ODD: list[Any] = ["B \ud83d", "B\x00", [{"type": "text", "text": "B"}], None, 5, {"type": "text", "text": "B"}, ""]
_HANG_UP = Reply(hangs_up=True)
FAULTS = [
    Fault("none", lambda number, right: Reply(right)),
    Fault("server down", _always(Reply("A")), dies_after=0),
    Fault("wrong key (401)", _always(_error(401, "Incorrect API key provided"))),
    Fault("no access (403)", _always(_error(403, "Not allowed"))),
    Fault("wrong model name (404)", _always(_error(404, "The model `stand-in` does not exist"))),
    Fault("takes no images (400)", _always(_error(400, "image_url is not supported by this model"))),
    Fault("429 to everything, Retry-After 1", _always(_error(429, "Slow down", ("Retry-After", "1")))),
    Fault("429 to a tenth, Retry-After 1", _tenth(_error(429, "Slow down", ("Retry-After", "1")))),
    Fault("429, Retry-After one day", _always(_error(429, "Quota used up", ("Retry-After", "86400")))),
    Fault("500 to everything", _always(_error(500, "out of memory"))),
    Fault("500 to a tenth", _tenth(_error(500, "out of memory"))),
    Fault("500 to a tenth, one try", _tenth(_error(500, "out of memory")), {"max_retries": 1}),
    Fault("413 to a tenth", _tenth(_error(413, "Request Entity Too Large"))),
    Fault("hangs up on everything", _always(_HANG_UP)),
    Fault("hangs up on a tenth", _tenth(_HANG_UP)),
    Fault("HTML instead of everything", _always(_HTML)),
    Fault("HTML instead of a tenth", _tenth(_HTML)),
    Fault("invalid JSON for a tenth", _tenth(Reply(raw=b'{"choices": [{"message"'))),
    Fault("answers of 100 kB for a tenth", _tenth(Reply("lorem ipsum " * 8600))),
    Fault("answers of 100 MB for every 30th", lambda number, right: Reply("B" * 10**8 if number % 30 == 5 else right)),
    Fault("surrogates, NUL, lists, null, numbers", lambda number, right: Reply(_ODD[number % 7])),
    Fault("slow bytes, 2 s allowed", _always(Reply("A", chunk_s=0.5)), {"timeout": 2}, "async_openai"),
    Fault("dies half-way", lambda number, right: Reply(right), dies_after=QUESTIONS // 2),
    Fault("client killed half-way", lambda number, right: Reply(right), kills_after=QUESTIONS // 2),
]


@dataclass
class Outcome:
    """Hold the outcome of a command: exit status, message, seconds, and complete output."""

    status: int
    message: str
    seconds: float
    log: str


class _Run:
    """Run commands against a server with a fault."""

    def __init__(self, fault: Fault, folder: Path) -> None:
        self.fault = fault
        self.folder = folder
        self.numbers = iter(range(10**9))
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None
        self.is_healed = False

    def answer(self, prompt: str, pixels: Any) -> Reply:
        right = prompt.split("\n")[2][0]
        if self.is_healed:
            return Reply(right)
        with self.lock:
            number = next(self.numbers)
            if self.fault.kills_after == number and self.process is not None:
                self.process.send_signal(signal.SIGKILL)
                time.sleep(0.5)
        if self.fault.dies_after and number >= self.fault.dies_after:
            return _HANG_UP
        return self.fault.reply(number, right)

    def command(self, url: str, name: str) -> Outcome:
        workers = "num_cpus" if self.fault.model == "async_openai" else "num_concurrent"
        options = {"model": "stand-in", "base_url": url, "api_key": "none", workers: CONCURRENCY} | self.fault.options
        command = [SCRIPTS / "lmms_eval", "--model", self.fault.model, "--tasks", TASK, "--limit", QUESTIONS]
        command += ["--model_args", ",".join(f"{key}={value}" for key, value in options.items())]
        command += ["--use_cache", self.folder / "cache", "--output_path", self.folder / name, "--log_samples"]
        command = list(map(str, command))
        started = time.monotonic()
        status, log = self._killable(command) if self.fault.kills_after else _finished(command)
        said = _MESSAGE.findall(log)
        return Outcome(status, said[-1] if said else "", time.monotonic() - started, log)

    def _killable(self, command: list[str]) -> tuple[int, str]:
        environment = os.environ | {"MICROBENCH_DATASET": "demo"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment)
        log = self.process.communicate(timeout=600)[0]
        status = self.process.returncode
        # As a shell reports it.
        return 128 - status if status < 0 else status, log


def _finished(command: list[str]) -> tuple[int, str]:
    """Run a command in a fork of a process that has imported the large libraries."""
    process = commands.run(*command)
    return process.returncode, process.stdout + process.stderr


def run(fault: Fault, folder: Path) -> dict[str, Any]:
    """Run both commands of a row, and return the cells of the table."""
    runs = _Run(fault, folder)
    with serving(runs.answer) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        if fault.dies_after == 0:
            server.close()
        with _refusing_after(server, fault.dies_after):
            first = runs.command(server.url, "first")
        kept = _num_kept(folder / "cache")
        asked = list(server.asked)
        answered = collections.Counter(server.answered)
    runs.is_healed = True
    with serving(runs.answer, port) as server:
        second = runs.command(server.url, "second")
        again = collections.Counter(server.asked)
    return {
        "fault": fault.name,
        "exit": first.status,
        "says": first.message or _counts_line(first.log),
        "requests": len(asked),
        "seconds": round(first.seconds),
        "answers kept": kept,
        "results": len(list((folder / "first").rglob("*_results.json"))),
        "second run asks": sum(again.values()),
        "asked again although answered": sum((again & answered).values()),
        "second exit": second.status,
        "log": first.log,
    }


@contextlib.contextmanager
def _refusing_after(server: ChatServer, number: int | None) -> Iterator[None]:
    """Close the server's port after a number of requests, as if the server had crashed."""
    if not number:
        yield
        return
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.02):
            if len(server.asked) > number:
                server.close()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield
    is_over.set()
    thread.join()


def _num_kept(cache: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in cache.glob("microbench_replies/*.jsonl"))


def _counts_line(log: str) -> str:
    lines = re.findall(r"Micro-Bench: (\d[\d,]* answers from disk[^\x1b\n]*)", log)
    return lines[-1] if lines else ""


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/faults.md"), help="the page whose last section this is")
    parser.add_argument("--only", help="rows whose name contains this text")
    options = parser.parse_args()
    # The process from which commands are forked keeps its socket there.
    with tempfile.TemporaryDirectory() as caches:
        os.environ |= {"XDG_CACHE_HOME": caches, "HF_HOME": f"{caches}/huggingface", "HF_HUB_OFFLINE": "1"}
        # So that the first row does not count the seconds that the demo set takes.
        micrographs.demo_folder()
        commands.run(SCRIPTS / "microbench", "path")
        rows = list(_rows(options.only))
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"| {' | '.join('---' for _ in names)} |"]
    lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in rows]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    before = options.out.read_text(encoding="utf-8").partition(SERVED_TITLE)[0] if options.out.exists() else ""
    options.out.write_text(f"{before}{SERVED_TITLE}{_HEAD}" + "\n".join(lines) + "\n", encoding="utf-8")


def _rows(only: str | None) -> Iterator[dict[str, Any]]:
    """Run the faults; print each row."""
    for fault in FAULTS:
        if only and only not in fault.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            row = run(fault, Path(folder))
        log = row.pop("log")
        print(json.dumps(row), flush=True)
        if only:
            print(log[-4000:])
        yield row


_HEAD = f"""
Made by `python -m scripts.fault_table_served --out docs/faults.md`: {QUESTIONS} questions of `{TASK}` on the demo set,
{CONCURRENCY} at a time, against a server on the same machine with one fault. Then the same command with the same
`--use_cache` runs against a server that works.

- `requests` is the server's own count. A refused connection reaches no server, so "server down" has 0 requests.
- `seconds` includes the start-up.
- `null` as an answer counts as no answer, and is asked again.
- After a kill, a reply that had arrived but was not yet stored is asked for again: at most one for each of the
  concurrent requests.

"""


def _cell(value: Any) -> str:
    text = re.sub(r"/tmp/\S*/cache", "CACHE", str(value))
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text).replace("|", "\\|")


if __name__ == "__main__":
    main()
