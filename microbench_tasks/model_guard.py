"""Guard a model's calls: every response is text that can be stored, and a request that failed is marked as failed.

Classes of lmms-eval return what a server sends as it is, and many swallow exceptions: they then return an empty
string, the prompt, or the variable that holds the answer before. `guarding` keeps the exception where it arises:

- A client of the package openai (or one with the same methods) gets replies whose content is text.
- A class that writes the harness's own mark for failed requests (``openai``, ``async_openai``, ``gemini``) is believed.
- For all other classes, a message that the class logs while it handles an exception marks the request whose document
  it read last. In doubt (a batch, or a message below the level of errors) the request is asked again, alone.

Not covered is a class that swallows an exception and logs nothing; `tests/test_model_guard.py` lists those of the
installed harness.
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
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.parsing.contents import text_of
from microbench_tasks.parsing.failures import failure_mark

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# How the source of a class shows that it marks failed requests by itself.
_OWN_MARK = "LMMS_EVAL_REQUEST_FAILED"
_ERROR = logging.ERROR
# What identifies a request: task, split and number of its document.
_Key = tuple[str, str, Any]


@contextlib.contextmanager
def guarding(model: Any) -> Iterator[None]:
    """Guard ``model.generate_until`` for requests of this package's tasks; restores the model at the end."""
    original = model.generate_until
    own = vars(model).get("generate_until")
    client = getattr(model, "client", None)
    is_served = callable(getattr(getattr(getattr(client, "chat", None), "completions", None), "create", None))
    try:
        model.generate_until = functools.partial(_generate, model, original)
        if is_served:
            model.client = plain_client(client)
    except AttributeError:
        # A class that lets nothing be set is taken as it is; its responses are still read as text when they are scored.
        is_served = False
    try:
        yield
    finally:
        if own is not None:
            model.generate_until = own
        else:
            vars(model).pop("generate_until", None)
        if is_served:
            model.client = client


def _generate(model: Any, original: Callable[[list[Instance]], list[Any]], requests: list[Instance]) -> list[Any]:
    """What ``original`` returns, as text that can be stored, and marked where the request failed."""
    if not any(catalog.tasks_named([request.task_name]) for request in requests):
        return [_storable(response) for response in original(requests)]
    if _marks_failures(type(model)) or _is_ours(type(model)):
        return [_as_text(response) for response in original(requests)]
    return [_as_text(response) for response in _Watched(model, original).responses(requests)]


def _marks_failures(kind: type) -> bool:
    return any(_OWN_MARK in source for source in map(_source, kind.__mro__[:-1]))


@functools.cache
def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""


def _is_ours(kind: type) -> bool:
    """Whether a class of this project, which swallows nothing, answers."""
    return kind.__module__.partition(".")[0] == "microbench_adapters"


# --- responses as text ---------------------------------------------------------------


def _as_text(response: Any) -> Any:
    """A response with text alone; what else it carries, such as counts of tokens, stays."""
    from lmms_eval.api.instance import GenerationResult, TokenCounts

    if isinstance(response, GenerationResult):
        return GenerationResult(text=text_of(response.text), token_counts=response.token_counts)
    if isinstance(response, (tuple, list)) and len(response) == 2 and isinstance(response[1], (TokenCounts, dict)) and _is_counts(response[1]):
        return text_of(response[0]), response[1]
    return text_of(response)


def _is_counts(value: Any) -> bool:
    return not isinstance(value, Mapping) or value.keys() <= {"input_tokens", "output_tokens", "reasoning_tokens"}


def _storable(response: Any) -> Any:
    """The response of another benchmark's task as it is, but for characters that no file can hold."""
    from lmms_eval.api.instance import GenerationResult

    if isinstance(response, GenerationResult) and isinstance(response.text, str):
        return GenerationResult(text=text_of(response.text), token_counts=response.token_counts)
    return text_of(response) if isinstance(response, str) else response


class _PlainClient:
    """A client whose ``chat.completions.create`` is another; all else is the client's own."""

    def __init__(self, client: Any, create: Callable[..., Any]) -> None:
        self.wrapped = client
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=create))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def with_create(client: Any, create: Callable[..., Any]) -> Any:
    """The client with another ``chat.completions.create``."""
    return _PlainClient(client, create)


def innermost(client: Any) -> Any:
    """The client that others were made of by `with_create`."""
    while isinstance(client, _PlainClient):
        client = client.wrapped
    return client


def plain_client(client: Any) -> Any:
    """A client, synchronous or not, in whose replies the content of a message is text."""

    def create(*arguments: Any, **payload: Any) -> Any:
        reply = client.chat.completions.create(*arguments, **payload)
        return _plain_later(reply) if inspect.isawaitable(reply) else _plain(reply)

    return with_create(client, create)


async def _plain_later(reply: Any) -> Any:
    return _plain(await reply)


def _plain(reply: Any) -> Any:
    for choice in getattr(reply, "choices", None) or ():
        message = getattr(choice, "message", None)
        if message is None:
            continue
        content = getattr(message, "content", None)
        refusal = getattr(message, "refusal", None)
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            message.content = text_of(refusal if content is None and isinstance(refusal, str) else content)
    return reply


# --- exceptions that a class swallows ------------------------------------------------


