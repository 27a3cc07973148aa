"""Guard a model's calls: every response is text that can be stored, and a request that failed is marked as failed.

Classes of lmms-eval return what a server sends unchanged, and many swallow exceptions. They then return an empty
string, the prompt, or the previous answer, which is still in the variable. `guarding` records the failure instead:

- A client of the package openai (or one with the same methods) gets replies whose content is text, and asks through
  `microbench_tasks.harness.served`, which knows which faults end a run.
- A class that writes the harness's own mark for failed requests (``openai``, ``async_openai``, ``gemini``) is trusted.
- All other classes are watched while they answer (`microbench_tasks.harness.guard.swallowed_exceptions`).
- A class with another client of its own ends the run, too, when its server does not answer
  (`microbench_tasks.harness.served.other_clients`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.harness import run_state
from microbench_tasks.harness.guard.swallowed_exceptions import WatchedModel, source_of
from microbench_tasks.harness.served import clients, other_clients
from microbench_tasks.harness.served.replies import MAX_ANSWER_CHARS
from microbench_tasks.harness.served.session import Session
from microbench_tasks.parsing.cleaning.message_content import content_to_text
from microbench_tasks.parsing.failures import failure_mark, placeholder_kind
from microbench_tasks.util import files

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# A class whose source contains this text marks failed requests itself.
_OWN_MARK = "LMMS_EVAL_REQUEST_FAILED"
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
    run_state.start()
    original = model.generate_until
    own = vars(model).get("generate_until")
    client = getattr(model, "client", None)
    is_served = clients.is_client(client)
    other = other_clients.OtherServer(model) if other_clients.is_known(model) else None
    with _session(model, response_cache) if is_served else contextlib.nullcontext() as session:
        try:
            model.generate_until = functools.partial(_generate, model, original, session, other)
            if is_served:
                model.client = plain_client(client)
        except AttributeError:
            # A class without settable attributes is left unchanged; its responses become text when they are scored.
            is_served = False
        try:
            yield session
        finally:
            if own is not None:
                model.generate_until = own
            else:
                vars(model).pop("generate_until", None)
            if is_served:
                model.client = client


@contextlib.contextmanager
def _session(model: Any, response_cache: Any) -> Iterator[Session | None]:
    """Open a session that stores answers in the folder of ``--use_cache``, or else in a temporary folder.

    The latter is removed at the end, unless there is a question to ask again.
    """
    root = getattr(response_cache, "_cache_root", None)
    folder = Path(root) if root else files.cache_dir() / _UNFINISHED / uuid.uuid4().hex
    try:
        session = Session(model, folder, is_asked_for=bool(root))
    except OSError as error:
        if root:
            raise
        logger.warning(f"{folder}: answers cannot be kept until the run ends ({error}).")
        yield None
        return
    if session.shrinks_images and hasattr(response_cache, "_model_fingerprint_hash"):
        # Answers about downscaled images must not be reused by a run without this setting.
        response_cache._model_fingerprint_hash += "-shrunk"
    run_state.keep_answers_in(folder)
    is_over = False
    try:
        yield session
        is_over = not run_state.record().failed
    finally:
        session.close()
        _count_hits(response_cache, session)
        if not root and (is_over or not session.progress.counts.answered):
            run_state.keep_answers_in(None)
            shutil.rmtree(folder, ignore_errors=True)


def _count_hits(response_cache: Any, session: Session) -> None:
    """Count answers from the reply log as cache hits in the harness's statistics, and log the progress."""
    from_log = session.progress.counts.from_disk
    hits, misses = (getattr(response_cache, name, None) for name in ("_hits", "_misses"))
    if isinstance(hits, int) and isinstance(misses, int):
        session.progress.note_from_disk(hits)
        response_cache._hits, response_cache._misses = hits + from_log, misses - from_log
    logger.info(f"Micro-Bench: {session.progress.line()}.")


