"""Claims about the number of cores that a process may use."""

import os

from microbench_tasks.util import cores


def test_cores_that_a_scheduler_keeps_from_this_process_do_not_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 7}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    assert cores.num_cores() == 2
