"""Claims about how models work through their inputs."""

import ctypes
import subprocess
import sys

import pytest

from microbench_adapters import execution

# Bytes of one block: glibc asks the system for blocks from 32 MiB on each time, unless it is told not to.
BLOCK = 64 * 2**20
BLOCKS = 40


def bytes_asked_for(first):
    """The memory in new pages that the system handed to a process in which 40 blocks of 64 MiB are filled, one after another."""
    code = (
        "import resource, torch\n"
        "from microbench_adapters import execution\n"
        f"{first}\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        f"for _ in range({BLOCKS}): torch.ones({BLOCK}, dtype=torch.uint8)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, resource.getpagesize())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    faults, page = map(int, done.stdout.split())
    return faults * page


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_the_memory_of_one_batch_is_used_again_for_the_next():
    assert bytes_asked_for("") > 0.9 * BLOCKS * BLOCK
    # The first few still take new pages, until neighbours that are free make a block that is large enough.
    assert bytes_asked_for("execution.keep_freed_memory()") < 0.5 * BLOCKS * BLOCK


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    execution.keep_freed_memory()
