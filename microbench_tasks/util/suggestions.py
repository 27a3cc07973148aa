"""Suggest the name that a user may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

# Below it, names have little more than a few letters in common.
_LEAST_SIMILARITY = 0.5
_MOST_NAMES = 3
# All options begin with --.
_LEAST_OF_OPTIONS = 0.7


def did_you_mean(name: str, known: Iterable[str], least_similarity: float = _LEAST_SIMILARITY) -> str:
    """Return a question with up to three names that are close to ``name``, and a space; empty if none are.

    >>> did_you_mean("Demo", ["demo", "release"])
    'Did you mean demo? '
    """
    # Capitals are typed by mistake, and count as other letters.
    by_small = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), list(by_small), _MOST_NAMES, cutoff=least_similarity)
    return f"Did you mean {' or '.join(by_small[small] for small in close)}? " if close else ""


def for_options(typed: Sequence[str], known: Iterable[str], least_similarity: float = _LEAST_OF_OPTIONS) -> str:
    """Return a suggestion for the first unknown option of a command line; empty if there is none.

    >>> for_options(["--limt", "1"], ["--limit", "--tasks"])
    '--limt is unknown. Did you mean --limit? '
    """
    known = list(known)
    options = [part.partition("=")[0] for part in typed if part.startswith("--") and part != "--"]
    # The start of an option is taken for the option.
    unknown = [option for option in options if not any(name.startswith(option) for name in known)]
    close = ((option, did_you_mean(option, known, least_similarity)) for option in unknown)
    return next((f"{option} is unknown. {suggestion}" for option, suggestion in close if suggestion), "")
