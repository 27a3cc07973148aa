"""Guard a model's calls: every response is text that can be stored, and a request that failed is marked as failed.

Classes of lmms-eval return what a server sends unchanged, and many swallow exceptions. They then return an empty
string, the prompt, or the previous answer, which is still in the variable. `guarding` records the failure instead:

- A client of the package openai (or one with the same methods) gets replies whose content is text, and asks through
  `microbench_tasks.harness.served`, which knows which faults end a run.
- A class that writes the harness's own mark for failed requests (``openai``, ``async_openai``, ``gemini``) is trusted.
- All other classes are watched while they answer (`microbench_tasks.harness.guard.watched_model`).
- A class with another client of its own ends the run, too, when its server does not answer
  (`microbench_tasks.harness.served.other_clients`).
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.harness import run_state
from microbench_tasks.harness.guard import response_text
from microbench_tasks.harness.guard.observation import source_of
from microbench_tasks.harness.guard.watched_model import WatchedModel
from microbench_tasks.harness.served import clients, letter_probabilities, other_clients
from microbench_tasks.harness.served.session import Session
from microbench_tasks.util import files
from microbench_tasks.util.notices import warn_once

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# A class whose source contains this text marks failed requests itself.
_FAILURE_MARK = "LMMS_EVAL_REQUEST_FAILED"
# Folder in the user's cache with the answers of unfinished runs.
_UNFINISHED = "unfinished_runs"


@contextlib.contextmanager
def guarding(model: Any, response_cache: Any = None) -> Iterator[Session | None]:
    """Guard ``model.generate_until`` for requests of this package's tasks; restores the model at the end.

    Args:
        model: any model of the harness.
        response_cache: that of ``--use_cache``, if the run has one.

    Yields:
        The session with the server, for a model that asks one through a client that is known here.
    """
    run_state.reset_answers()
    own_method = vars(model).get("generate_until")
    client = getattr(model, "client", None)
    has_client = clients.is_client(client)
    if not has_client and letter_probabilities.requested_number():
        warn_once(letter_probabilities.NO_SERVER)
    with _session(model, response_cache) if has_client else contextlib.nullcontext() as session:
        guarded = _GuardedCalls(model, session)
        try:
            model.generate_until = guarded.generate_until
            if has_client:
                model.client = response_text.with_text_replies(client)
        except AttributeError:
            # A class without settable attributes is left unchanged; its responses become text when they are scored.
            has_client = False
        try:
            yield session
        finally:
            if own_method is not None:
                model.generate_until = own_method
            else:
                vars(model).pop("generate_until", None)
            if has_client:
                model.client = client


@contextlib.contextmanager
def _session(model: Any, response_cache: Any) -> Iterator[Session | None]:
    """Open a session that stores answers in the folder of ``--use_cache``, or else in a temporary folder.

    The latter is removed at the end, unless a question must be asked again.
    """
    cache_root = getattr(response_cache, "_cache_root", None)
    folder = Path(cache_root) if cache_root else files.cache_dir() / _UNFINISHED / uuid.uuid4().hex
    try:
        session = Session(model, folder, must_store=bool(cache_root))
    except OSError as error:
        if cache_root:
            raise
        logger.warning(f"{folder}: answers cannot be stored during this run ({error}).")
        yield None
        return
    if hasattr(response_cache, "_model_fingerprint_hash"):
        # Answers about downscaled images, or with probabilities, must not be reused by a run without this setting.
        response_cache._model_fingerprint_hash += "-shrunk" if session.shrinks_images else ""
        response_cache._model_fingerprint_hash += f"-logprobs{session.top_logprobs}" if session.top_logprobs else ""
    run_state.current.answers_folder = folder
    is_complete = False
    try:
        yield session
        is_complete = not run_state.current.failed_requests
    finally:
        session.close()
        _report_cache_hits(response_cache, session)
        if not cache_root and (is_complete or not session.progress.counts.answered):
            run_state.current.answers_folder = None
            shutil.rmtree(folder, ignore_errors=True)


def _report_cache_hits(response_cache: Any, session: Session) -> None:
    """Count answers from the reply log as cache hits in the harness's statistics, and log the progress."""
    from_log = session.progress.counts.from_disk
    hits, misses = (getattr(response_cache, name, None) for name in ("_hits", "_misses"))
    if isinstance(hits, int) and isinstance(misses, int):
        session.progress.count_from_disk(hits)
        response_cache._hits, response_cache._misses = hits + from_log, misses - from_log
    logger.info(f"Micro-Bench: {session.progress.line()}.")


class _GuardedCalls:
    """Replace a model's ``generate_until``.

    Args:
        model: any model of the harness.
        session: with the model's server, if it has a client that is known here.
    """

    def __init__(self, model: Any, session: Session | None) -> None:
        self._model = model
        self._session = session
        self._original: Callable[[list[Instance]], list[Any]] = model.generate_until
        self._server = other_clients.OtherServer(model) if other_clients.is_known(model) else None

    def generate_until(self, requests: list[Instance]) -> list[Any]:
        """Return responses as storable text, with a failure mark for each failed request."""
        ours = [bool(catalog.tasks_named([request.task_name])) for request in requests]
        responses = []
        for request, response, is_ours in zip(requests, self._ask(requests, ours), ours, strict=True):
            responses.append(response_text.as_text(response) if is_ours else response_text.storable(response))
            if is_ours and response_text.is_failed(responses[-1]):
                run_state.count_failed_request(request.task_name)
        return responses

    def _ask(self, requests: list[Instance], ours: Sequence[bool]) -> list[Any]:
        if self._session is not None and any(ours):
            return self._ask_in_session(self._session, requests, ours)
        with contextlib.nullcontext() if self._server is None else self._server.asking():
            return self._call(requests, ours)

    def _ask_in_session(self, session: Session, requests: list[Instance], ours: Sequence[bool]) -> list[Any]:
        """Send requests of this package's tasks through the session, and those of other benchmarks as usual."""
        our_requests = [request for request, is_ours in zip(requests, ours, strict=True) if is_ours]
        prompts = (request.args[0] for request in our_requests if _asks_with_options(request))
        with session.asking(len(our_requests), prompts):
            our_responses = iter(self._call(our_requests, [True] * len(our_requests)))
        others = [request for request, is_ours in zip(requests, ours, strict=True) if not is_ours]
        other_responses = iter(self._original(others) if others else ())
        return [next(our_responses if is_ours else other_responses) for is_ours in ours]

    def _call(self, requests: list[Instance], ours: Sequence[bool]) -> list[Any]:
        model_class = type(self._model)
        if not any(ours) or _marks_failures(model_class) or _is_from_adapters(model_class):
            return self._original(requests)
        server = None if self._session is not None else self._server
        return WatchedModel(self._model, self._original, server).responses(requests, ours)


def _asks_with_options(request: Instance) -> bool:
    return isinstance(request.args[0], str) and all(
        catalog.task_of(task).subject != "boxes" for task in catalog.tasks_named([request.task_name])
    )


def _marks_failures(model_class: type) -> bool:
    return any(_FAILURE_MARK in source for source in map(source_of, model_class.__mro__[:-1]))


def _is_from_adapters(model_class: type) -> bool:
    """Tell whether the class belongs to this project; such classes do not swallow exceptions."""
    return model_class.__module__.partition(".")[0] == "microbench_adapters"