def _generate(
    model: Any,
    original: Callable[[list[Instance]], list[Any]],
    session: Session | None,
    other: other_clients.OtherServer | None,
    requests: list[Instance],
) -> list[Any]:
    """Call ``original``, and return responses as storable text, with a failure mark for each failed request."""
    ours = [bool(catalog.tasks_named([request.task_name])) for request in requests]
    if session is None or not any(ours):
        with contextlib.nullcontext() if other is None else other.asking():
            responses = _responses(model, original, requests, ours, other)
    else:
        responses = _asked_apart(model, original, session, requests, ours)
    pairs = zip(responses, ours, strict=True)
    converted = [_as_text(response) if is_ours else _storable(response) for response, is_ours in pairs]
    for request, response, is_ours in zip(requests, converted, ours, strict=True):
        if is_ours and failure_in(response) is not None:
            run_state.note_failure(request.task_name)
    return converted


def _asked_apart(
    model: Any,
    original: Callable[[list[Instance]], list[Any]],
    session: Session,
    requests: list[Instance],
    ours: Sequence[bool],
) -> list[Any]:
    """Send requests of this package's tasks through the session, and those of other benchmarks as usual."""
    mine = [request for request, is_ours in zip(requests, ours, strict=True) if is_ours]
    with session.asking(len(mine)):
        answers = iter(_responses(model, original, mine, [True] * len(mine)))
    others = [request for request, is_ours in zip(requests, ours, strict=True) if not is_ours]
    other_answers = iter(original(others) if others else ())
    return [next(answers if is_ours else other_answers) for is_ours in ours]


def _responses(
    model: Any,
    original: Callable[[list[Instance]], list[Any]],
    requests: list[Instance],
    ours: Sequence[bool],
    other: other_clients.OtherServer | None = None,
) -> list[Any]:
    if not any(ours) or _marks_failures(type(model)) or _is_ours(type(model)):
        return original(requests)
    return WatchedModel(model, original, other).responses(requests, ours)


def failure_in(response: Any) -> str | None:
    """Return the failure mark in a response, on one line; None if the response is an answer."""
    text = getattr(response, "text", response[0] if isinstance(response, tuple) else response)
    return text if isinstance(text, str) and placeholder_kind(text) == "failed" else None


def _marks_failures(kind: type) -> bool:
    return any(_OWN_MARK in source for source in map(source_of, kind.__mro__[:-1]))


def _is_ours(kind: type) -> bool:
    """Tell whether the class belongs to this project; such classes do not swallow exceptions."""
    return kind.__module__.partition(".")[0] == "microbench_adapters"


# --- responses as text ---------------------------------------------------------------


def _as_text(response: Any) -> Any:
    """Convert the content of a response to text; keep its other parts, such as token counts."""
    from lmms_eval.api.instance import GenerationResult, TokenCounts

    if isinstance(response, GenerationResult):
        return GenerationResult(text=_limited(content_to_text(response.text)), token_counts=response.token_counts)
    is_pair = isinstance(response, (tuple, list)) and len(response) == 2
    if is_pair and (isinstance(response[1], TokenCounts) or _is_counts(response[1])):
        return _limited(content_to_text(response[0])), response[1]
    return _limited(content_to_text(response))


def _limited(text: str) -> str:
    """Return the text, or a failure mark if it is too long to be an answer."""
    if len(text) <= MAX_ANSWER_CHARS:
        return text
    return failure_mark(f"the answer has {len(text):,} characters, more than {MAX_ANSWER_CHARS:,}")


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= {"input_tokens", "output_tokens", "reasoning_tokens"}


def _storable(response: Any) -> Any:
    """Return the response to another benchmark's task; only surrogates are replaced, since UTF-8 cannot encode them."""
    from lmms_eval.api.instance import GenerationResult

    if isinstance(response, GenerationResult) and isinstance(response.text, str):
        return GenerationResult(text=content_to_text(response.text), token_counts=response.token_counts)
    return content_to_text(response) if isinstance(response, str) else response


def plain_client(client: Any) -> Any:
    """Wrap a synchronous or asynchronous client so that the content of its messages is text."""

    def create(*arguments: Any, **payload: Any) -> Any:
        reply = client.chat.completions.create(*arguments, **payload)
        return _plain_later(reply) if inspect.isawaitable(reply) else _plain(reply)

    return clients.with_create(client, create)


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
            message.content = content_to_text(refusal if content is None and isinstance(refusal, str) else content)
    return reply
