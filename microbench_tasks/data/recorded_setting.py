"""Say which setting names the data that a run recorded, for messages about other data at hand."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any

from microbench_tasks.catalog import MICROGRAPHS, Task
from microbench_tasks.data import dataset_setting, source_identity, task_data
from microbench_tasks.util.text_safety import printable_line


def advice(task: Task, identity: Mapping[str, Any] | None) -> str:
    """Return a sentence that says how to set the data of a run.

    Args:
        task: one that the run asked.
        identity: of its data source, as the run recorded it; None or empty if it did not.
    """
    setting, source, path = task_data.setting_of(task), (identity or {}).get("source"), (identity or {}).get("path")
    if source == dataset_setting.DEMO:
        # Of its own, this setting comes before the demo set's questions.
        hidden_by = setting if setting != dataset_setting.SETTING and setting in os.environ else ""
        return _demo_advice(identity or {}) + (f" Also unset {hidden_by}." if hidden_by else "")
    if source == "hub":
        others = "" if task.source == MICROGRAPHS else f" and {dataset_setting.SETTING}"
        return f"The run asked the data on the Hub: unset {setting}{others}."
    # Submissions record no paths.
    if not isinstance(path, str) or not path:
        return f"Set {setting} to the data that the run was asked about."
    typed = f"{setting}={shlex.quote(printable_line(path))}"
    return f"The run recorded {typed}: type this in front of the command."


def _demo_advice(identity: Mapping[str, Any]) -> str:
    """Return the advice for a demo set, of which the package has one and can draw others."""
    set_to = f"The run recorded the demo set: type {dataset_setting.SETTING}"
    ours = source_identity.demo_identity("")
    if identity.get("version") != ours["version"]:
        version = printable_line(str(identity.get("version")))
        return f"{set_to}=DIR in front of the command, where DIR is a demo set of version {version}."
    if identity.get("seed") == ours["seed"]:
        return f"{set_to}={dataset_setting.DEMO} in front of the command."
    seed = printable_line(str(identity.get("seed")))
    return f"{set_to}=DIR in front of the command, where microbench demo-data DIR --seed {seed} has written DIR."
