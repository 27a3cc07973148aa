"""Run Python scripts in forks of one process that has already imported what their runs import.

Usage: command_server.py NUMBER, the file descriptor of a socket that listens. A connection is greeted by an empty line.
It may send a request, one JSON object in a line: ``argv`` as Python takes it (a file, ``-m`` and a module, or ``-c``
and a program), ``environment``, ``folder``, and the files ``stdout`` and ``stderr``. The answer is the process's
number. Another line asks for its status, as `subprocess` counts it, which is read no sooner: until then, other
processes can see it. The server ends after the last connection.

Of this project and of the harness, modules that only define functions are imported before the fork, and the harness's
own tasks are indexed: arguments and settings are those of the run alone, and each run installs the patches.
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
    # Its models look for their sources among all modules that are there: after the others, it takes thrice as long.
    "wandb",
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


def serve(listening: socket.socket) -> dict | None:
    """Serve each connection in a fork, until the last is over. In the fork of a request, return that."""
    for module in MODULES:
        # One that is not there is not needed either.
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    # These lie in the folder of this script.
    importlib.import_module("harness_index").remember()
    importlib.import_module("quick_tables").install()
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
            return None


def _answer(connection: socket.socket) -> dict | None:
    """Run the request of a connection in a fork. In the fork, return the request."""
    with connection, connection.makefile("rw") as lines:

        def say(text: str | int) -> None:
            lines.write(f"{text}\n")
            lines.flush()

        say("")
        if not (line := lines.readline()):
            return None
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
            return request
        # The test process may be gone.
        with contextlib.suppress(OSError):
            say(child)
            lines.readline()
            say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return None


def _become(request: dict) -> None:
    """Make this process look as if the script had been started by itself."""
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_CREAT),
        (2, request["stderr"], os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    is_file = not request["argv"][0].startswith("-")
    # As for any script, its own folder comes first; otherwise the current one.
    sys.path[0] = os.path.dirname(request["argv"][0]) if is_file else os.getcwd()


def _run(argv: list[str]) -> None:
    """Run a file, a module or a program, as Python does."""
    if argv[0] == "-m":
        sys.argv = argv[1:]
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    elif argv[0] == "-c":
        sys.argv = ["-c", *argv[2:]]
        exec(compile(argv[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    _request = serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        if _request is not None:
            _run(_request["argv"])
        _status = 0
    except SystemExit as left:
        _status = left.code if isinstance(left.code, int) else int(left.code is not None)
        raise
