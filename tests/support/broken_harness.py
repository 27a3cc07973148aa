"""Run one evaluation for every target of a patch, with that target broken; prints a JSON object a case.

Usage: broken_harness.py rename|obscure|all [PART OF A TARGET'S PATH …]

Each case is a fork of one process that has imported the harness and this package's demo model, without patches.
The harness itself works on with a broken target: `rename` lets it call the target by another name, and `obscure`
gives the target a signature without names.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import io
import json
import os
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path

from loguru import logger

LIMIT = "2"
TASK = "microbench_coarse"


def main(how: str, *chosen: str) -> None:
    # In the folder of this script.
    import harness_index

    from microbench_tasks.harness.patches import installation

    install, installation.install = installation.install, lambda: None
    for module in ("lmms_eval.__main__", "microbench_adapters.named_models"):
        importlib.import_module(module)
    for logger_module in ("wandb_logger", "swanlab_logger"):
        importlib.import_module(f"lmms_eval.loggers.{logger_module}")
    installation.install = install
    harness_index.remember()
    for case in cases(how, *chosen):
        found = _in_a_fork(case)
        # What the first run imports late, the others need not import again.
        for name in found.pop("imported"):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        print(json.dumps(case | found), flush=True)


def cases(how: str, *chosen: str) -> list[dict[str, str]]:
    """Return the intact harness, and each target broken in this way, or in all ways.

    Parts of the targets' paths choose some.
    """
    from microbench_tasks.harness.patches.table import PATCHES

    replacements = [each for patch in PATCHES if not patch.elsewhere for each in patch.alternatives]
    targets = {target.path: target for each in replacements for target in (each.target, *each.uses)}
    # A constructor has no other name.
    renamed = [{"path": path, "how": "rename"} for path in targets if not path.endswith("__init__")]
    obscured = [{"path": path, "how": "obscure"} for path, target in targets.items() if target.parameters]
    broken = [case for case in (*renamed, *obscured) if how in (case["how"], "all")]
    parts = chosen or ("",)
    return [{"path": "", "how": "intact"}, *(case for case in broken if any(part in case["path"] for part in parts))]


def _in_a_fork(case: dict[str, str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _run(case, Path(folder))
                status = 0
            except SystemExit as left:
                status = left.code or 0
            finally:
                (Path(folder) / "imported").write_text(json.dumps(sorted(sys.modules)))
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found = [json.loads(path.read_text())["results"][TASK] for path in Path(folder).rglob("*_results.json")]
        said = (Path(folder) / "warnings").read_text() if (Path(folder) / "warnings").exists() else ""
        imported = json.loads((Path(folder) / "imported").read_text()) if case["how"] == "intact" else []
        return {"status": status, "figures": found, "warnings": json.loads(said or "[]"), "imported": imported}


def _run(case: dict[str, str], folder: Path) -> None:
    from microbench_tasks.harness import launcher
    from microbench_tasks.harness.patches import installation

    warnings: list[str] = []

    def keep(message) -> None:
        warnings.append(message.record["message"])
        (folder / "warnings").write_text(json.dumps(warnings))

    logger.remove()
    logger.add(keep, level="WARNING", filter=lambda record: record["message"].startswith("Micro-Bench: lmms-eval"))
    if case["path"]:
        BREAKS[case["how"]](case["path"])
    installation.install()
    os.environ |= {"MICROBENCH_DATASET": "demo", "HF_HUB_OFFLINE": "1"}
    sys.argv = ["lmms_eval", "--model", "demo_clip", "--tasks", TASK, "--limit", LIMIT, "--output_path", str(folder)]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stderr(nothing),
    ):
        launcher.main()


# --- ways to break -------------------------------------------------------------------

# Names that other things have too, such as the cursor of a database: renamed in the evaluator alone, which calls them.
_NAMES_OF_OTHERS = ("create", "evaluate", "execute", "process_results")


def rename(path: str) -> None:
    """Give the target another name, and let the harness's functions call it by that."""
    owner, name = _place(path)
    moved = f"{name}_moved"
    real = inspect.getattr_static(owner, name)
    for holder in _family(owner, name) if isinstance(owner, type) else _modules():
        if name in vars(holder) and (isinstance(owner, type) or vars(holder)[name] is real):
            setattr(holder, moved, vars(holder)[name])
            delattr(holder, name)
    callers = [importlib.import_module("lmms_eval.evaluator")] if name in _NAMES_OF_OTHERS else _modules()
    for function in {id(function): function for module in callers for function in _functions(module)}.values():
        function.__code__ = _calling(function.__code__, name, moved)


def obscure(path: str) -> None:
    """Give the target a signature that names no parameter."""
    owner, name = _place(path)
    real = inspect.getattr_static(owner, name)
    original = getattr(real, "__func__", real)

    def moved(*positional, **named):
        return original(*positional, **named)

    replacement = type(real)(moved) if isinstance(real, (classmethod, staticmethod)) else moved
    for holder in owner.__mro__ if isinstance(owner, type) else _modules():
        if vars(holder).get(name) is real:
            setattr(holder, name, replacement)


def _place(path: str) -> tuple[type | types.ModuleType, str]:
    module, _, names = path.partition(":")
    *outer, name = names.split(".")
    return functools.reduce(getattr, outer, importlib.import_module(module)), name


def _modules() -> list[types.ModuleType]:
    return [module for path, module in list(sys.modules.items()) if path.partition(".")[0] == "lmms_eval"]


def _family(owner: type, name: str) -> list[type]:
    """Return the first class that defines a method, and all classes below it."""
    [*_, first] = (above for above in owner.__mro__ if name in vars(above))
    return [first, *_subclasses(first)]


def _subclasses(owner: type) -> list[type]:
    return [below for child in owner.__subclasses__() for below in (child, *_subclasses(child))]


def _functions(holder: type | types.ModuleType) -> Iterator[types.FunctionType]:
    for value in list(vars(holder).values()):
        if isinstance(value, type) and value.__module__ == getattr(holder, "__name__", ""):
            yield from _functions(value)
        # Objects that load themselves when they are asked for an attribute are left alone.
        if isinstance(value, (classmethod, staticmethod)):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        while isinstance(value, types.FunctionType):
            yield value
            value = getattr(value, "__wrapped__", None)


def _calling(code: types.CodeType, name: str, moved: str) -> types.CodeType:
    constants = tuple(
        _calling(found, name, moved) if isinstance(found, types.CodeType) else found for found in code.co_consts
    )
    return code.replace(
        co_names=tuple(moved if found == name else found for found in code.co_names), co_consts=constants
    )


BREAKS = {"rename": rename, "obscure": obscure}

if __name__ == "__main__":
    main(*sys.argv[1:])
