"""Check a run's records of the documents it asked about and of the prompt for boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.submissions import run_arguments
from microbench_tasks.tasks import detection

if TYPE_CHECKING:
    from microbench_tasks.runs.rescoring import LoggedRun


def asked_reasons(run: LoggedRun) -> list[str]:
    """List the tasks whose recorded digest covers another number of documents than the run has."""
    reasons = []
    for task in run.samples:
        recorded = (run.metadata(task).get("asked") or {}).get("num_documents")
        size = (run.recorded().get("n-samples") or {}).get(task, {}).get("original")
        if None not in (recorded, size) and size != recorded:
            reasons.append(
                f"{task}: metadata.asked says {recorded} documents, but n-samples says {size}. "
                "Submit the unchanged files of the run."
            )
    return reasons


def box_reasons(run: LoggedRun) -> list[str]:
    """List where the recorded prompt for boxes does not follow from the run's model and settings."""
    config = run.recorded().get("config") or {}
    model, arguments = config.get("model"), typed_arguments(config.get("model_args"))
    records = [run.metadata(task).get("boxes") for task in run.samples if catalog.TASKS[task].subject == "boxes"]
    problems = (
        problem for record in records if record for problem in detection.record_problems(record, model, arguments)
    )
    return [f"prompt for boxes (metadata.boxes): {problem}." for problem in dict.fromkeys(problems)]


def typed_arguments(arguments: Any) -> Mapping[str, Any]:
    """The arguments of a model by name, given as a mapping or as they are typed (``a=1,b=2``)."""
    return dict(run_arguments.pairs(arguments))
