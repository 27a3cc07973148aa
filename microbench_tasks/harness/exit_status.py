"""Exit statuses of the script ``lmms_eval``, and an orderly end of the process at SIGTERM."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

FAILED_STATUS = 1
INTERRUPTED_STATUS = 128 + signal.SIGINT
TERMINATED_STATUS = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """End the process with the status of SIGTERM, but after clean-up."""

    def __init__(self) -> None:
        super().__init__(TERMINATED_STATUS)


@contextlib.contextmanager
def catching_sigterm() -> Iterator[None]:
    """Raise `Terminated` at the first SIGTERM; at a second one the process ends at once."""

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    previous_handler = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
