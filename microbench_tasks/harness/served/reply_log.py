"""Log the replies of a server to disk one by one, so that later runs do not ask for them again."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.harness.served import replies

# Name of the folder with the logs, inside the folder of --use_cache.
FOLDER = "microbench_replies"
_SHRUNK = "shrunk"


class ReplyLog:
    """Write-ahead log of replies, keyed by a hash of the request: one file of JSON lines for each run.

    Damaged lines are listed in a warning and skipped: their questions are asked again.

    Args:
        folder: contains the files of all runs; created if missing.
        takes_shrunk: whether to use answers about downscaled images.

    Attributes:
        num_known: number of replies in the files of earlier runs.

    Raises:
        OSError: the folder is not writable.
    """

    def __init__(self, folder: Path, *, takes_shrunk: bool = False) -> None:
        self._known: dict[str, list[dict[str, Any]]] = {}
        self._takes_shrunk = takes_shrunk
        self._folder = folder
        self._path = folder / f"{uuid.uuid4().hex}.jsonl"
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.jsonl")):
            self._read(path)
        self.num_known = sum(map(len, self._known.values()))
        self._file = self._path.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close this run's file, and remove it if nothing was written."""
        with self._lock:
            self._file.close()
            if not self._path.stat().st_size:
                self._path.unlink()

    def pop(self, key: str) -> dict[str, Any] | None:
        """Remove and return the next known reply to a question; None if there is none left."""
        with self._lock:
            return self._known[key].pop(0) if self._known.get(key) else None

    def append(self, key: str, reply: Mapping[str, Any], *, is_shrunk: bool = False) -> None:
        """Append a plain reply, and flush it to disk before returning.

        Raises:
            OSError: the file cannot be written.
        """
        line = json.dumps({"key": key, "reply": reply} | ({_SHRUNK: True} if is_shrunk else {})) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self, path: Path) -> None:
        damaged = []
        try:
            # As bytes, since a damaged line may not be valid UTF-8.
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            logger.warning(f"{path}: answers of an earlier run cannot be read ({error}). They are asked for again.")
            return
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                key, reply, is_shrunk = _parse_line(line)
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged.append(number)
                continue
            if self._takes_shrunk or not is_shrunk:
                self._known.setdefault(key, []).append(reply)
        if damaged:
            shown = ", ".join(map(str, damaged[:10])) + (", …" if len(damaged) > 10 else "")
            logger.warning(
                f"{path}: {len(damaged)} damaged line(s) left out (line {shown}). Their questions are asked again."
            )


def _parse_line(line: bytes) -> tuple[str, dict[str, Any], bool]:
    entry = json.loads(line.decode("utf-8"))
    key = entry["key"]
    reply = replies.plain_reply(entry["reply"])
    if not isinstance(key, str) or not replies.has_answer(reply):
        raise TypeError("no reply")
    return key, reply, entry.get(_SHRUNK) is True


def key_of(base_url: str, payload: Mapping[str, Any]) -> str | None:
    """Return a hash of the question, its image and the server; None if the answer is sampled (temperature above 0)."""
    if payload.get("temperature"):
        return None
    asked = json.dumps([base_url, payload], sort_keys=True, default=repr)
    return hashlib.sha256(asked.encode()).hexdigest()
