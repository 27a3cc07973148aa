"""Guard a model's calls: every response is text that can be stored, and a request that failed is marked as failed.

Classes of lmms-eval return what a server sends unchanged, and many swallow exceptions. They then return an empty
string, the prompt, or the previous answer, which is still in the variable. `guarding` records the failure instead:

- A client of the package openai (or one with the same methods) gets replies whose content is text.
- A class that writes the harness's own mark for failed requests (``openai``, ``async_openai``, ``gemini``) is trusted.
- All other classes are watched while they answer (`microbench_tasks.swallowed_exceptions`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.parsing.contents import text_of
from microbench_tasks.swallowed_exceptions import WatchedModel, source_of

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

# A class whose source contains this text marks failed requests by itself.
_OWN_MARK = "LMMS_EVAL_REQUEST_FAILED"


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
        # A class without settable attributes is left unchanged; its responses become text when they are scored.
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
    """Call ``original``; return responses as text that can be stored, with a mark for each request that failed."""
    ours = [bool(catalog.tasks_named([request.task_name])) for request in requests]
    if not any(ours) or _marks_failures(type(model)) or _is_ours(type(model)):
        responses = original(requests)
    else:
        responses = WatchedModel(model, original).responses(requests, ours)
    pairs = zip(responses, ours, strict=True)
    return [_as_text(response) if is_ours else _storable(response) for response, is_ours in pairs]


def _marks_failures(kind: type) -> bool:
    return any(_OWN_MARK in source for source in map(source_of, kind.__mro__[:-1]))


def _is_ours(kind: type) -> bool:
    """Tell whether the class is of this project, whose classes swallow no exceptions."""
    return kind.__module__.partition(".")[0] == "microbench_adapters"


# --- responses as text ---------------------------------------------------------------


def _as_text(response: Any) -> Any:
    """Convert the content of a response to text; keep its other parts, such as token counts."""
    from lmms_eval.api.instance import GenerationResult, TokenCounts

    if isinstance(response, GenerationResult):
        return GenerationResult(text=text_of(response.text), token_counts=response.token_counts)
    is_pair = isinstance(response, (tuple, list)) and len(response) == 2
    if is_pair and (isinstance(response[1], TokenCounts) or _is_counts(response[1])):
        return text_of(response[0]), response[1]
    return text_of(response)


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= {"input_tokens", "output_tokens", "reasoning_tokens"}


def _storable(response: Any) -> Any:
    """Return the response to another benchmark's task with only surrogates replaced, which no file can contain."""
    from lmms_eval.api.instance import GenerationResult

    if isinstance(response, GenerationResult) and isinstance(response.text, str):
        return GenerationResult(text=text_of(response.text), token_counts=response.token_counts)
    return text_of(response) if isinstance(response, str) else response


class _PlainClient:
    """Wrap a client with another ``chat.completions.create``; pass on everything else."""

    def __init__(self, client: Any, create: Callable[..., Any]) -> None:
        self.wrapped = client
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=create))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def with_create(client: Any, create: Callable[..., Any]) -> Any:
    """Return the client with another ``chat.completions.create``."""
    return _PlainClient(client, create)


def innermost(client: Any) -> Any:
    """Return the original client inside those that `with_create` made."""
    while isinstance(client, _PlainClient):
        client = client.wrapped
    return client


def plain_client(client: Any) -> Any:
    """Wrap a synchronous or asynchronous client so that the content of its messages is text."""

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
