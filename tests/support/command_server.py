"""Run Python scripts in forks of one process that has already imported what their runs import.

Usage: command_server.py NUMBER, the file descriptor of a socket that listens. Each test process keeps one connection,
on which it sends one JSON object a line: ``argv``, ``environment``, ``folder``, and the files ``stdout`` and
``stderr``. Each is answered with the exit status, as `subprocess` counts it. The server ends after the last connection.

Of this project and of the harness, modules that only define functions are imported before the fork: arguments and
settings are those of the run alone, and the patches are installed by each run.
"""

from __future__ import annotations

import atexit
import os
import sys

_status = 1


def _exit_at_once() -> None:
    """Exit without taking the imported libraries apart, which costs each fork half a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


# Registered before any library registers a function of its own, so it runs after all of those.
atexit.register(_exit_at_once)

import contextlib  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import runpy  # noqa: E402
import socket  # noqa: E402

MODULES = (
    "torch",
    "torchvision.transforms.v2",
    "transformers",
    "transformers.models.auto",
    "transformers.pipelines",
    "datasets",
    "open_clip",
    "accelerate",
    "timm",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.metrics",
    "pandas",
    "nltk",
    "sympy",
    "pytablewriter",
    "openai",
    "aiohttp",
    "evaluate",
    "sacrebleu",
    "matplotlib.pyplot",
    "lmms_eval.api.task",
    "microbench_tasks.harness.patches.table",
    "microbench_tasks.submissions.manifest_model",
    "microbench_tasks.tasks.localization",
    "microbench_tasks.tasks.results",
)
# Seconds between two looks whether all connections are over.
_PATIENCE = 0.5


def serve(listening: socket.socket) -> bool:
    """Serve each connection in a fork, until the last is over. Tell whether this is now the fork of a request."""
    for module in MODULES:
        # One that is not there is not needed either.
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    # What is there stays; forks need not look through it for garbage, nor copy its pages to do so.
    gc.freeze()
    listening.settimeout(_PATIENCE)
    connections: set[int] = set()
    while True:
        with contextlib.suppress(TimeoutError):
            connection, _ = listening.accept()
            child = os.fork()
            if child == 0:
                listening.close()
                return _answer(connection)
            connections.add(child)
            connection.close()
        connections = {child for child in connections if os.waitpid(child, os.WNOHANG) == (0, 0)}
        if not connections:
            return False


def _answer(connection: socket.socket) -> bool:
    """Run one request after the other, each in a fork. Tell whether this is such a fork, or all is done."""
    with connection, connection.makefile("rw") as lines:
        for line in lines:
            request = json.loads(line)
            child = os.fork()
            if child == 0:
                _become(request)
                return True
            _, status = os.waitpid(child, 0)
            lines.write(f"{os.waitstatus_to_exitcode(status)}\n")
            lines.flush()
    return False


def _become(request: dict) -> None:
    """Make this process look as if the script had been started by itself."""
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY),
        (2, request["stderr"], os.O_WRONLY),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = request["argv"]
    # As for any script, its own folder comes first.
    sys.path[0] = os.path.dirname(request["argv"][0])


if __name__ == "__main__":
    _is_request = serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        if _is_request:
            runpy.run_path(sys.argv[0], run_name="__main__")
        _status = 0
    except SystemExit as left:
        _status = left.code if isinstance(left.code, int) else int(left.code is not None)
        raise
