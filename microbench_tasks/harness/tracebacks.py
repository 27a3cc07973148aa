"""Keep the traceback of an unexpected error in a file: it helps developers, and hides the message from users."""

from __future__ import annotations

import os
import time
import traceback

from microbench_tasks.util import files, privacy

_FOLDER = "tracebacks"


def keep(error: BaseException) -> str:
    """Write the traceback of an error into the user's cache.

    Returns:
        Sentences that say where it is, and how to see it on the screen; empty if it cannot be written.
    """
    name = f"{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}.txt"
    path = files.cache_dir() / _FOLDER / name
    text = privacy.redact_secrets("".join(traceback.format_exception(error)))
    try:
        files.write_file(path, text.encode(errors="backslashreplace"))
    except OSError:
        return ""
    return f"This error was not expected. Its traceback is in {path}; --verbosity DEBUG prints it."
