"""Run the scripts of the package as users do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from filelock import FileLock

SCRIPTS = Path(sys.executable).parent
# Scripts of this project and of the harness, which may run in a fork of a process that has imported the large
# libraries; Python programs may, too.
_SCRIPTS = tuple(str(SCRIPTS / name) for name in ("lmms_eval", "lmms-eval", "microbench"))
# Settings that no library reads while it is imported.
_READ_LATE = ("MICROBENCH_", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_")
# Commands run on the CPU, whose figures are the same for all batch sizes and numbers of processes. On a GPU, models are
# tested in the process of the test (tests/adapters). The server must not use a GPU either: a fork of a process that has
# started CUDA cannot use it, and a library may start it when it is imported.
_ON_CPU = {"CUDA_VISIBLE_DEVICES": ""}

# Far longer than any command of the tests takes.
_MOST_SECONDS = 300

_lease: IO[str] | None = None


def run(*command, data="demo", **environment):
    """Run a command on the data source ``data`` and return the finished process."""
    command = [str(part) for part in command]
    if _can_be_forked(command, environment):
        with start(*command, data=data, **environment) as started:
            return started.finished()
    return subprocess.run(command, capture_output=True, text=True, env=_settings(data, environment))


def run_processes(count, *command, data="demo", **environment):
    """Run a command in processes that work together, as a launcher starts them; return them in the order of ranks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with contextlib.ExitStack() as stack:
        started = []
        for rank in range(count):
            own = launched(rank, count, port)
            started.append(stack.enter_context(start(*command, data=data, **environment, **own)))
        return [process.finished() for process in started]


def launched(rank, count, port):
    """Return what a launcher such as torchrun sets for one of ``count`` processes."""
    settings = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    return {name: str(value) for name, value in settings.items()} | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def start(*command, data="demo", **environment):
    """Start a script of the package, or a Python program, in a fork of the server; see `command_server`."""
    command = [str(part) for part in command]
    assert _can_be_forked(command, environment)
    return Started(command, _settings(data, environment))


def _settings(data, environment):
    return os.environ | {"MICROBENCH_DATASET": str(data)} | _ON_CPU | environment


def _can_be_forked(command, environment):
    # The launcher itself is quick to start, and starts fresh processes.
    is_ours = command[0] in _SCRIPTS or (command[0] == sys.executable and "torch.distributed.run" not in command)
    changed = [name for name, value in environment.items() if os.environ.get(name) != value]
    return is_ours and all(name.startswith(_READ_LATE) for name in changed)


class Started:
    """A command that runs in a fork of the server.

    Attributes:
        pid: of the process.
    """

    def __init__(self, command, environment):
        self._command = command
        self._folder = tempfile.TemporaryDirectory()
        self._streams = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        request = {
            "argv": command[command[0] == sys.executable :],
            "environment": dict(environment),
            "folder": os.getcwd(),
            "stdout": str(self._streams[0]),
            "stderr": str(self._streams[1]),
        }
        self._connection = _connect()
        self._connection.write(f"{json.dumps(request)}\n")
        self._connection.flush()
        self.pid = int(self._connection.readline())

    def finished(self):
        """Wait for the end of the process, and return it.

        Raises:
            TimeoutError: it does not end.
        """
        self._connection.write("status\n")
        self._connection.flush()
        try:
            status = int(self._connection.readline())
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            raise TimeoutError(f"not ended after {_MOST_SECONDS} s: {self._command}") from None
        # As text is read from a process: line ends are one character.
        said = [stream.read_bytes().decode().replace("\r\n", "\n").replace("\r", "\n") for stream in self._streams]
        return subprocess.CompletedProcess(self._command, status, *said)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._connection.close()
        self._folder.cleanup()


def _connect():
    """Connect with the server, which all test processes share."""
    global _lease
    # Shared by the test processes of one run; see tests/conftest.py.
    address = os.path.join(os.environ["XDG_CACHE_HOME"], "commands")
    if _lease is None:
        with FileLock(f"{address}.lock"):
            _lease = _greeted(address) or _greeted(_start_server(address))
    return _greeted(address)


def _greeted(address):
    """Return a connection that the server has accepted; None if there is no server, or it ends."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_MOST_SECONDS)
    try:
        connection.connect(address)
        lines = connection.makefile("rw")
        return lines if lines.readline() else None
    except OSError:
        return None


def _start_server(address):
    Path(address).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        subprocess.Popen(
            [sys.executable, Path(__file__).with_name("command_server.py"), str(listening.fileno())],
            stdin=subprocess.DEVNULL,
            env=os.environ | _ON_CPU,
            pass_fds=[listening.fileno()],
        )
    return address


def results_in(folder):
    """Return the content of the only results file under ``folder``."""
    [path] = folder.rglob("*_results.json")
    return json.loads(path.read_text())
