"""How every model here works through its inputs: where, in batches of which size, reading how far ahead."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from loguru import logger

Job = TypeVar("Job")
Done = TypeVar("Done")

# Threads that decode and resize, no more than this process has cores; a GPU needs no more than these.
_MOST_READERS = 16
# Parameters of mallopt(3) in glibc, and the largest block, in bytes, that is not mapped by itself; older glibcs refuse the first.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MMAP_SIZES = (2**30, 2**25)


def positive(batch_size: int | str) -> int:
    """A batch size as a number.

    Raises:
        ValueError: it is not a positive integer.
    """
    try:
        # Through text, so that 2.5 is refused and not cut to 2.
        size = int(str(batch_size))
    except ValueError:
        size = 0
    if size < 1:
        raise ValueError(f"batch_size: expected a positive integer, got {batch_size!r}.")
    return size


def chosen_device(device: str | None) -> torch.device:
    """The asked-for device, by default a GPU if there is one; a bare ``cuda`` is the GPU of this process among its siblings.

    Raises:
        ValueError: the device is not there.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device}: torch knows no such device. Use cpu, cuda or cuda:0.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device}: this installation of torch sees no GPU. Use device=cpu.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device}: there are {torch.cuda.device_count()} GPUs, numbered from 0. Start no more processes than GPUs, or use device=cpu."
        )
    logger.debug(f"Running on {chosen}")
    return chosen


def keep_freed_memory() -> None:
    """Let this process use the memory of one batch's tensors again for the next.

    glibc otherwise gives large blocks back to the system at once and asks for new, empty pages, batch
    after batch, which shows in an encoder's time on the CPU. From the call on, freed memory mostly
    stays with the process. Other C libraries are left as they are.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        # The one without the other would do harm: by itself, either ends glibc's own adaptation.
        if any(mallopt(_MMAP_THRESHOLD, size) for size in _MMAP_SIZES):
            mallopt(_TRIM_THRESHOLD, _MMAP_SIZES[0])


def read_ahead(load: Callable[[Job], Done], jobs: Iterable[Job], ahead: int) -> Iterator[Done]:
    """``map(load, jobs)`` on threads, in order, at most ``ahead`` results waiting."""
    with ThreadPoolExecutor(max_workers=min(_MOST_READERS, _cores())) as pool:
        waiting: collections.deque[Future] = collections.deque()
        for job in jobs:
            waiting.append(pool.submit(load, job))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _cores() -> int:
    # Not every system can say which of its cores are this process's.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def batches(items: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """Lists of ``size`` items, the last one of what is left."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Single precision in full on GPUs: TensorFloat-32 has three digits, and other models of the harness switch it on."""
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before


def documents(task: Any, split: str, doc_ids: list[int]) -> Iterator[dict[str, Any]]:
    """The documents of a harness task without their images, converted in one go."""
    columns = task.dataset_no_image[split][doc_ids]
    return (dict(zip(columns, values)) for values in zip(*columns.values()))
