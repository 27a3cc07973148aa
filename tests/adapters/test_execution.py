"""Claims about how models work through their inputs."""

import ctypes
import subprocess
import sys

import pytest

from microbench_adapters import execution

# Bytes of one block, less than the 32 MiB that glibc can be told to keep in any version.
BLOCK = 24 * 2**20
BLOCKS = 40
GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")


def pages_asked_for(then):
    """The new pages that the system handed to a process in which 40 blocks of 24 MiB are filled, one after another.

    From 128 KiB on, blocks are first set to be asked for by themselves.
    """
    code = (
        "import ctypes, resource, torch\n"
        "from microbench_adapters import execution\n"
        f"ctypes.CDLL(None).mallopt({execution._MMAP_THRESHOLD}, {128 * 2**10})\n"
        f"{then}\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        f"for _ in range({BLOCKS}): torch.ones({BLOCK}, dtype=torch.uint8)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="another C library than glibc")
def test_the_memory_of_one_batch_is_used_again_for_the_next():
    # The first few still take new pages, until neighbours that are free make a block that is large enough.
    assert pages_asked_for("execution.keep_freed_memory()") < 0.5 * pages_asked_for("")


@pytest.mark.parametrize(
    ("accepted", "calls"),
    [
        (lambda size: 1, [(-3, 2**30), (-1, 2**30)]),
        (lambda size: int(size <= 2**25), [(-3, 2**30), (-3, 2**25), (-1, 2**30)]),
        (lambda size: 0, [(-3, 2**30), (-3, 2**25)]),
    ],
    ids=["any size", "as before glibc 2.35", "none"],
)
def test_memory_is_kept_only_if_the_library_takes_the_size_of_blocks(accepted, calls, monkeypatch):
    made = []

    class Library:
        @staticmethod
        def mallopt(parameter, size):
            made.append((parameter, size))
            return accepted(size)

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    execution.keep_freed_memory()
    assert made == calls


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    execution.keep_freed_memory()