@dataclass
class _Event:
    """A message that a class logged while it handled an exception, and whose request it may be about."""

    candidates: tuple[_Key, ...]
    is_error: bool
    reason: str


@dataclass
class _Watch:
    """What a class reads and logs while it generates.

    Attributes:
        read: the documents that it read since it last finished some, in order, each once.
        order: all documents that it read, in order.
    """

    batch_size: int
    read: dict[_Key, None] = field(default_factory=dict)
    order: list[_Key] = field(default_factory=list)
    events: list[_Event] = field(default_factory=list)

    def note_read(self, key: _Key) -> None:
        self.read.pop(key, None)
        self.read[key] = None
        self.order.append(key)

    def note_finished(self) -> None:
        self.read.clear()

    def note_message(self, level: int) -> None:
        error = sys.exc_info()[1]
        if error is not None and self.read:
            self.events.append(_Event(tuple(self.read)[-self.batch_size :], level >= _ERROR, f"{type(error).__name__}: {error}"))


class _Watched:
    """Calls of one model, and what becomes of requests whose exceptions it swallows."""

    def __init__(self, model: Any, original: Callable[[list[Instance]], list[Any]]) -> None:
        self._model = model
        self._original = original

    def responses(self, requests: list[Instance]) -> list[Any]:
        marks: dict[_Key, str] = {}
        remaining = requests
        while True:
            try:
                watch, found = self._call(remaining)
                break
            except _Stopped as stopped:
                # A class whose first request fails has no answer before it to return, and raises.
                marks |= stopped.marks
                remaining = [request for request in remaining if _key(request) not in marks]
                if not remaining:
                    return [failure_mark(marks[_key(request)]) for request in requests]
        answers = dict(zip(map(id, remaining), found))
        by_key = {_key(request): request for request in remaining}
        doubtful = self._judge(watch, {key: answers[id(request)] for key, request in by_key.items()}, marks)
        for key in doubtful:
            answers[id(by_key[key])] = again = self._ask_alone(by_key[key], marks)
            for request in remaining:
                if _key(request) == key:
                    answers[id(request)] = again
        return [failure_mark(marks[key]) if (key := _key(request)) in marks else answers[id(request)] for request in requests]

    def _judge(self, watch: _Watch, answers: Mapping[_Key, Any], marks: dict[_Key, str]) -> list[_Key]:
        """Add to ``marks`` what certainly failed; return what must be asked again to know."""
        doubtful: dict[_Key, None] = {}
        for event in watch.events:
            candidates = [key for key in event.candidates if key in answers]
            if event.is_error and len(candidates) == 1:
                marks[candidates[0]] = event.reason
            elif event.is_error:
                doubtful |= dict.fromkeys(candidates)
            else:
                doubtful |= dict.fromkeys(key for key in candidates if _is_empty(answers[key]) or _repeats(key, answers, watch.order))
        return [key for key in doubtful if key not in marks]

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
        watch = _Watch(_batch_size(self._model))
        with _watching(self._model, watch):
            try:
                return watch, self._original(requests)
            except UnboundLocalError as error:
                asked = {_key(request) for request in requests}
                marks = {key: event.reason for event in watch.events for key in event.candidates if key in asked}
                if not marks:
                    raise
                raise _Stopped(marks) from error


class _Stopped(Exception):
    """A class raised since a request failed before which it had no answer."""

    def __init__(self, marks: dict[_Key, str]) -> None:
        super().__init__(marks)
        self.marks = marks


def _key(request: Instance) -> _Key:
    doc_id, task, split = request.args[-3:]
    return task, split, doc_id


def _batch_size(model: Any) -> int:
    size = getattr(model, "batch_size", 1)
    return size if isinstance(size, int) and size > 0 else 1


def _is_empty(response: Any) -> bool:
    return not text_of(getattr(response, "text", response)).strip()


def _repeats(key: _Key, answers: Mapping[_Key, Any], order: Sequence[_Key]) -> bool:
    """Whether a response is that of the document that was read before its own."""
    place = order.index(key)
    before = answers.get(order[place - 1]) if place else None
    return before is not None and getattr(before, "text", before) == getattr(answers[key], "text", answers[key])


# --- what is watched -----------------------------------------------------------------


@contextlib.contextmanager
def _watching(model: Any, watch: _Watch) -> Iterator[None]:
    """Let ``watch`` know the documents that the model reads, what it finishes, and what it logs of exceptions."""
    thread = threading.get_ident()
    sources = frozenset(inspect.getsourcefile(kind) or "" for kind in type(model).__mro__ if _source(kind))

    def note(path: str, level: int, of_thread: int) -> None:
        if of_thread == thread and (path in sources or "/lmms_eval/models/" in Path(path).as_posix()):
            watch.note_message(level)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.pathname, record.levelno, record.thread or 0)

    handler = Handler()
    sink = logger.add(lambda message: note(message.record["file"].path, message.record["level"].no, message.record["thread"].id), level=0, format="{message}", catch=True)
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
    """``task_dict[task][split][doc_id]`` of a model, which says what is read."""

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
    """A model's hook for answers that are ready, which says so."""

    def __init__(self, hook: Any, note: Callable[[], None]) -> None:
        self._hook = hook
        self._note = note

    def add_partial(self, *arguments: Any) -> None:
        self._note()
        if self._hook is not None:
            self._hook.add_partial(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hook, name)
