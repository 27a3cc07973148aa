"""Keep untrusted text from controlling the terminal: all output of a command passes through here."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from microbench_tasks.util.text_safety import printable

if TYPE_CHECKING:
    import loguru


class PrintableStream:
    """Replace unprintable characters in a text stream.

    Line ends and tabs are kept; carriage returns only if ``keep_returns``, for progress bars.
    """

    def __init__(self, stream: TextIO, *, keep_returns: bool) -> None:
        self._stream = stream
        self._kept = "\r" if keep_returns else ""

    def write(self, text: str) -> int:
        """Write ``text`` with unprintable characters replaced; return its length."""
        parts = text.split("\r") if self._kept else [text]
        self._stream.write(self._encodable("\r".join(map(printable, parts))))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line as `write` does."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Return False: callers then write no escape codes, which would be replaced."""
        return False

    def _encodable(self, text: str) -> str:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "replace").decode(encoding)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def printable_streams() -> Iterator[None]:
    """Let only printable text reach standard output and error, tracebacks included."""
    output, error = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = PrintableStream(output, keep_returns=False), PrintableStream(error, keep_returns=True)
    try:
        yield
    except SystemExit as leaving:
        # Python would write the message itself, to the original stream.
        if isinstance(leaving.code, str):
            raise SystemExit(printable(leaving.code)) from None
        raise
    except Exception:
        sys.stderr.write(printable(traceback.format_exc()))
        sys.exit(1)
    finally:
        sys.stdout, sys.stderr = output, error


@contextlib.contextmanager
def raw_streams() -> Iterator[None]:
    """Within `printable_streams`, let the harness use its colors."""
    output, error = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (getattr(stream, "_stream", stream) for stream in (output, error))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, error


def printable_logs() -> None:
    """Make the logger's messages printable; its colors stay."""
    from loguru import logger

    logger.configure(patcher=_make_printable)


def _make_printable(record: loguru.Record) -> None:
    record["message"] = printable(record["message"])
