"""Guard a model's calls: every response is text that can be stored, and a request that failed is marked as failed.

Classes of lmms-eval return what a server sends as it is, and many swallow exceptions: they then return an empty
string, the prompt, or the variable that holds the answer before. `guarding` keeps the exception where it arises:

- A client of the package openai (or one with the same methods) gets replies whose content is text.
- A class that writes the harness's own mark for failed requests (``openai``, ``async_openai``, ``gemini``) is believed.
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

# How the source of a class shows that it marks failed requests by itself.
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
        # A class that lets nothing be set is taken as it is; its responses are read as text when they are scored.
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
    """Whether a class of this project, which swallows nothing, answers."""
    return kind.__module__.partition(".")[0] == "microbench_adapters"


# --- responses as text ---------------------------------------------------------------


def _as_text(response: Any) -> Any:
    """A response with text alone; what else it carries, such as counts of tokens, stays."""
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
