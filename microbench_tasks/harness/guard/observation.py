"""Observe what a model reads and logs while it answers.

A message that a class logs while it handles an exception shows that a request failed. The document that the class read
last shows which one.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from microbench_tasks.harness.served.other_clients import OtherServer

# What identifies a request: task, split and number of its document.
RequestKey = tuple[str, str, Any]


@dataclass(frozen=True)
class SwallowedError:
    """Describe an exception during which a class logged a message.

    Attributes:
        candidates: requests that may have failed; none means any request.
        is_error: whether the message has at least the level of an error.
        reason: type and message of the exception.
    """

    candidates: tuple[RequestKey, ...]
    is_error: bool
    reason: str


@dataclass
class Observation:
    """Record what a class reads and logs during one call.

    Attributes:
        batch_size: of the model.
        server: that the class asks, if it is one of `microbench_tasks.harness.served.other_clients`.
        read_order: all documents in the order of reading.
        errors: exceptions that the class swallowed.
    """

    batch_size: int
    server: OtherServer | None = None
    read_order: list[RequestKey] = field(default_factory=list)
    errors: list[SwallowedError] = field(default_factory=list)
    # Documents read since the last finished answer, in order, each once.
    _unfinished: dict[RequestKey, None] = field(default_factory=dict)
    # Numbers of errors and documents when the answers of the server were last counted.
    _counted: tuple[int, int] = (0, 0)
    # An exception that was being handled before the call, such as that of a first attempt of the run.
    _outer_error: BaseException | None = field(default_factory=lambda: sys.exc_info()[1])

    def record_read(self, key: RequestKey) -> None:
        """Record that the class reads a document."""
        self._count_answer()
        self._unfinished.pop(key, None)
        self._unfinished[key] = None
        self.read_order.append(key)

    def record_finished(self) -> None:
        """Record that the class has finished the answers to the documents read so far."""
        self._unfinished.clear()

    def record_message(self, level: int) -> None:
        """Record a message of the class with a level of `logging`; without an exception, it is ignored."""
        error = sys.exc_info()[1]
        if error is None or error is self._outer_error:
            return
        candidates = tuple(self._unfinished)[-self.batch_size :] or tuple(self.read_order[-1:])
        self.errors.append(SwallowedError(candidates, level >= logging.ERROR, f"{type(error).__name__}: {error}"))
        if self.server is not None:
            self.server.record_failure(error)

    def _count_answer(self) -> None:
        """Count an answer of the server if documents were read without an error since the last count.

        Classes that ask a server read documents one by one.
        """
        num_errors, num_documents = self._counted
        has_read = len(self.read_order) > num_documents
        if self.server is not None and has_read and not any(error.is_error for error in self.errors[num_errors:]):
            self.server.record_answer()
        self._counted = len(self.errors), len(self.read_order)


@functools.cache
def source_of(model_class: type) -> str:
    """Return the source code of a class; empty if it is not available."""
    try:
        return inspect.getsource(model_class)
    except (OSError, TypeError):
        return ""


@contextlib.contextmanager
def observing(model: Any, observation: Observation) -> Iterator[None]:
    """Record what the model reads, when it finishes answers, and what it logs during exceptions."""
    tasks, hook = model.task_dict, getattr(model, "cache_hook", None)
    with _observing_log(model, observation):
        model.task_dict = _ObservedDocuments(tasks, observation.record_read)
        model.cache_hook = _ObservedHook(hook, observation.record_finished)
        try:
            yield
        finally:
            model.task_dict, model.cache_hook = tasks, hook


@contextlib.contextmanager
def _observing_log(model: Any, observation: Observation) -> Iterator[None]:
    """Record messages of this thread by the model's class or another class of the harness, in loguru and logging."""
    this_thread = threading.get_ident()
    sources = frozenset(inspect.getsourcefile(kind) or "" for kind in type(model).__mro__ if source_of(kind))

    def record_if_from_model(path: str, level: int, thread: int) -> None:
        if thread == this_thread and (path in sources or "/lmms_eval/models/" in Path(path).as_posix()):
            observation.record_message(level)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            record_if_from_model(record.pathname, record.levelno, record.thread or 0)

    def write(message: Any) -> None:
        record = message.record
        record_if_from_model(record["file"].path, record["level"].no, record["thread"].id)

    handler = Handler()
    sink = logger.add(write, level=0, format="{message}", catch=True)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        with contextlib.suppress(ValueError):
            logger.remove(sink)


class _ObservedDocuments:
    """Wrap a model's ``task_dict[task][split][doc_id]`` and report what is read."""

    def __init__(self, mapping: Any, record_read: Callable[[Any], None], path: tuple[Any, ...] = ()) -> None:
        self._mapping = mapping
        self._record_read = record_read
        self._path = path

    def __getitem__(self, key: Any) -> Any:
        path = (*self._path, key)
        if len(path) < 3:
            return _ObservedDocuments(self._mapping[key], self._record_read, path)
        self._record_read(path)
        return self._mapping[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)

    def __len__(self) -> int:
        return len(self._mapping)

    def __contains__(self, key: Any) -> bool:
        return key in self._mapping

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapping, name)


class _ObservedHook:
    """Wrap a model's hook for finished answers and report each call."""

    def __init__(self, hook: Any, record_finished: Callable[[], None]) -> None:
        self._hook = hook
        self._record_finished = record_finished

    def add_partial(self, *arguments: Any) -> None:
        self._record_finished()
        if self._hook is not None:
            self._hook.add_partial(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hook, name)
