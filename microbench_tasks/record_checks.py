"""Check what a run records of the documents it asked about and of the boxes it asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog, detection

if TYPE_CHECKING:
    from microbench_tasks.rescoring import LoggedRun

_AGAIN = "Run again with this version of microbench-lmms, which records it."


def asked_reasons(run: LoggedRun) -> list[str]:
    """List where the digest of the documents asked about is not on record, or is not of as many as the run asked."""
    records = {task: run.metadata(task).get("asked") or {} for task in run.samples}
    missing = [task for task, record in records.items() if not {"sha256", "num_documents"} <= record.keys()]
    reasons = [f"documents asked about (metadata.asked): not on record for {', '.join(missing)}. {_AGAIN}"] if missing else []
    for task, record in records.items():
        size = (run.recorded().get("n-samples") or {}).get(task, {}).get("original")
        if task not in missing and size not in (None, record["num_documents"]):
            reasons.append(f"{task}: the run asked about {record['num_documents']} documents (metadata.asked), but has {size} (n-samples).")
    return reasons


def box_reasons(run: LoggedRun) -> list[str]:
    """List where the record of the prompt for boxes is none that the run's model and settings give."""
    config = run.recorded().get("config") or {}
    model, arguments = config.get("model"), typed_arguments(config.get("model_args"))
    records = [run.metadata(task).get("boxes") for task in run.samples if catalog.TASKS[task].subject == "boxes"]
    problems = (problem for record in records if record for problem in detection.record_problems(record, model, arguments))
    return [f"prompt for boxes (metadata.boxes): {problem}." for problem in dict.fromkeys(problems)]


def typed_arguments(arguments: Any) -> Mapping[str, Any]:
    """The arguments of a model by name, given as a mapping or as they are typed (``a=1,b=2``)."""
    if isinstance(arguments, Mapping):
        return arguments
    return dict(part.partition("=")[::2] for part in arguments.split(",")) if isinstance(arguments, str) else {}
