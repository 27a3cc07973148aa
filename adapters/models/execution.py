"""How every model works through its inputs: on which device, in batches of which size, prefetching how much."""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from loguru import logger

Job = TypeVar("Job")
Result = TypeVar("Result")

# Threads that decode and resize. They are never more than this process has cores; a GPU needs no more than these.
_MAX_THREADS = 16
# More together are encoded no faster.
MOST_ON_GPU = 256
_MEASURED_SIZES = (2, 10)
# The rest is for what the libraries allocate beside the tensors, and for other processes.
_SHARE_OF_GPU_MEMORY = 0.5


def parse_batch_size(batch_size: int | str) -> int:
    """Parse a batch size.

    Raises:
        ValueError: it is not a positive integer.

    >>> parse_batch_size("8")
    8
    """
    try:
        # Through text, so that 2.5 is refused and not rounded to 2.
        size = int(str(batch_size))
    except ValueError:
        size = 0
    if size < 1:
        raise ValueError(f"batch_size: expected a positive integer, got {batch_size!r}.")
    return size


def fitting_batch_size(encode: Callable[[int], object], device: torch.device) -> int:
    """Return how many items a GPU can encode together, by the memory that it takes for a few, and try it.

    Args:
        encode: encodes this many items on the device.
        device: a GPU.

    Returns:
        A power of two, at most `MOST_ON_GPU`.
    """
    peaks = []
    for size in _MEASURED_SIZES:
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        encode(size)
        peaks.append(torch.cuda.max_memory_allocated(device) - before)
    per_item = max(1, (peaks[1] - peaks[0]) / (_MEASURED_SIZES[1] - _MEASURED_SIZES[0]))
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + unused
    fitting = int(_SHARE_OF_GPU_MEMORY * free / per_item)
    size = min(MOST_ON_GPU, 2 ** max(0, fitting.bit_length() - 1))
    # Other programs may take memory of the GPU meanwhile. What is allocated now need not be allocated in the run.
    while size > 1:
        try:
            encode(size)
            break
        except torch.cuda.OutOfMemoryError:
            size //= 2
    return size


def resolve_device(device: str | None) -> torch.device:
    """Return the device to run on.

    Args:
        device: by default a GPU if there is one, else the CPU. A bare ``cuda`` is the GPU of this process of the run.

    Raises:
        ValueError: the device does not exist.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device}: torch knows no such device. Use cpu, cuda or cuda:0.") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device}: this installation of torch sees no GPU. Use device=cpu.")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device}: there are {torch.cuda.device_count()} GPUs, numbered from 0. "
            "Start no more processes than GPUs, or use device=cpu."
        )
    logger.debug(f"Running on {resolved}")
    return resolved


def prefetch_map(
    load: Callable[[Job], Result], jobs: Iterable[Job], max_ahead: int, num_threads: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``map(load, jobs)`` in order, computed on threads, with at most ``max_ahead`` results waiting."""
    with ThreadPoolExecutor(max_workers=num_threads or min(_MAX_THREADS, num_cores())) as pool:
        waiting: collections.deque[Future[Result]] = collections.deque()
        for job in jobs:
            waiting.append(pool.submit(load, job))
            if len(waiting) >= max_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def num_cores() -> int:
    """Return the number of cores for this process: its share of those that the run's processes here may use."""
    # Only Linux can say which.
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, available // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def batches(items: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """Yield lists of ``size`` items; the last list may be shorter.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Switch TensorFloat-32 off on GPUs: it has three digits, and other models of the harness switch it on."""
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before
