"""Write the YAML of a task: the template that it includes, and what differs from it."""

from __future__ import annotations

import json
from pathlib import Path

from microbench_tasks import catalog

_VALUES = "microbench_tasks.tasks.yaml_values"


def task_stub(task: catalog.Task, templates: Path | None = None) -> str:
    """Return the YAML of a task.

    Args:
        task: of the benchmark or of an own dataset.
        templates: the folder of the templates, if it is not that of the YAML.
    """
    template = _template(task)
    # A double-quoted scalar of YAML may be any string of JSON.
    included = template if templates is None else json.dumps(str(templates / template))
    documents = f"process_docs: !function microbench_tasks.data.documents.{task.name}_docs\n"
    return f"include: {included}\ntask: {task.name}\n{_source(task)}{documents}"


def _template(task: catalog.Task) -> str:
    if task.name in catalog.VARIANTS:
        return "_robustness_template_yaml"
    of_release = ("_default_template_yaml", "_localization_template_yaml")
    # The release would be downloaded where a template names it.
    of_other_data = ("_questions_template_yaml", "_boxes_template_yaml")
    return (of_release if task.source == catalog.MICROGRAPHS else of_other_data)[task.subject == "boxes"]


def _source(task: catalog.Task) -> str:
    """Return the fields of a task about other data than the release's micrographs."""
    if task.source == catalog.MICROGRAPHS:
        return ""
    prefix = "COGNITION" if task.source == catalog.COGNITION else task.name
    fields = f"dataset_path: !function {_VALUES}.{prefix}_PATH\nmetadata: !function {_VALUES}.{prefix}_METADATA\n"
    return f"tag: {catalog.OWN_TAG}\ncluster_key: group\n{fields}" if catalog.is_own(task.name) else fields
