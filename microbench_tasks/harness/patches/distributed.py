"""End a run of several processes when one of them fails or is killed, and explain errors of memory that ran out."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from microbench_tasks.harness.patches.patch import Patch, bind_call, replace
from microbench_tasks.harness.patches.targets import EVALUATE

if TYPE_CHECKING:
    from microbench_tasks.harness.peer_processes import PeerWatch


def explain_memory(original: Callable) -> Callable:
    """Name the batch size in the error if memory runs out in ``evaluate``."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import memory

        try:
            return original(*args, **kwargs)
        except Exception as error:
            model = bind_call(original, args, kwargs).arguments["lm"]
            explained = memory.with_batch_size(error, "answering or scoring", model)
            if explained is error:
                raise
            raise explained from error

    return evaluate


MEMORY_ERRORS = Patch(
    name="out-of-memory errors",
    replacement=replace(EVALUATE, "lm", explain_memory),
    why="Messages of memory that ran out do not say which batch size it was.",
    lost="If memory runs out, the message does not name the batch size.",
    removable="The harness names the batch size when memory runs out.",
)


def end_together(original: Callable) -> Callable:
    """Let ``simple_evaluate`` watch the other processes, and end this one if it would wait for them in vain."""

    def simple_evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import memory, peer_processes

        if not _is_ours(bind_call(original, args, kwargs).arguments):
            return original(*args, **kwargs)
        watch = None
        try:
            watch = _start_watch() if peer_processes.num_processes() > 1 else None
            results = original(*args, **kwargs)
        except Exception as error:
            explained = memory.with_batch_size(error, "loading the model")
            if explained is not error:
                explained.__cause__ = error
            if watch is not None:
                watch.report_killed_peer()
            peer_processes.exit_after_error(explained)
            if explained is error:
                raise
            raise explained from error
        if watch is not None:
            _end_watch(watch)
        return results

    return simple_evaluate


JOINT_END = Patch(
    name="joint end of all processes",
    replacement=replace("lmms_eval.evaluator:simple_evaluate", "model tasks", end_together),
    why="The harness waits for hours for a process that has failed or died.",
    lost="Of several processes, one that fails or is killed may leave the others waiting.",
    removable="The harness ends all processes when one of them fails.",
)


def _is_ours(call: Mapping[str, Any]) -> bool:
    """Tell whether a call of ``simple_evaluate`` asks tasks, or a model, of this package."""
    from microbench_tasks.harness import own_tasks

    tasks = [name for name in call["tasks"] or () if isinstance(name, str)]
    return bool(own_tasks.tasks_named(tasks)) or _is_our_model(call["model"])


def _is_our_model(model: Any) -> bool:
    from lmms_eval import models

    try:
        return models.get_model_manifest(model).simple_class_path.startswith("microbench_adapters.")
    # The harness reports an unknown name; a model that is already built has no manifest.
    except Exception:
        return False


def _start_watch() -> PeerWatch:
    from microbench_tasks.harness import peer_processes

    watch = peer_processes.PeerWatch(peer_processes.find_peers())
    handler = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is threading.main_thread():
        watch.handle_sigterm(handler if callable(handler) else _die_by)
    return watch


def _die_by(number: int, frame: FrameType | None) -> None:
    """End this process by a signal, as if the signal had no handler."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end_watch(watch: PeerWatch) -> None:
    """Stop the watch at once in the first process, which finishes the run alone, and at the exit of the others."""
    if os.environ.get("RANK", "0") == "0":
        watch.stop()
    else:
        atexit.register(watch.stop)
