"""The options that all models from checkpoints have in common."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from microbench_adapters.checkpoints import merging


def check_context_length(length: Any) -> None:
    """Check the option ``context_length``.

    Raises:
        ValueError: it is not a number of tokens that holds a text.
    """
    # Start, end and one token between them.
    if length is not None and (type(length) is not int or length < 3):
        raise ValueError(f"context_length={length}: expected a number of tokens, at least 3.")


def build_spec(**arguments: Any) -> dict[str, Any]:
    """Return the specification of a checkpoint: the arguments that are set, as text but for ``context_length``.

    The harness reads ``model=1`` as a number.
    """
    return {
        name: value if name == "context_length" else str(value)
        for name, value in arguments.items()
        if value is not None
    }


def parse_merge_with(merge_with: str | None) -> list[str]:
    """Parse ``one`` or ``[one,other]``, the form that the harness does not split at commas.

    Raises:
        ValueError: a name is empty.
    """
    if merge_with is None:
        return []
    text = str(merge_with).strip()
    parts = text[1:-1].split(",") if text.startswith("[") and text.endswith("]") else [text]
    names = [part.strip() for part in parts]
    if not all(names):
        raise ValueError(f"merge_with={merge_with}: expected a checkpoint, or several as [one,other].")
    return names


@contextlib.contextmanager
def refused_as_merge_with(name: str) -> Iterator[None]:
    """Let refusals of a checkpoint name ``merge_with=``, which the user typed, where its loader says ``model=``."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        # Others already name the checkpoint, or are unexpected: they must keep the place where they were raised.
        if not message.startswith(("model=", "pretrained=")):
            raise
        typed = rf"^(model|pretrained)=(local-dir:)?{re.escape(name)}(, revision=None)?: "
        raise ValueError(f"merge_with={name}: {re.sub(typed, '', message)}") from error


def parse_folder(argument: str, text: str) -> Path:
    """Return the folder that an argument names, with ``~`` expanded.

    Raises:
        ValueError: the text is empty, or the home folder is not known.
    """
    if not text.strip():
        raise ValueError(f"{argument}=: expected a folder.")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{argument}={text}: the home folder is not known ({error}) Write the whole path.") from error


def check_merge(merge: str, alpha: float | None, density: float | None, others: Sequence[str]) -> None:
    """Check the options of a merge with the checkpoints ``others``.

    Raises:
        ValueError: they have no effect, or the method does not take them.
    """
    settings = [f"{name}={value}" for name, value in (("alpha", alpha), ("density", density)) if value is not None]
    if merge != "linear":
        settings.append(f"merge={merge}")
    if settings and not others:
        raise ValueError(
            f"{', '.join(settings)}: nothing to merge with. "
            f"Name the base as merge_with=, or leave {'it' if len(settings) == 1 else 'them'} out."
        )
    if others:
        merging.check_settings(merge, alpha, density, len(others))
