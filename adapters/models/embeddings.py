"""Keep embeddings on disk between runs.

A folder contains one folder for each model, named by a hash of everything that a vector depends on. In it are files of
vectors, each written in one step and never changed. So a killed run leaves only complete files, and concurrent runs
write beside each other without a lock, on network file systems too. Vectors are found by the content of the image or
text, not by its origin.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

# Goes up when the form of the files or of the content's hashes changes.
_VERSION = 2
_DIGEST_BYTES = 16
# A file is written when this many vectors are new, or after a batch when the last was written so many seconds ago:
# the most that a kill can cost, beside the batch that is encoded at that moment.
_VECTORS_PER_FILE = 512
_SECONDS_PER_FILE = 2.0


class Embeddings:
    """Unit vectors of one model by the content of an image or text.

    Args:
        folder: of all models' embeddings; created if it does not exist.
        identity: everything that a vector depends on beside its content, as JSON values.
        kind: what is encoded, ``images`` or ``texts``.

    Raises:
        ValueError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], kind: str) -> None:
        text = json.dumps({"version": _VERSION, **identity}, sort_keys=True)
        model = folder / hashlib.sha256(text.encode()).hexdigest()[:32]
        self._folder = model / kind
        self._known: dict[bytes, np.ndarray] = {}
        self._new: dict[bytes, np.ndarray] = {}
        self._written_at = time.monotonic()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(model / "model.json", text.encode())
            for path in sorted(self._folder.glob("*.npz")):
                self._known.update(_read(path))
        except OSError as error:
            raise ValueError(
                f"cache_dir={folder}: expected a folder that can be read and written: {error}. "
                "Name another, or leave cache_dir out."
            ) from error

    def __len__(self) -> int:
        return len(self._known)

    def get(self, content: bytes) -> np.ndarray | None:
        """Return the vector, shape (D,), of the content with this digest; None if it is not known."""
        return self._known.get(content)

    def add(self, content: bytes, vector: np.ndarray) -> None:
        """Add the vector, shape (D,), of the content with this digest; write a file when enough are new."""
        self._known[content] = self._new[content] = vector
        if len(self._new) >= _VECTORS_PER_FILE:
            self.write()

    def end_batch(self) -> None:
        """Write the new vectors if the last file is some seconds old; call it after each batch."""
        if time.monotonic() - self._written_at >= _SECONDS_PER_FILE:
            self.write()

    def write(self) -> None:
        """Write the new vectors; if the disk is full or gone, the run goes on without them."""
        if not self._new:
            return
        buffer = io.BytesIO()
        keys = np.frombuffer(b"".join(self._new), dtype=np.uint8).reshape(len(self._new), _DIGEST_BYTES)
        np.savez(buffer, keys=keys, vectors=np.stack(list(self._new.values())))
        self._new.clear()
        self._written_at = time.monotonic()
        try:
            write_atomically(self._folder / f"{uuid.uuid4().hex}.npz", buffer.getvalue())
        except OSError as error:
            logger.warning(f"{self._folder}: embeddings could not be kept: {error}. The run goes on without.")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in one step: readers see all of it or nothing."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def digest(*parts: bytes) -> bytes:
    """Return the key of content: equal for equal parts."""
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    return state.digest()


def _read(path: Path) -> dict[bytes, np.ndarray]:
    """Return the vectors of one file by digest; none of an incomplete file, as after a power failure."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            keys, vectors = stored["keys"], stored["vectors"]
        if keys.shape != (len(vectors), _DIGEST_BYTES) or vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ValueError(f"keys {keys.shape} and vectors {vectors.shape}")
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning(
            f"{path}: not a whole file of embeddings ({type(error).__name__}: {error}); "
            "what it held is encoded again. It can be deleted."
        )
        return {}
    return dict(zip((key.tobytes() for key in keys), vectors, strict=True))
