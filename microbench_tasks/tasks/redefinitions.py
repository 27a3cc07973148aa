"""Mark redefined tasks for the harness's response cache, and warn of redefined groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.tasks import definitions
from microbench_tasks.tasks.definition_records import record
from microbench_tasks.util.notices import warn_once


def mark_redefined(task_dict: Mapping[Any, Any]) -> None:
    """Add a digest of the differences to the metadata of redefined tasks.

    The keys of the response cache name functions without their files, so that they cannot tell a redefined task.

    Args:
        task_dict: task objects by name, or mappings of them by group.
    """
    for name, task in task_dict.items():
        if isinstance(task, Mapping):
            mark_redefined(task)
        elif catalog.is_task(name) and isinstance(getattr(task.config, "metadata", None) or {}, dict):
            try:
                differs = json.dumps(record(name, task)["differs"], sort_keys=True)
            # Functions of a user's task may raise anything.
            except Exception as error:
                differs = f"{type(error).__name__}: {error}"
            if differs != "{}":
                digest = hashlib.sha256(differs.encode()).hexdigest()
                task.config.metadata = (task.config.metadata or {}) | {"redefined": digest}


def warn_of_groups(task_dict: Mapping[Any, Any]) -> None:
    """Warn of redefined groups of this package; ``rescore`` and submissions compute their figures anew.

    Args:
        task_dict: task objects by name, or mappings of them by group.
    """
    for group, members in task_dict.items():
        name = getattr(group, "group_name", None)
        changed = _changed_fields(name, group.config) if name in catalog.GROUPS else []
        if changed:
            warn_once(
                f"{name}: {', '.join(changed)} of this group is redefined. "
                "The figures that the harness prints for it are NOT the benchmark's."
            )
        if isinstance(members, Mapping):
            warn_of_groups(members)


def _changed_fields(group: str, config: Mapping[str, Any]) -> list[str]:
    aggregations = {entry["metric"]: entry["aggregation"] for entry in config["aggregate_metric_list"] or ()}
    is_changed = {
        "task": config["task"] != definitions.definition(group)["task"],
        "aggregate_metric_list": aggregations != definitions.aggregations(group),
    }
    return [field for field, changed in is_changed.items() if changed]
