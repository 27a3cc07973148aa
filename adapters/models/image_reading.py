"""Read images beside the encoder: on threads, or for a GPU in processes.

Threads share the interpreter, so that they stop getting faster at a few cores. That is enough for an encoder on the
CPU, but not for a GPU. Processes use every core. They take a moment to start, so that few images are read on threads.
They write pixels into memory that they share with this process. It is not taken from ``/dev/shm``, which is small in
many containers.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from microbench_adapters.models.execution import num_cores

if TYPE_CHECKING:
    from collections.abc import Hashable

Job = TypeVar("Job")

# Images that one process reads at a time.
_IMAGES_PER_UNIT = 8
# Units that wait for each process.
_UNITS_AHEAD = 4
# Threads read this many in the time that processes take to start.
FEWEST_FOR_PROCESSES = 1000
# With fewer cores, threads are as fast.
_FEWEST_CORES = 4
_MOST_PROCESSES = 32
# What torch calls a reading process in the error that one has died.
_NAME_IN_TORCH = "DataLoader worker"


@dataclass(frozen=True)
class LoadedImage:
    """An image as the readers return it.

    Attributes:
        key: equal for equal images.
        content: digest of the image; empty where nobody asks for it.
        inputs: the encoder's inputs before they are normalized, without a batch dimension; empty beside a vector.
        vector: of an image that was encoded before.
    """

    key: Hashable
    content: bytes
    inputs: dict[str, torch.Tensor]
    vector: np.ndarray | None = None


def use_processes(num_images: int, device: torch.device) -> bool:
    """Tell whether images for an encoder on ``device`` should be read in processes."""
    is_worth_it = device.type == "cuda" and num_images >= FEWEST_FOR_PROCESSES and num_cores() >= _FEWEST_CORES
    # Only a forked process gets the documents and the preprocessing as they are here.
    return is_worth_it and "fork" in multiprocessing.get_all_start_methods()


def read_in_processes(
    load: Callable[[Job], LoadedImage],
    jobs: Sequence[Job],
    example: dict[str, torch.Tensor],
    num_held: int,
    num_processes: int | None = None,
) -> Iterator[LoadedImage]:
    """Yield ``map(load, jobs)`` in order, computed in processes.

    Args:
        load: reads an image.
        jobs: what to call it with.
        example: the inputs of any image: one tensor, whose shape and type are those of all images.
        num_held: images that the caller uses at a time: their inputs are overwritten afterwards.
        num_processes: by default one for each core but the one that feeds the device.

    Raises:
        RuntimeError: a process died.
        Exception: what ``load`` raised.
    """
    ((name, tensor),) = example.items()
    num_units = math.ceil(len(jobs) / _IMAGES_PER_UNIT)
    processes = min(num_processes or num_cores() - 1, _MOST_PROCESSES, num_units)
    num_slots = processes * _UNITS_AHEAD + math.ceil(num_held / _IMAGES_PER_UNIT) + 2
    shape = (num_slots, _IMAGES_PER_UNIT, *tensor.shape)
    memory = mmap.mmap(-1, math.prod(shape) * tensor.element_size())
    slots = torch.frombuffer(memory, dtype=tensor.dtype).reshape(shape)
    units = DataLoader(
        _Units(load, jobs, slots),
        # A unit is what the processes get and return.
        batch_size=None,
        collate_fn=_unchanged,
        num_workers=processes,
        prefetch_factor=_UNITS_AHEAD,
        multiprocessing_context="fork",
        worker_init_fn=_leave_signals_to_the_main_process,
    )
    for number, images in enumerate(units):
        for position, image in enumerate(images):
            if isinstance(image, _Failure):
                raise image.error
            is_read = image.vector is None
            yield replace(image, inputs={name: slots[number % num_slots, position]}) if is_read else image


@contextlib.contextmanager
def explained_deaths() -> Iterator[None]:
    """Explain the error of torch that a reading process died; it is raised wherever the main process is."""
    try:
        yield
    except RuntimeError as error:
        if _NAME_IN_TORCH not in str(error):
            raise
        raise RuntimeError(
            f"A process that reads images died ({str(error).rstrip('.')}). If the system ended it, memory ran out: "
            "give the run more memory, or fewer cores (taskset)."
        ) from error


class _Units(Dataset, Generic[Job]):
    """Units of jobs, whose images are written into shared memory."""

    def __init__(self, load: Callable[[Job], LoadedImage], jobs: Sequence[Job], slots: torch.Tensor) -> None:
        self._load = load
        self._jobs = jobs
        self._slots = slots

    def __len__(self) -> int:
        return math.ceil(len(self._jobs) / _IMAGES_PER_UNIT)

    def __getitem__(self, number: int) -> list[LoadedImage | _Failure]:
        """Read the images of a unit up to the first that fails."""
        slot = self._slots[number % len(self._slots)]
        start = number * _IMAGES_PER_UNIT
        images: list[LoadedImage | _Failure] = []
        for position, job in enumerate(self._jobs[start : start + _IMAGES_PER_UNIT]):
            try:
                image = self._load(job)
            except Exception as error:
                return [*images, _Failure(_portable(error))]
            for pixels in image.inputs.values():
                slot[position] = pixels
            images.append(replace(image, inputs={}))
        return images


@dataclass(frozen=True)
class _Failure:
    """An error of a reading process, for the main process."""

    error: Exception


def _portable(error: Exception) -> Exception:
    """Return the error itself, or its text if it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    # Whatever a class of errors does when it is copied.
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _unchanged(images: list[LoadedImage | _Failure]) -> list[LoadedImage | _Failure]:
    return images


def _leave_signals_to_the_main_process(_: int) -> None:
    """Ignore Ctrl-C, which the main process gets, too, and end at once when told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
