"""Run the scripts of the package as users do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from filelock import FileLock

SCRIPTS = Path(sys.executable).parent
# Scripts of this project, which may run in a fork of a process that has imported the large libraries.
_FORKED = (str(SCRIPTS / "lmms_eval"), str(SCRIPTS / "microbench"))
# Settings that no library reads while it is imported.
_READ_LATE = "MICROBENCH_"

_connection: IO[str] | None = None
_in_use = threading.Lock()


def run(*command, data="demo", **environment):
    """Run a command on the data source ``data`` and return the finished process."""
    command = [str(part) for part in command]
    settings = os.environ | {"MICROBENCH_DATASET": str(data)} | environment
    if (
        command[0] in _FORKED
        and all(name.startswith(_READ_LATE) for name in environment)
        and _in_use.acquire(blocking=False)
    ):
        try:
            return _run_in_fork(command, settings)
        finally:
            _in_use.release()
    return subprocess.run(command, capture_output=True, text=True, env=settings)


def _run_in_fork(command, settings):
    with tempfile.NamedTemporaryFile() as stdout, tempfile.NamedTemporaryFile() as stderr:
        request = {
            "argv": command,
            "environment": dict(settings),
            "folder": os.getcwd(),
            "stdout": stdout.name,
            "stderr": stderr.name,
        }
        # A server that is about to end, since it had no connection, does not answer.
        status = int(_ask(request) or _ask(request))
        said = [Path(stream.name).read_bytes().decode() for stream in (stdout, stderr)]
    # As text is read from a process: line ends are one character.
    return subprocess.CompletedProcess(
        command, status, *(text.replace("\r\n", "\n").replace("\r", "\n") for text in said)
    )


def _ask(request):
    """Return the answer of the server, which all test processes share, or an empty text if it has ended."""
    global _connection
    if _connection is None:
        _connection = _connect()
    try:
        _connection.write(f"{json.dumps(request)}\n")
        _connection.flush()
        answer = _connection.readline()
    except ConnectionError:
        answer = ""
    if not answer:
        _connection = None
    return answer


def _connect():
    """Connect with the server; start it if it does not run."""
    # Shared by the test processes of one run; see tests/conftest.py.
    address = os.path.join(os.environ["XDG_CACHE_HOME"], "commands")
    connection = socket.socket(socket.AF_UNIX)
    with FileLock(f"{address}.lock"):
        try:
            connection.connect(address)
        except OSError:
            Path(address).unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(address)
                listening.listen()
                program = str(Path(__file__).with_name("command_server.py"))
                subprocess.Popen(
                    [sys.executable, program, str(listening.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[listening.fileno()],
                )
            connection.connect(address)
    return connection.makefile("rw")


def results_in(folder):
    """Return the content of the only results file under ``folder``."""
    [path] = folder.rglob("*_results.json")
    return json.loads(path.read_text())
