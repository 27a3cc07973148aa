"""Keep the replies of a server on disk, one by one, so that no later run asks for them again."""

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

from microbench_tasks.served import replies

# The folder of the logs in the one that --use_cache names.
FOLDER = "microbench_replies"
_SHRUNK = "shrunk"


class ReplyLog:
    """Replies by a hash of what was asked: JSON lines, a file for each run, each line on disk before it is used.

    Lines that cannot be read are named in a warning and left out: their questions are asked again.

    Args:
        folder: contains the files of all runs; made if missing.
        takes_shrunk: whether answers to images that were made smaller count.

    Attributes:
        num_known: replies that the files contain.

    Raises:
        OSError: the folder cannot be written.
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
        """Return the next known reply to a question, each once; None if there is no more."""
        with self._lock:
            return self._known[key].pop(0) if self._known.get(key) else None

    def append(self, key: str, reply: Mapping[str, Any], *, is_shrunk: bool = False) -> None:
        """Add a plain reply; it is on disk when this returns.

        Raises:
            OSError: it cannot be written; says where.
        """
        line = json.dumps({"key": key, "reply": reply} | ({_SHRUNK: True} if is_shrunk else {})) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self, path: Path) -> None:
        damaged = []
        try:
            # In bytes, since a damaged line may contain anything.
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            logger.warning(f"{path}: answers of an earlier run cannot be read ({error}). They are asked for again.")
            return
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                key, reply, is_shrunk = _noted(line)
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


def _noted(line: bytes) -> tuple[str, dict[str, Any], bool]:
    noted = json.loads(line.decode("utf-8"))
    key = noted["key"]
    reply = replies.plain_reply(noted["reply"])
    if not isinstance(key, str) or not replies.has_answer(reply):
        raise TypeError("no reply")
    return key, reply, noted.get(_SHRUNK) is True


def key_of(base_url: str, payload: Mapping[str, Any]) -> str | None:
    """Return a hash of the question, its image and the server; None where the answer is drawn at random."""
    if payload.get("temperature"):
        return None
    asked = json.dumps([base_url, payload], sort_keys=True, default=repr)
    return hashlib.sha256(asked.encode()).hexdigest()
