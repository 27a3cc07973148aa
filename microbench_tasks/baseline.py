"""An earlier run as the baseline of a new one: the harness's ``--baseline``, held to the same questions.

The harness pairs documents by number alone, reads one file for every task, and finds out after
the run what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from microbench_tasks import catalog, rescoring, source
from microbench_tasks.schema import DataError


def check(path: Path, tasks: Sequence[str]) -> None:
    """Refuse a baseline that could not be compared.

    Args:
        path: folder of a run, or a samples file in it.
        tasks: the Micro-Bench tasks that the new run will ask.

    Raises:
        DataError: it is not one run, lacks a task, is about other data, or its log is damaged.
    """
    for task in tasks:
        scores(path, task)


def scores(path: Path, task: str) -> dict[int, float]:
    """The score of each document of ``task`` in the run at ``path``, computed from its response; raises as `check` does."""
    run = rescoring.find_run([path])
    if task not in run.samples:
        raise DataError(f"baseline {path}: holds samples of {', '.join(run.samples)}, and none of {task}.")
    if run.results is None:
        raise DataError(f"baseline {path}: the results file {run.name}_results.json is not beside the samples; it records which data they are about.")
    difference = rescoring.other_source(run.metadata(task).get("dataset"), source.of_task(catalog.ALL_TASKS[task], download=True).identity)
    if difference:
        raise DataError(f"baseline {path}: {task} was asked on other data ({difference}); its questions cannot be paired with those of this run.")
    fields = rescoring.redefined(run).get(task)
    if fields:
        logger.warning(f"Baseline {path}: {task} was NOT the benchmark's own task there: its definition differs in {', '.join(fields)}.")
    found = rescoring.document_scores(run, task)
    whole = run.recorded()["n-samples"][task]["original"]
    if len(found) < whole:
        logger.warning(f"Baseline {path}: {task} has {len(found)} of {whole} documents; only these are compared.")
    return found
