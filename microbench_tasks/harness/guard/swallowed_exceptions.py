"""Find the requests whose exceptions a class of lmms-eval swallowed.

A message that the class logs while it handles an exception marks the request whose document it read last. In doubt (a
batch, or a message below the error level) the request is repeated alone. A class that swallows an exception without
logging is not covered; `tests/harness/test_model_guard.py` lists those of the installed harness.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks.parsing.cleaning.message_content import content_to_text
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.tasks.repeats import question_of, rounds

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

    from microbench_tasks.harness.served.other_clients import OtherServer

_ERROR = logging.ERROR
# What identifies a request: task, split and number of its document.
_Key = tuple[str, str, Any]


@dataclass
class _Event:
    """Record a message logged during an exception, with the requests that it may concern; none means any request."""

    candidates: tuple[_Key, ...]
    is_error: bool
    reason: str


@dataclass
class _Watch:
    """Record what a class reads and logs while it generates.

    Attributes:
        batch_size: of the model.
        read: documents read since the last finished answer, in order, each once.
        order: all documents in the order of reading.
        server: that the class asks, if it is one of `microbench_tasks.harness.served.other_clients`.
        events: messages logged during exceptions.
    """

    batch_size: int
    read: dict[_Key, None] = field(default_factory=dict)
    order: list[_Key] = field(default_factory=list)
    events: list[_Event] = field(default_factory=list)
    server: OtherServer | None = None
    # Events and documents at the last look at what the server answered.
    seen: tuple[int, int] = (0, 0)
    # The exception that is being handled where the run was started, such as that of a first try of it.
    outer: BaseException | None = field(default_factory=lambda: sys.exc_info()[1])

    def note_read(self, key: _Key) -> None:
        self._note_answer()
        self.read.pop(key, None)
        self.read[key] = None
        self.order.append(key)

    def note_finished(self) -> None:
        self.read.clear()

    def _note_answer(self) -> None:
        """Take what was read since the last look, without an error, for answered; classes of a server read one by one."""
        events, documents = self.seen
        if self.server is not None and len(self.order) > documents:
            if not any(event.is_error for event in self.events[events:]):
                self.server.note_answer()
        self.seen = len(self.events), len(self.order)

    def note_message(self, level: int) -> None:
        error = sys.exc_info()[1]
        if error is not None and error is not self.outer:
            candidates = tuple(self.read)[-self.batch_size :] or tuple(self.order[-1:])
            self.events.append(_Event(candidates, level >= _ERROR, f"{type(error).__name__}: {error}"))
            if self.server is not None:
                self.server.note_failure(error)


class WatchedModel:
    """Watch a model while it answers, and mark the requests whose exceptions it swallowed.

    Args:
        model: whose class swallows them.
        original: its ``generate_until``.
        server: that it asks, if failures of it may end the run.
    """

    def __init__(
        self, model: Any, original: Callable[[list[Instance]], list[Any]], server: OtherServer | None = None
    ) -> None:
        self._server = server
        self._model = model
        self._original = original

    def responses(self, requests: list[Instance], ours: Sequence[bool]) -> list[Any]:
        """Return the model's responses, with a failure mark for those of ``ours`` that failed; others are unchanged.

        Questions that occur several times (``--repeats``) are asked in rounds, each once in a round: the document that
        was read tells which of the requests failed.
        """
        found: list[Any] = [None] * len(requests)
        questions = [question_of(request) if is_ours else None for request, is_ours in zip(requests, ours, strict=True)]
        for places in rounds(questions):
            asked = [requests[place] for place in places]
            for place, response in zip(places, self._round(asked, [ours[place] for place in places]), strict=True):
                found[place] = response
        return found

    def _round(self, requests: list[Instance], ours: Sequence[bool]) -> list[Any]:
        keys = [_key(request) if is_ours else None for request, is_ours in zip(requests, ours, strict=True)]
        marks: dict[_Key, str] = {}
        remaining = list(range(len(requests)))
        found: list[Any] = []
        while remaining:
            try:
                watch, found = self._call([requests[place] for place in remaining])
                break
            except _Stopped as stopped:
                # If its first request fails, such a class has no previous answer to return, and raises.
                if not stopped.marks and all(ours):
                    return self._each_alone(requests)
                if stopped.marks.keys().isdisjoint(keys):
                    raise stopped.error from stopped
                marks |= {key: reason for key, reason in stopped.marks.items() if key in keys}
                remaining = [place for place in remaining if keys[place] not in marks]
        answers = dict(zip(remaining, found, strict=True))
        places = {keys[place]: place for place in remaining if keys[place] is not None}
        by_key = {key: answers[place] for key, place in places.items()}
        for key in self._judge(watch, by_key, marks) if by_key else ():
            again = self._ask_alone(requests[places[key]], marks)
            answers |= {place: again for place in remaining if keys[place] == key}
        return [failure_mark(marks[key]) if key in marks else answers[place] for place, key in enumerate(keys)]

    def _judge(self, watch: _Watch, answers: Mapping[_Key, Any], marks: dict[_Key, str]) -> list[_Key]:
        """Add certain failures to ``marks``; return the doubtful requests, which must be repeated."""
        doubtful: dict[_Key, None] = {}
        for event in watch.events:
            candidates = [key for key in event.candidates if key in answers] if event.candidates else list(answers)
            if event.is_error and len(candidates) == 1:
                marks[candidates[0]] = event.reason
            elif event.is_error:
                doubtful |= dict.fromkeys(candidates)
            else:
                suspects = (key for key in candidates if _is_empty(answers[key]) or _repeats(key, answers, watch.order))
                doubtful |= dict.fromkeys(suspects)
        return [key for key in doubtful if key not in marks]

    def _each_alone(self, requests: list[Instance]) -> list[Any]:
        """Repeat the requests one by one, for a class that does not show which of them failed."""
        marks: dict[_Key, str] = {}
        answers = [self._ask_alone(request, marks) for request in requests]
        keys = map(_key, requests)
        return [failure_mark(marks[key]) if key in marks else answer for key, answer in zip(keys, answers)]

    def _ask_alone(self, request: Instance, marks: dict[_Key, str]) -> Any:
        try:
            watch, [answer] = self._call([request])
        except _Stopped as stopped:
            marks |= stopped.marks
            return None
        for event in watch.events:
            if event.is_error or _is_empty(answer):
                marks[_key(request)] = event.reason
        return answer

    def _call(self, requests: list[Instance]) -> tuple[_Watch, list[Any]]:
        watch = _Watch(_batch_size(self._model), server=self._server)
        with _watching(self._model, watch):
            try:
                return watch, self._original(requests)
            except UnboundLocalError as error:
                if not watch.events:
                    raise
                asked = {_key(request) for request in requests}
                marks = {key: event.reason for event in watch.events for key in event.candidates if key in asked}
                if not marks and len(asked) == 1:
                    marks = dict.fromkeys(asked, watch.events[-1].reason)
                raise _Stopped(marks, error) from error


class _Stopped(Exception):
    """Report that a class raised because a request failed before it had any answer."""

    def __init__(self, marks: dict[_Key, str], error: UnboundLocalError) -> None:
        super().__init__(marks)
        self.marks = marks
        self.error = error


def _key(request: Instance) -> _Key:
    doc_id, task, split = request.args[-3:]
    return task, split, doc_id


def _batch_size(model: Any) -> int:
    size = getattr(model, "batch_size", 1)
    return size if isinstance(size, int) and size > 0 else 1


def _is_empty(response: Any) -> bool:
    return not content_to_text(getattr(response, "text", response)).strip()


def _repeats(key: _Key, answers: Mapping[_Key, Any], order: Sequence[_Key]) -> bool:
    """Tell whether a response equals that to the document read just before."""
    place = order.index(key) if key in order else 0
    before = answers.get(order[place - 1]) if place else None
    return before is not None and getattr(before, "text", before) == getattr(answers[key], "text", answers[key])


@functools.cache
def source_of(kind: type) -> str:
    """Return the source code of a class; empty if it is not available."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""


