"""Claims about how models work through their inputs."""

from types import SimpleNamespace

import pytest
import torch

from microbench_adapters.models import execution

GIB = 2**30


@pytest.mark.parametrize(
    ("per_item", "free", "expected"),
    [
        # Half of 8 GiB holds 64 items of 64 MiB; half of 9 GiB 72 of them, of which 64 is a power of two.
        (GIB // 16, 8 * GIB, 64),
        (GIB // 16, 9 * GIB, 64),
        # More than are worth it, and not even one.
        (1000, 80 * GIB, 256),
        (8 * GIB, 2 * GIB, 1),
    ],
)
def test_a_batch_fits_into_half_of_a_gpus_free_memory(per_item, free, expected, monkeypatch):
    peak = 0

    def encode(size):
        nonlocal peak
        # What every batch takes, whatever its size, and what each item takes.
        peak = 5 * GIB + size * per_item

    fake = SimpleNamespace(
        reset_peak_memory_stats=lambda device: None,
        memory_allocated=lambda device: GIB,
        memory_reserved=lambda device: 3 * GIB,
        max_memory_allocated=lambda device: peak,
        # What the allocator holds unused is free, too.
        mem_get_info=lambda device: (free - 2 * GIB, 80 * GIB),
    )
    monkeypatch.setattr(execution.torch, "cuda", fake)
    assert execution.fitting_batch_size(encode, torch.device("cuda")) == expected


def test_a_batch_that_does_not_fit_after_all_is_halved_until_it_does(monkeypatch):
    tried = []

    def encode(size):
        tried.append(size)
        if size > 50:
            raise torch.cuda.OutOfMemoryError("of another program")

    fake = SimpleNamespace(
        reset_peak_memory_stats=lambda device: None,
        memory_allocated=lambda device: 0,
        memory_reserved=lambda device: 0,
        max_memory_allocated=lambda device: 0,
        mem_get_info=lambda device: (80 * GIB, 80 * GIB),
        OutOfMemoryError=torch.cuda.OutOfMemoryError,
    )
    monkeypatch.setattr(execution.torch, "cuda", fake)
    assert execution.fitting_batch_size(encode, torch.device("cuda")) == 32
    assert tried == [2, 10, 256, 128, 64, 32]
