"""Resume a killed run with ``--use_cache``.

lmms-eval 0.7.3 writes answers to its cache only after the last one, reads only caches of runs that finished, and
stores the message of a failed request as an answer. For the tasks of this package, `execute_in_batches` stores answers
in batches, without failed requests, and `recover` reads the answers of killed runs.
`microbench_tasks.harness.served` stores the replies of a server one by one.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.harness import repeated_requests
from microbench_tasks.harness.served import clients, other_clients
from microbench_tasks.parsing.failures import placeholder_kind

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance
    from lmms_eval.caching.response_cache import ResponseCache

# Requests per batch: a model with a few billion weights answers them in some minutes.
BATCH_SIZE = 1024
# The same for model classes with their own client of a server: answers cost money and arrive one by one.
_SERVER_BATCH_SIZE = 32
_COLUMNS = "cache_key, request_type, task_name, doc_id, idx, gen_kwargs, response, created_at"


def execute_in_batches(
    execute: Callable[..., list], cache: ResponseCache, model: Any, request_type: str, requests: list[Instance]
) -> list:
    """Run the cache's own ``execute`` in batches, so that answers to our tasks are stored every `BATCH_SIZE` requests.

    Failed requests are not stored: the next run with the same cache asks them again.
    """
    ours = [place for place, request in enumerate(requests) if catalog.tasks_named([request.task_name])]
    if request_type != "generate_until" or not ours:
        return execute(cache, model, request_type, requests)
    responses: list[Any] = [None] * len(requests)
    others = sorted(set(range(len(requests))) - set(ours))
    if others:
        _put(responses, others, execute(cache, model, request_type, [requests[place] for place in others]))
    our_requests = repeated_requests.with_distinct_indices([requests[place] for place in ours])
    size = _batch_size(model, len(ours))
    for start in range(0, len(ours), size):
        batch = our_requests[start : start + size]
        wrapped = _WithoutFailures(model)
        cached = execute(cache, wrapped, request_type, batch)
        pairs = zip(batch, cached, strict=True)
        answers = [wrapped.failures[id(request)] if response is None else response for request, response in pairs]
        _put(responses, ours[start : start + size], answers)
    return responses


def _batch_size(model: Any, num_requests: int) -> int:
    # The replies of a server are stored one by one: see `microbench_tasks.harness.served`.
    if clients.is_client(getattr(model, "client", None)):
        return num_requests
    return _SERVER_BATCH_SIZE if other_clients.is_known(model) else BATCH_SIZE


def _put(responses: list[Any], places: list[int], new_responses: list[Any]) -> None:
    for place, response in zip(places, new_responses, strict=True):
        responses[place] = response


class _WithoutFailures:
    """Wrap a model so that failed requests give None, which the cache does not store."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.failures: dict[int, Any] = {}

    def generate_until(self, requests: list[Instance]) -> list[Any]:
        responses = self._model.generate_until(requests)
        failed = [_is_failure(getattr(response, "text", response)) for response in responses]
        answers = zip(requests, responses, failed, strict=True)
        self.failures.update((id(request), response) for request, response, fails in answers if fails)
        return [None if fails else response for response, fails in zip(responses, failed, strict=True)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _is_failure(text: Any) -> bool:
    return text is None or (isinstance(text, str) and placeholder_kind(text) is not None)


# --- what earlier runs left ----------------------------------------------------------


def recover(cache: ResponseCache, cache_root: Path) -> None:
    """Copy answers to our tasks from unfinished runs under ``cache_root`` to the database of this run."""
    own = Path(cache.db_path)
    count = 0
    for path in sorted({*own.parents[1].glob("*/rank_*.db"), *cache_root.glob("runs/*/rank_*.db")} - {own}):
        if (path.parent / ".merged").exists():
            continue
        # If another run still writes to the file, or it is damaged, only its answers are skipped.
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
                rows = list(_our_rows(database))
            statement = f"INSERT OR IGNORE INTO responses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            count += cache.db.executemany(statement, [row for row in rows if _is_stored_text(row[6])]).rowcount
        except sqlite3.Error as error:
            logger.warning(f"{path}: answers of an earlier run cannot be read ({error}). They are asked for again.")
    cache.db.commit()
    if count:
        logger.info(f"Micro-Bench: {count:,} answers recovered from unfinished runs.")


def repair(cache_root: Path) -> None:
    """Remove damaged answers from the databases under ``cache_root``, and rename databases that cannot be read.

    The harness returns a damaged answer as if it came from the model, and fails at the end of a run if it cannot read
    a database. A warning names the removed answers; their questions are asked again.
    """
    for path in (cache_root / "cache.db", *sorted(cache_root.glob("runs/*/rank_*.db"))):
        if not path.exists() or (path.parent / ".merged").exists():
            continue
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=5)) as database:
                _drop_damaged_rows(database, path)
        except sqlite3.OperationalError as error:
            # Another run is writing, or the file has another version: neither is damage.
            logger.debug(f"{path}: not checked ({error}).")
        except sqlite3.DatabaseError as error:
            _rename_damaged(path, error)


def _drop_damaged_rows(database: sqlite3.Connection, path: Path) -> None:
    damaged = [row for row in _our_rows(database) if not _is_stored_text(row[6])]
    if not damaged:
        return
    with database:
        database.executemany("DELETE FROM responses WHERE cache_key = ?", [row[:1] for row in damaged])
    named = ", ".join(f"{row[2]} document {row[3]}" for row in damaged[:5]) + (", …" if len(damaged) > 5 else "")
    logger.warning(f"{path}: {len(damaged):,} damaged answer(s) left out ({named}). Their questions are asked again.")


def _rename_damaged(path: Path, error: sqlite3.DatabaseError) -> None:
    """Rename a damaged database, together with its write-ahead log."""
    new_path = path.with_name(f"{path.name}.damaged")
    try:
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(new_path.with_name(new_path.name + suffix))
    except OSError as rename_error:
        logger.warning(f"{path}: damaged ({error}), and cannot be renamed ({rename_error}).")
        return
    logger.warning(f"{path}: damaged ({error}), and renamed to {new_path.name}. Its questions are asked again.")


def _our_rows(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    # As bytes, since damaged text cannot be decoded.
    database.text_factory = bytes
    for row in database.execute(f"SELECT {_COLUMNS} FROM responses"):
        decoded = tuple(map(_decode, row))
        if catalog.tasks_named([str(decoded[2])]):
            yield decoded


def _decode(value: Any) -> Any:
    """Decode bytes as text; None if they are not valid UTF-8."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return None


def _is_stored_text(response: Any) -> bool:
    """Tell whether a value has the form of a stored answer: JSON of a text, or of a text with its token counts."""
    try:
        stored = json.loads(response)
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(stored[0] if isinstance(stored, list) and stored else stored, str)
