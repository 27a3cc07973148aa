"""Keep resized images: in memory for the next model of a process, and on disk for the next run.

Decoding and resizing take most of a run on a GPU. Models of one input size mostly resize in the same way, so what one
has resized is ready for the next. Pixels are found by everything that they depend on: the resizing with the versions
of its libraries, and the image.

On disk there is one folder for each resizing. Its files are written in one step and never changed, as in `embeddings`:
a killed run leaves only complete files, and runs beside each other need no lock. They are memory-mapped, so that
pixels are read when they are needed, and runs beside each other share them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from loguru import logger
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from microbench_adapters.models.embeddings import write_atomically

# Goes up when the form of the files or of the content's digests changes.
_VERSION = 1
# Of one file: about 77 MB at 224 x 224 pixels.
_IMAGES_PER_FILE = 512
# The end of the names of files that are being written.
_DRAFT = ".draft"
# A draft that no process has written to for so long is one of a killed run, in seconds.
_ABANDONED = 3600
# The most memory for pixels: this share of what the machine has free at the start, and no more than this in bytes, as a
# container or a job may have less than the machine.
_SHARE_OF_MEMORY = 0.25
_MOST_MEMORY = 4 * 2**30
_memory: PixelMemory | None = None


class PixelMemory:
    """Pixels by resizing and image, until their limit is reached.

    Args:
        max_bytes: the limit.
    """

    def __init__(self, max_bytes: int) -> None:
        self._free_bytes = max_bytes
        self._known: dict[Hashable, tuple[torch.Tensor, bytes]] = {}

    def get(self, key: Hashable) -> tuple[torch.Tensor | None, bytes]:
        """Return the pixels, shape (3, height, width), and the digest of an image; None and nothing if not known."""
        return self._known.get(key, (None, b""))

    def add(self, keys: Sequence[Hashable], contents: Sequence[bytes], pixels: torch.Tensor) -> None:
        """Add N images that are not known yet, if there is room for all of them.

        Args:
            keys: of the images.
            contents: their digests; empty where they were not asked for.
            pixels: shape (N, 3, height, width); they are copied.
        """
        new = [row for row, key in enumerate(keys) if key not in self._known or contents[row] and not self.get(key)[1]]
        num_bytes = len(new) * pixels[0].nbytes
        if new and num_bytes <= self._free_bytes:
            copied = pixels[new]
            self._free_bytes -= num_bytes
            self._known.update((keys[row], (copied[place], contents[row])) for place, row in enumerate(new))


@contextlib.contextmanager
def shared(max_bytes: int | None = None) -> Iterator[None]:
    """Keep resized pixels in memory within this context, for further models that resize in the same way.

    Args:
        max_bytes: of memory that they may take; by default a quarter of what is free now, and at most 4 GiB.
    """
    global _memory
    before = _memory
    if max_bytes is None:
        max_bytes = min(_MOST_MEMORY, int(_SHARE_OF_MEMORY * psutil.virtual_memory().available))
    _memory = PixelMemory(max_bytes)
    try:
        yield
    finally:
        _memory = before


def memory() -> PixelMemory | None:
    """Return the pixels in memory; None outside of `shared`."""
    return _memory


class PixelFiles:
    """Pixels on disk, by the digest of the image.

    Args:
        folder: of the pixels of all resizings; created if it does not exist.
        identity: everything that pixels depend on beside the image, as JSON values.

    Raises:
        ValueError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        text = json.dumps({"version": _VERSION, **identity}, sort_keys=True)
        self._folder = folder / hashlib.sha256(text.encode()).hexdigest()[:32]
        self._place_of: dict[bytes, tuple[torch.Tensor, int]] = {}
        # Of images since the last file; of all images.
        self._new: list[tuple[list[bytes], torch.Tensor]] = []
        self._known: set[bytes] = set()
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            write_atomically(self._folder / "resizing.json", f"{text}\n".encode())
            for path in sorted(self._folder.glob("*.safetensors")):
                self._place_of.update(_read(path))
            self._known.update(self._place_of)
        except OSError as error:
            raise ValueError(
                f"pixels_dir={folder}: expected a folder that can be read and written: {error}. "
                "Name another, or leave pixels_dir out."
            ) from error

    def __len__(self) -> int:
        return len(self._place_of)

    def get(self, content: bytes) -> torch.Tensor | None:
        """Return the pixels, shape (3, height, width), of the image with this digest; None if they are not known."""
        place = self._place_of.get(content)
        return None if place is None else place[0][place[1]]

    def add(self, contents: Sequence[bytes], pixels: torch.Tensor) -> None:
        """Add images that are not known yet; write a file when enough are new.

        Args:
            contents: the digests of N images.
            pixels: shape (N, 3, height, width); they are copied.
        """
        new = [row for row, content in enumerate(contents) if content not in self._known]
        if new:
            self._new.append(([contents[row] for row in new], pixels[new]))
            self._known.update(contents)
        if sum(len(contents) for contents, _ in self._new) >= _IMAGES_PER_FILE:
            self.write(wait=False)

    def write(self, wait: bool = True) -> None:
        """Write the new pixels, on a thread; if the disk is full or gone, the run goes on without them.

        Args:
            wait: return when all is written.
        """
        # One file is written at a time, so that no more than two wait in memory.
        if self._writing is not None:
            self._writing.result()
            self._writing = None
        if self._new:
            contents = b"".join(content for part, _ in self._new for content in part)
            pixels = torch.cat([part for _, part in self._new])
            self._new.clear()
            self._writing = self._writer.submit(self._write_file, contents, pixels)
        if wait and self._writing is not None:
            self._writing.result()

    def _write_file(self, contents: bytes, pixels: torch.Tensor) -> None:
        keys = torch.frombuffer(bytearray(contents), dtype=torch.uint8).reshape(len(pixels), -1)
        name = uuid.uuid4().hex
        draft = self._folder / f"{name}{_DRAFT}"
        try:
            save_file({"keys": keys, "pixels": pixels}, draft)
            os.replace(draft, self._folder / f"{name}.safetensors")
        except (OSError, SafetensorError) as error:
            logger.warning(
                f"{self._folder}: pixels could not be kept: {error}. The run goes on and does not keep them."
            )
        finally:
            draft.unlink(missing_ok=True)

    def _remove_abandoned(self) -> None:
        """Remove drafts of killed runs."""
        for draft in self._folder.glob(f"*{_DRAFT}"):
            # Another run may rename or remove it at this moment.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > _ABANDONED:
                    draft.unlink()


def _read(path: Path) -> dict[bytes, tuple[torch.Tensor, int]]:
    """Return the place of each image in one file; none of an incomplete file, as after a power failure."""
    try:
        with safe_open(path, framework="pt") as stored:
            keys, pixels = stored.get_tensor("keys").numpy(), stored.get_tensor("pixels")
        if keys.ndim != 2 or pixels.ndim != 4 or len(keys) != len(pixels) or pixels.dtype != torch.uint8:
            raise ValueError(f"keys {keys.shape} and pixels {tuple(pixels.shape)}")
    except (ValueError, SafetensorError) as error:
        logger.warning(
            f"{path}: not a whole file of pixels ({type(error).__name__}: {error}); "
            "what it held is resized again. It can be deleted."
        )
        return {}
    return {np.ascontiguousarray(key).tobytes(): (pixels, row) for row, key in enumerate(keys)}
