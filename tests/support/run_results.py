"""Results of a run as the harness returns them."""

from __future__ import annotations

from typing import Any


def results(**failed: int) -> dict[str, Any]:
    """Return the results of tasks with ten questions each, of which so many failed."""
    figures = {
        task: {"alias": task, "samples": 10, "acc,none": 0.5, "acc_stderr,none": "N/A", "failed,none": number}
        for task, number in failed.items()
    }
    group = {"microbench_coarse": {"alias": "microbench_coarse", "acc,none": 0.5, "failed,none": sum(failed.values())}}
    return {"results": figures | group, "groups": group, "n-samples": {task: {"effective": 10} for task in failed}}
