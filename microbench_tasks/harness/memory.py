"""Recognize that memory ran out, and say what to type instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

_BATCH_SIZE = "--batch_size"
_OPTIONS = (_BATCH_SIZE, "-b")
# In --model_args, where it wins over the option, or in --batch_size=N.
_IN_ARGUMENT = re.compile(r"((?:^|,|=|^--)batch_size=)\d+")
# Of torch on the CPU, of the CUDA libraries, and of the system.
_SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


class OutOfMemoryError(RuntimeError):
    """Report that memory ran out, while doing what, and with which batch size.

    Attributes:
        batch_size: of the model; None where it has none, or was not built yet.
    """

    def __init__(self, while_doing: str, batch_size: int | None, error: BaseException) -> None:
        self.batch_size = batch_size
        size = "" if batch_size is None else f", with batch_size {batch_size}"
        text = " ".join(str(error).split()) or "no more is known"
        super().__init__(f"Out of memory while {while_doing}{size} ({type(error).__name__}: {text})")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether this exception, or one that it was raised from, says that memory ran out."""
    return any(isinstance(cause, MemoryError) or _says_so(cause) for cause in _causes(error))


def _says_so(error: BaseException) -> bool:
    # torch.cuda.OutOfMemoryError is a RuntimeError; other accelerators have classes of their own of that name.
    is_kind = type(error).__name__ == "OutOfMemoryError"
    is_general = isinstance(error, (RuntimeError, OSError))
    return is_kind or (is_general and any(sign in str(error).lower() for sign in _SIGNS))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def explained(error: BaseException, while_doing: str, model: Any = None) -> BaseException:
    """Return the error as one that names the batch size, if memory ran out; else the error itself."""
    if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
        return error
    size = getattr(model, "batch_size", None)
    return OutOfMemoryError(while_doing, size if isinstance(size, int) else None, error)


def advice(error: OutOfMemoryError) -> str:
    """Return what needs less memory, as a sentence."""
    if error.batch_size is None:
        return "The model does not fit. Take a smaller one, a lower precision, or a device with more memory."
    if error.batch_size == 1:
        return "A smaller batch there is not. Take a lower precision, or a device with more memory."
    return f"Type a smaller one: {_BATCH_SIZE} {error.batch_size // 2}."


def with_smaller_batches(arguments: Sequence[str], error: OutOfMemoryError) -> list[str]:
    """Return the arguments of a command with half the batch size, where there is one to halve."""
    if error.batch_size is None or error.batch_size == 1:
        return list(arguments)
    size = str(error.batch_size // 2)
    pairs = zip(["", *arguments], arguments)
    smaller = [size if before in _OPTIONS else _IN_ARGUMENT.sub(rf"\g<1>{size}", part) for before, part in pairs]
    return smaller if smaller != list(arguments) else [*smaller, _BATCH_SIZE, size]
