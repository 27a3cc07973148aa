"""Recognize errors of memory that ran out, and advise a smaller batch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from microbench_tasks.harness.served.circuit_breaker import ServerStoppedError

_BATCH_SIZE = "--batch_size"
_OPTIONS = (_BATCH_SIZE, "-b")
# Within --model_args, which has precedence over the option, or as --batch_size=N.
_IN_ARGUMENT = re.compile(r"((?:^|,|=|^--)batch_size=)\d+")
# Parts of messages of torch on the CPU, of the CUDA libraries, and of the system.
_MESSAGES = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


class OutOfMemoryError(RuntimeError):
    """Report that memory ran out.

    Args:
        while_doing: what the run was doing, such as ``loading the model``.
        batch_size: of the model; None if it has none, or was not built yet.
        error: the original error.
    """

    def __init__(self, while_doing: str, batch_size: int | None, error: BaseException) -> None:
        self.batch_size = batch_size
        size = "" if batch_size is None else f", with batch_size {batch_size}"
        text = " ".join(str(error).split()) or "no details"
        super().__init__(f"Out of memory while {while_doing}{size} ({type(error).__name__}: {text})")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether this exception, or one that it was raised from, reports that memory of this machine ran out."""
    chain = list(causes(error))
    # A server may say so of its own memory, for which a batch size of this run is no remedy.
    if any(isinstance(cause, ServerStoppedError) for cause in chain):
        return False
    return any(isinstance(cause, MemoryError) or _reports_memory(cause) for cause in chain)


def _reports_memory(error: BaseException) -> bool:
    # torch.cuda.OutOfMemoryError is a RuntimeError; other accelerators have classes of their own of that name.
    has_name = type(error).__name__ == "OutOfMemoryError"
    is_general = isinstance(error, (RuntimeError, OSError))
    return has_name or (is_general and any(message in str(error).lower() for message in _MESSAGES))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that it was raised from, the newest first."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def with_batch_size(error: Exception, while_doing: str, model: Any = None) -> Exception:
    """Return an error that names the batch size if memory ran out, else the error itself."""
    if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
        return error
    size = getattr(model, "batch_size", None)
    return OutOfMemoryError(while_doing, size if isinstance(size, int) else None, error)


def advice(error: OutOfMemoryError) -> str:
    """Return advice that saves memory, as sentences."""
    if error.batch_size is None:
        return "The model does not fit. Use a smaller model, a lower precision, or a device with more memory."
    if error.batch_size == 1:
        return "The batch cannot be smaller. Use a lower precision, or a device with more memory."
    return f"Use a smaller batch: {_BATCH_SIZE} {error.batch_size // 2}."


def with_smaller_batches(arguments: Sequence[str], error: OutOfMemoryError) -> list[str]:
    """Return the arguments of a command with half the batch size, unless it is 1 or unknown."""
    if error.batch_size is None or error.batch_size == 1:
        return list(arguments)
    size = str(error.batch_size // 2)
    pairs = zip(["", *arguments[:-1]], arguments, strict=True)
    smaller = [size if option in _OPTIONS else _IN_ARGUMENT.sub(rf"\g<1>{size}", part) for option, part in pairs]
    return smaller if smaller != list(arguments) else [*smaller, _BATCH_SIZE, size]
