"""Makes a run with ``--use_cache`` go on where an earlier one was killed.

lmms-eval 0.7.3 writes answers to its cache when the last one has come, reads only caches of runs
that ended, and keeps the message of a failed request as if it were an answer. For the tasks of
this package, `execute_in_pieces` stores answers as they come and no failure among them, and
`recover` reads what killed runs left. A server's replies are noted one by one (`Replies`), each
before the next question is asked in its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import catalog, repeats
from microbench_tasks.model_guard import innermost, plain_client, with_create
from microbench_tasks.parsing.contents import text_of
from microbench_tasks.parsing.failures import placeholder

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance
    from lmms_eval.caching.response_cache import ResponseCache

# Requests after which answers are stored: a few minutes' work for a model of some billion weights.
PIECE = 1024
# The folder of `Replies` in the one that --use_cache names.
REPLIES = "microbench_replies"
_NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
_COLUMNS = "cache_key, request_type, task_name, doc_id, idx, gen_kwargs, response, created_at"


def execute_in_pieces(execute: Callable[..., list], cache: ResponseCache, model: Any, request_type: str, requests: list[Instance]) -> list:
    """What ``execute``, the cache's own, returns for all requests; answers to tasks of ours are stored every `PIECE` requests.

    Requests that failed are not stored: the next run with the same cache asks them again.
    """
    ours = [place for place, request in enumerate(requests) if catalog.tasks_named([request.task_name])]
    if request_type != "generate_until" or not ours:
        return execute(cache, model, request_type, requests)
    responses: list[Any] = [None] * len(requests)
    others = sorted(set(range(len(requests))) - set(ours))
    if others:
        _put(responses, others, execute(cache, model, request_type, [requests[place] for place in others]))
    mine = dict(zip(ours, repeats.numbered([requests[place] for place in ours])))
    size = len(ours) if _is_served(model) else PIECE
    with _noting_replies(model, cache):
        for places in _pieces(ours, size):
            piece = [mine[place] for place in places]
            answering = _Answering(model)
            found = execute(cache, answering, request_type, piece)
            _put(responses, places, [answering.failures[id(request)] if response is None else response for request, response in zip(piece, found)])
    return responses


def _put(responses: list[Any], places: list[int], found: list[Any]) -> None:
    for place, response in zip(places, found):
        responses[place] = response


def _pieces(places: list[int], size: int) -> Iterator[list[int]]:
    remaining = iter(places)
    while piece := list(itertools.islice(remaining, size)):
        yield piece


class _Answering:
    """A model whose failures the cache does not see: it gets None, which it does not store."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.failures: dict[int, Any] = {}

    def generate_until(self, requests: list[Instance]) -> list[Any]:
        responses = self._model.generate_until(requests)
        failed = [_is_failure(getattr(response, "text", response)) for response in responses]
        self.failures.update((id(request), response) for request, response, fails in zip(requests, responses, failed) if fails)
        return [None if fails else response for response, fails in zip(responses, failed)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _is_failure(text: Any) -> bool:
    return text is None or (isinstance(text, str) and placeholder(text) is not None)


# --- what killed runs left -----------------------------------------------------------


def recover(cache: ResponseCache, cache_root: Path) -> None:
    """Copy the answers to tasks of ours that unfinished runs left under ``cache_root`` into the run's own database."""
    own = Path(cache.db_path)
    count = 0
    for path in sorted({*own.parents[1].glob("*/rank_*.db"), *cache_root.glob("runs/*/rank_*.db")} - {own}):
        if (path.parent / ".merged").exists():
            continue
        # A run that still writes, or a damaged file, costs its answers, not this run.
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=30)) as left:
                rows = [row for row in left.execute(f"SELECT {_COLUMNS} FROM responses") if catalog.tasks_named([row[2]])]
            count += cache.db.executemany(f"INSERT OR IGNORE INTO responses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount
        except sqlite3.Error as error:
            logger.warning(f"{path}: answers of an earlier run cannot be read ({error}); they are asked for again.")
    cache.db.commit()
    if count:
        logger.info(f"Micro-Bench: {count} answers recovered from runs that did not end.")


# --- served models -------------------------------------------------------------------


def _is_served(model: Any) -> bool:
    """Whether the model asks a server through a client of the package openai."""
    try:
        import openai
    except ImportError:
        return False
    return isinstance(innermost(getattr(model, "client", None)), (openai.OpenAI, openai.AsyncOpenAI))


@contextlib.contextmanager
def _noting_replies(model: Any, cache: ResponseCache) -> Iterator[None]:
    """While inside, a served model's client notes each reply, and answers from the notes what has been answered before."""
    if not _is_served(model):
        yield
        return
    client = model.client
    with Replies(Path(cache._cache_root) / REPLIES) as replies:
        if replies.known:
            logger.info(f"Micro-Bench: {sum(map(len, replies.known.values()))} replies of the server are known from earlier runs and are not asked for again.")
        model.client = plain_client(_noting_client(innermost(client), replies))
        try:
            yield
        finally:
            model.client = client


class Replies:
    """The replies of a server, by a hash of what was asked: JSON lines in a file per run, flushed to disk one by one.

    Args:
        folder: holds the files of all runs; made if it is not there.

    Attributes:
        known: the replies that the files hold and that have not been taken, as JSON values by key, in
            the order in which they came. A line that a killed run left unfinished is passed over.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.known: dict[str, list[dict[str, Any]]] = {}
        self._folder = folder
        self._lock = threading.Lock()

    def __enter__(self) -> Replies:
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*.jsonl")):
            for key, reply in _readable(path.read_text(encoding="utf-8", errors="replace").splitlines()):
                self.known.setdefault(key, []).append(reply)
        self._file = (self._folder / f"{uuid.uuid4().hex}.jsonl").open("a", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def take(self, key: str) -> dict[str, Any] | None:
        """The next known reply to a question, each once, so that who asks again or repeatedly asks the server; None if there is none."""
        with self._lock:
            return self.known[key].pop(0) if self.known.get(key) else None

    def note(self, key: str, reply: dict[str, Any]) -> None:
        """Add a reply; it is on disk when this returns."""
        with self._lock:
            # Escaped, the file takes characters that UTF-8 does not.
            self._file.write(json.dumps({"key": key, "reply": reply}, default=repr) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def _readable(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            noted = json.loads(line)
            yield noted["key"], noted["reply"]


def _noting_client(client: Any, replies: Replies) -> Any:
    import openai
    from openai.types.chat import ChatCompletion

    def known(payload: dict[str, Any]) -> tuple[str | None, ChatCompletion | None]:
        key = _key(client, payload)
        reply = None if key is None else replies.take(key)
        # What has been paid for costs nothing again: the harness adds usage up to its budget.
        return key, None if reply is None else ChatCompletion.construct(**reply | ({"usage": _NO_TOKENS} if reply.get("usage") else {}))

    def noted(key: str | None, reply: Any) -> Any:
        # What is no answer, or null, is asked for again.
        message = getattr(reply.choices[0], "message", None) if isinstance(reply, ChatCompletion) and reply.choices else None
        content = getattr(message, "content", None)
        if key is not None and content is not None:
            message.content = text_of(content)
            replies.note(key, reply.model_dump(warnings=False))
        return reply

    def create(**payload: Any) -> Any:
        key, reply = known(payload)
        return reply or noted(key, client.chat.completions.create(**payload))

    async def create_async(**payload: Any) -> Any:
        key, reply = known(payload)
        return reply or noted(key, await client.chat.completions.create(**payload))

    return with_create(client, create_async if isinstance(client, openai.AsyncOpenAI) else create)


def _key(client: Any, payload: dict[str, Any]) -> str | None:
    """A hash of the question, its image and the server; None where the answer is drawn at random."""
    if payload.get("temperature"):
        return None
    asked = json.dumps([str(client.base_url), payload], sort_keys=True, default=repr)
    return hashlib.sha256(asked.encode()).hexdigest()
