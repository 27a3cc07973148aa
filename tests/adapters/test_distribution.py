"""Claims about the work that the processes of a run share."""

import subprocess
import sys

import pytest
import torch

from microbench_adapters.models import distribution


def test_the_group_of_processes_is_ended_when_a_process_exits(tmp_path):
    """`torch` warns, and processes now and then abort, where a group outlives its process's code."""
    program = (
        "import torch, atexit\n"
        "from microbench_adapters.models import distribution\n"
        "atexit.register(lambda: print('at exit', torch.distributed.is_initialized()))\n"
        "distribution.end_group_at_exit(); distribution.end_group_at_exit()\n"
        f"torch.distributed.init_process_group('gloo', init_method='file://{tmp_path}/store', rank=0, world_size=1)\n"
        "print('before', torch.distributed.is_initialized())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    # The last registered runs first.
    assert done.stdout.split("\n")[:2] == ["before True", "at exit False"], done.stderr


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        # What one process alone wants stays with it; of what both want each gets half.
        ({0: ["a", "b"], 1: ["c"]}, {0: (["a", "b"], set()), 1: (["c"], set())}),
        (
            {0: ["a", "b", "c", "d"], 1: ["d", "c", "b", "a"]},
            {0: (["a", "c"], {"a", "c"}), 1: (["d", "b"], {"d", "b"})},
        ),
        # The process with less of its own takes more of the common.
        ({0: ["x", "y", "a", "b"], 1: ["a", "b"]}, {0: (["x", "y"], set()), 1: (["a", "b"], {"a", "b"})}),
        ({0: [], 1: ["a"], 2: ["a"]}, {0: ([], set()), 1: (["a"], {"a"}), 2: ([], set())}),
    ],
)
def test_work_that_several_processes_want_is_divided_evenly(monkeypatch, wanted, expected):
    monkeypatch.setattr(distribution, "_gather", lambda mine: list(wanted.values()))
    for rank, keys in wanted.items():
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        assert distribution.divide_work(keys) == expected[rank]
