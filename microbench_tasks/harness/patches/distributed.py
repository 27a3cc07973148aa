"""End a run of several processes when one fails or dies, and say of memory that ran out what to type instead."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from microbench_tasks.harness.patches.patch import bind


def explain_memory(original: Callable) -> Callable:
    """Name the batch size in the error of an ``evaluate`` that memory did not suffice for."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import memory

        try:
            return original(*args, **kwargs)
        except Exception as error:
            model = bind(original, args, kwargs).arguments["lm"]
            explained = memory.explained(error, "answering or scoring", model)
            if explained is error:
                raise
            raise explained from error

    return evaluate


def end_together(original: Callable) -> Callable:
    """Let ``simple_evaluate`` watch the other processes, and end this one where it would leave them waiting."""

    def simple_evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import memory, peer_processes

        if not _is_ours(bind(original, args, kwargs).arguments):
            return original(*args, **kwargs)
        try:
            watch = _watch() if peer_processes.number() > 1 else None
            results = original(*args, **kwargs)
        except Exception as error:
            explained = memory.explained(error, "loading the model")
            explained.__cause__ = error if explained is not error else error.__cause__
            peer_processes.leave_after(explained)
            raise explained
        if watch is not None:
            _watch_on(watch)
        return results

    return simple_evaluate


def _is_ours(call: Mapping[str, Any]) -> bool:
    """Tell whether a call of ``simple_evaluate`` asks tasks, or a model, of this package."""
    from microbench_tasks import catalog

    tasks = [name for name in call["tasks"] or () if isinstance(name, str)]
    return bool(catalog.tasks_named(tasks)) or _is_our_model(call["model"])


def _is_our_model(model: Any) -> bool:
    from lmms_eval import models

    try:
        return models.get_model_manifest(model).simple_class_path.startswith("microbench_adapters.")
    # The harness reports an unknown name; a model that is already built has no manifest.
    except Exception:
        return False


def _watch() -> Any:
    from microbench_tasks.harness import peer_processes

    watch = peer_processes.Watch(peer_processes.peers())
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is threading.main_thread():
        watch.before_sigterm(before if callable(before) else _end_by)
    return watch


def _end_by(number: int, frame: FrameType | None) -> None:
    """End this process by a signal as if it had not been caught."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _watch_on(watch: Any) -> None:
    """Stop where this process does the rest alone; the others wait for it, until they end, too."""
    if os.environ.get("RANK", "0") == "0":
        watch.stop()
    else:
        atexit.register(watch.stop)
