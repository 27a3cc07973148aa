"""Run the scripts of the package as users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
# Scripts of this project, which may run in a fork of a process that has imported the large libraries.
_FORKED = (str(SCRIPTS / "lmms_eval"), str(SCRIPTS / "microbench"))
# Settings that no library reads while it is imported.
_READ_LATE = "MICROBENCH_"

_server: subprocess.Popen | None = None
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
    global _server
    if _server is None or _server.poll() is not None:
        program = [sys.executable, str(Path(__file__).with_name("command_server.py"))]
        # Ends with its input, which closes with this process.
        _server = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with tempfile.NamedTemporaryFile() as stdout, tempfile.NamedTemporaryFile() as stderr:
        request = {
            "argv": command,
            "environment": dict(settings),
            "folder": os.getcwd(),
            "stdout": stdout.name,
            "stderr": stderr.name,
        }
        _server.stdin.write(f"{json.dumps(request)}\n")
        _server.stdin.flush()
        status = int(_server.stdout.readline())
        said = [Path(stream.name).read_bytes().decode() for stream in (stdout, stderr)]
    # As text is read from a process: line ends are one character.
    return subprocess.CompletedProcess(
        command, status, *(text.replace("\r\n", "\n").replace("\r", "\n") for text in said)
    )


def results_in(folder):
    """Return the content of the only results file under ``folder``."""
    [path] = folder.rglob("*_results.json")
    return json.loads(path.read_text())
