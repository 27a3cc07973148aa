"""Read images beside the encoder: on threads, or for a GPU in processes.

Threads share the interpreter, so that they stop getting faster at a few cores. That is enough for an encoder on the
CPU, but not for a GPU. Processes use every core. They take a moment to start, so that few images are read on threads.
Processes write pixels into memory that they share with this process. It is not taken from ``/dev/shm``, which is small
in many containers. They start each other: torch's DataLoader would start them one by one, each by a copy of a process
that uses a GPU, which takes as long as all the reading.
"""

from __future__ import annotations

import collections
import contextlib
import math
import mmap
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch

from microbench_adapters.models.execution import num_cores

if TYPE_CHECKING:
    from collections.abc import Hashable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

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
# At the end of the interpreter, a process that hangs in a file system is not waited for any longer.
_SECONDS_TO_END = 5


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
    return is_worth_it and "fork" in multiprocessing.get_all_start_methods()


class ReadingProcesses(Generic[Job]):
    """The images of ``map(load, jobs)`` in order, read in processes, which begin at once.

    Iterate over it once; then, or instead, call `close`.

    Args:
        load: reads an image.
        jobs: what to call it with.
        example: the inputs of any image: one tensor, whose shape and type are those of all images.
        num_held: images that the caller uses at a time: their inputs are overwritten afterwards.
        num_processes: by default one for each core but the one that feeds the device.
    """

    def __init__(
        self,
        load: Callable[[Job], LoadedImage],
        jobs: Sequence[Job],
        example: dict[str, torch.Tensor],
        num_held: int,
        num_processes: int | None = None,
    ) -> None:
        ((self._name, tensor),) = example.items()
        self._num_units = math.ceil(len(jobs) / _IMAGES_PER_UNIT)
        count = max(1, min(num_processes or num_cores() - 1, _MOST_PROCESSES, self._num_units))
        num_slots = count * _UNITS_AHEAD + math.ceil(num_held / _IMAGES_PER_UNIT) + 2
        shape = (num_slots, _IMAGES_PER_UNIT, *tensor.shape)
        memory = mmap.mmap(-1, math.prod(shape) * tensor.element_size())
        self._slots = torch.frombuffer(memory, dtype=tensor.dtype).reshape(shape)
        # Only a forked process gets the documents and the preprocessing as they are here.
        fork = multiprocessing.get_context("fork")
        pipes = [fork.Pipe() for _ in range(count)]
        self._ends = [own for own, _ in pipes]
        first = fork.Process(target=_read_units, args=(pipes, 0, count, _Units(load, jobs, self._slots)))
        first.start()
        for _, theirs in pipes:
            theirs.close()
        # At the end of the interpreter, too, which waits for processes: first they learn of it.
        self.close = Finalize(self, _close, args=(self._ends,), exitpriority=1)
        Finalize(None, _kill_if_late, args=(first,), exitpriority=0)
        for number in range(count * _UNITS_AHEAD):
            self._ask_for(number)
        self._next_unit = 0
        self._received: collections.deque[LoadedImage | _Failure] = collections.deque()

    def is_ready(self) -> bool:
        """Tell whether the iteration would go on, or end, at once."""
        is_over = self._next_unit == self._num_units
        return bool(self._received) or is_over or self._end_of(self._next_unit).poll()

    def __iter__(self) -> Iterator[LoadedImage]:
        """Yield the images.

        Raises:
            RuntimeError: a process died.
            Exception: what ``load`` raised.
        """
        for number in range(self._num_units):
            slot = self._slots[number % len(self._slots)]
            self._received.extend(self._receive(number))
            for position in range(len(self._received)):
                image = self._received.popleft()
                if isinstance(image, _Failure):
                    raise image.error
                is_read = image.vector is None
                yield replace(image, inputs={self._name: slot[position]}) if is_read else image

    def _receive(self, number: int) -> list[LoadedImage | _Failure]:
        """Wait for a unit, and ask its process for a further one."""
        try:
            images = self._end_of(number).recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(
                "A process that reads images died. If the system ended it, memory ran out: "
                "give the run more memory, or fewer cores (taskset)."
            ) from error
        self._next_unit = number + 1
        self._ask_for(number + len(self._ends) * _UNITS_AHEAD)
        return images

    def _end_of(self, number: int) -> Connection:
        return self._ends[number % len(self._ends)]

    def _ask_for(self, number: int) -> None:
        if number < self._num_units:
            # Of a process that died, the next answer is missed.
            with contextlib.suppress(OSError):
                self._end_of(number).send(number)


def _close(ends: list[Connection]) -> None:
    """End the processes: without a connection each stops after the unit that it reads.

    Nobody waits for it, as to free the memory of a large process takes long.
    """
    for end in ends:
        end.close()


def _kill_if_late(process: BaseProcess) -> None:
    process.join(_SECONDS_TO_END)
    process.kill()


def _read_units(pipes: list[tuple[Connection, Connection]], first: int, end: int, units: _Units) -> None:
    """Read units as the process number ``first``, once those from it to before ``end`` run.

    Each process starts half of those that are left to it: to copy a large process takes long, and so all run after a
    few copies and not after one for each.
    """
    _leave_signals_to_the_main_process()
    others = []
    while end - first > 1:
        middle = (first + end) // 2
        others.append(multiprocessing.get_context("fork").Process(target=_read_units, args=(pipes, middle, end, units)))
        others[-1].start()
        end = middle
    # Whoever waits at the other end of a pipe learns that a process died only if nobody else keeps this end.
    for number, (ours, theirs) in enumerate(pipes):
        ours.close()
        if number != first:
            theirs.close()
    # One thread for each process, as there is one process for each core.
    torch.set_num_threads(1)
    connection = pipes[first][1]
    # Closed by the main process, or by its end.
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(units[connection.recv()])
    for other in others:
        other.join()


class _Units(Generic[Job]):
    """Units of jobs, whose images are written into shared memory."""

    def __init__(self, load: Callable[[Job], LoadedImage], jobs: Sequence[Job], slots: torch.Tensor) -> None:
        self._load = load
        self._jobs = jobs
        self._slots = slots

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


def _leave_signals_to_the_main_process() -> None:
    """Ignore Ctrl-C, which the main process gets, too, and end at once when told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