# --- what is watched -----------------------------------------------------------------


@contextlib.contextmanager
def _watching(model: Any, watch: _Watch) -> Iterator[None]:
    """Report to ``watch`` what the model reads, when it finishes some, and what it logs during exceptions."""
    thread = threading.get_ident()
    sources = frozenset(inspect.getsourcefile(kind) or "" for kind in type(model).__mro__ if source_of(kind))

    def note(path: str, level: int, of_thread: int) -> None:
        if of_thread == thread and (path in sources or "/lmms_eval/models/" in Path(path).as_posix()):
            watch.note_message(level)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.pathname, record.levelno, record.thread or 0)

    handler = Handler()

    def write(message: Any) -> None:
        record = message.record
        note(record["file"].path, record["level"].no, record["thread"].id)

    sink = logger.add(write, level=0, format="{message}", catch=True)
    logging.getLogger().addHandler(handler)
    tasks, hook = model.task_dict, getattr(model, "cache_hook", None)
    model.task_dict = _NotedDocuments(tasks, watch.note_read)
    model.cache_hook = _NotedHook(hook, watch.note_finished)
    try:
        yield
    finally:
        model.task_dict, model.cache_hook = tasks, hook
        logging.getLogger().removeHandler(handler)
        with contextlib.suppress(ValueError):
            logger.remove(sink)


class _NotedDocuments:
    """Wrap a model's ``task_dict[task][split][doc_id]`` and report what is read."""

    def __init__(self, mapping: Any, note: Callable[[_Key], None], path: tuple[Any, ...] = ()) -> None:
        self._mapping = mapping
        self._note = note
        self._path = path

    def __getitem__(self, key: Any) -> Any:
        path = (*self._path, key)
        if len(path) < 3:
            return _NotedDocuments(self._mapping[key], self._note, path)
        self._note(path)
        return self._mapping[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)

    def __len__(self) -> int:
        return len(self._mapping)

    def __contains__(self, key: Any) -> bool:
        return key in self._mapping

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapping, name)


class _NotedHook:
    """Wrap a model's hook for finished answers and report each call."""

    def __init__(self, hook: Any, note: Callable[[], None]) -> None:
        self._hook = hook
        self._note = note

    def add_partial(self, *arguments: Any) -> None:
        self._note()
        if self._hook is not None:
            self._hook.add_partial(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hook, name)
