"""Read untrusted files safely: only regular files, of a limited size, in one unambiguous form."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import zlib
from pathlib import Path
from typing import Any

from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line

# Largest size of one file in bytes: ten times that of the answers to the largest task.
MAX_FILE_BYTES = 2**30
_MOST_DIGITS = 18
_MOST_LEVELS = 64

FOLDER = "a folder"
_KINDS = {
    stat.S_ISDIR: FOLDER,
    stat.S_ISLNK: "a link",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
# Method, flags and time of a gzip header: compressed, no further fields, no time.
_PLAIN_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
_GZIP_WINDOW = 31


def read_regular_file(path: Path, max_bytes: int = MAX_FILE_BYTES, *, follow_links: bool = True) -> bytes:
    """Read a file from an untrusted folder.

    Only regular files are opened: opening a named pipe waits for a writer, and opening a device may act on it.

    Args:
        path: the file.
        max_bytes: a larger file is refused before it is read.
        follow_links: whether a link to a regular file is read, too.

    Raises:
        DataError: there is no such file, it is of another kind or too large, or it cannot be read.
    """
    try:
        _check_regular(path, os.stat(path, follow_symlinks=follow_links), max_bytes)
        # The file may have been replaced since the check: do not wait for a pipe, and do not follow a link.
        flags = (
            getattr(os, "O_NONBLOCK", 0)
            | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0))
            | getattr(os, "O_BINARY", 0)
        )
        with open(os.open(path, os.O_RDONLY | flags), "rb") as file:
            _check_regular(path, os.fstat(file.fileno()), max_bytes)
            content = file.read(max_bytes + 1)
    except OSError as error:
        reason = "no such file" if error.errno == errno.ENOENT else f"cannot be read ({error.strerror})"
        raise DataError(f"{path}: {reason}.") from error
    if len(content) > max_bytes:
        raise DataError(f"{path}: is larger than {max_bytes:,} bytes.")
    return content


def irregular_kind(path: Path) -> str:
    """Name what lies at ``path`` if it is not a regular file, such as ``a link``; return an empty text if it is."""
    return _kind(os.lstat(path).st_mode)


def _check_regular(path: Path, status: os.stat_result, max_bytes: int) -> None:
    if kind := _kind(status.st_mode):
        raise DataError(f"{path}: is {kind}, expected a regular file.")
    if status.st_size > max_bytes:
        raise DataError(f"{path}: is larger than {max_bytes:,} bytes ({status.st_size:,}).")


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    return next((kind for is_it, kind in _KINDS.items() if is_it(mode)), "not a regular file")


def decompress_gzip(content: bytes, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Decompress one gzip member without a file name, a time, a comment or bytes after it.

    Raises:
        ValueError: it is in another form, damaged, or larger than ``max_bytes`` bytes.
    """
    if content[:2] != _PLAIN_GZIP[:2]:
        raise ValueError("not a gzip file")
    if content[: len(_PLAIN_GZIP)] != _PLAIN_GZIP:
        raise ValueError("its gzip header contains a file name, a time, a comment or another field")
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = decompressor.decompress(content, max_bytes + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(text) > max_bytes:
        raise ValueError(f"contains more than {max_bytes:,} bytes when decompressed, more than any task's samples")
    if not decompressor.eof:
        raise ValueError("Compressed file ended before the end-of-stream marker was reached")
    if decompressor.unused_data:
        raise ValueError("there are bytes after the end of the gzip data")
    return text


def parse_json(content: bytes) -> Any:
    """Parse JSON in UTF-8 that every reader understands in the same way.

    Raises:
        ValueError: it starts with a byte order mark or is not UTF-8; a key is repeated; a number is NaN, infinite
            or of very many digits; or it is nested deeper than any file of ours.
    """
    if content.startswith(b"\xef\xbb\xbf"):
        raise ValueError("a byte order mark at its start")
    try:
        parsed = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=reject_duplicate_keys,
            parse_constant=_refuse_constant,
            parse_int=_parse_integer,
            parse_float=_parse_finite,
        )
    except RecursionError as error:
        raise ValueError("objects and lists nested too deeply") from error
    _check_depth(parsed)
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which is not a JSON number")


def _parse_integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


def _check_depth(parsed: Any) -> None:
    """Refuse nesting so deep that writers of JSON and YAML fail."""
    level = [parsed]
    for _ in range(_MOST_LEVELS):
        containers = (value for value in level if isinstance(value, (dict, list)))
        level = [entry for value in containers for entry in (value.values() if isinstance(value, dict) else value)]
    if level:
        raise ValueError(f"more than {_MOST_LEVELS} levels of objects and lists")


def reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a mapping; an ``object_pairs_hook`` that refuses repeated keys.

    The module ``json`` itself keeps the last value of a repeated key.

    Raises:
        ValueError: a key occurs twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"a key occurs twice among {printable_line(', '.join(key for key, _ in pairs)):.300}")
    return content
