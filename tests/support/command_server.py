"""Run Python scripts in forks of one process that has already imported the large libraries.

Reads one JSON object a line: ``argv``, ``environment``, ``folder``, and the files ``stdout`` and ``stderr``.
Answers each with the exit status, as `subprocess` counts it. Nothing of this project, and of the harness
neither, is imported before the fork: those see the arguments and settings of their own run alone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import sys

LIBRARIES = (
    "torch",
    "torchvision",
    "transformers",
    "transformers.models.auto",
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
)


def serve() -> int | None:
    """Answer requests until there are no more; in a fork, return the number of a request's script instead."""
    for library in LIBRARIES:
        # One that is not there is not needed either.
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    # What is there stays; forks need not look through it for garbage, nor copy its pages to do so.
    gc.freeze()
    requests, answers = sys.stdin, os.fdopen(os.dup(1), "w")
    for line in requests:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
            return None
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()
    return 0


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
    status = serve()
    if status is None:
        runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit(status)
