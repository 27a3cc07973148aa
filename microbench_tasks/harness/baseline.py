"""Compare a run with an earlier one: the harness's ``--baseline``, with a clustered paired test.

The harness pairs documents by number alone, reads one file for all tasks, and tests as if questions about one image
were independent. For tasks of this package, the earlier run must be about the same data, each task is paired with its
own samples, and the unit of the test is the image, or for own data its group (`metrics.paired.compare_pair`). Groups of
tasks are compared on the questions that count in their ``acc``. Other benchmarks keep the harness's comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.data import recorded_setting, task_data
from microbench_tasks.harness import run_state
from microbench_tasks.metrics.paired import PairedComparison, compare_pair
from microbench_tasks.runs import found_runs, scoring
from microbench_tasks.runs.mismatches import source_mismatch
from microbench_tasks.tasks import item_intervals
from microbench_tasks.util.errors import DataError

# Name of the tasks' only filter, which the harness appends to names of metrics.
_FILTER = "none"
# The harness's table shows the comparison in percent.
_PERCENT = 100.0
# Suffix of the table's entry with the metrics that are not compared.
_OTHER_METRICS = " (other metrics)"
# Runs of a folder that a message names.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Document:
    """Hold the score of one document, and whether it counts in the totals of groups.

    ``unit`` is its image, or for own data the image's group (`item_intervals.unit_of`).
    """

    score: float
    unit: str
    in_total: bool


Documents = Mapping[int, Document]


def keep_results(results: Mapping[str, Any] | None) -> None:
    """Keep the results of a run for `compare_last_run`; None discards them.

    The harness compares a run after its end, in a call that does not get the results.
    """
    run_state.current.comparer = None if results is None else Comparer(results)


def compare_last_run(baseline: str | Path, name: str) -> None:
    """Compare the task or group ``name`` of the last run with a baseline; see `Comparer.add`."""
    if run_state.current.comparer is not None:
        run_state.current.comparer.add(baseline, name)


def check(baseline: str | Path, tasks: Sequence[str]) -> None:
    """Check that a baseline can be compared with a new run, before that run starts.

    Args:
        baseline: folder of a run, its results file (``…_results.json``) or a samples file, as the user typed it.
        tasks: the Micro-Bench tasks of the new run.

    Raises:
        DataError: the baseline is not a single run, lacks a task, is about other data, or has damaged samples.
    """
    for task in tasks:
        documents(baseline, task)


def documents(baseline: str | Path, task: str) -> Documents:
    """Score the documents of ``task`` in a baseline from their responses; raise DataError as in `check`."""
    path = Path(baseline)
    if not path.exists():
        raise DataError(f"--baseline {baseline}: no such file or folder. Name the folder of a run on this machine.")
    found = found_runs.find_runs([path])
    if len(found.runs) > 1:
        files = [str(run.results or run.folder) for run in found.runs]
        named = ", ".join(files[:_MOST_NAMED]) + (
            f" and {len(files) - _MOST_NAMED} more" if files[_MOST_NAMED:] else ""
        )
        raise DataError(f"--baseline {baseline}: contains several runs. Name the results file of one: {named}.")
    run = found.choose()
    if task not in run.samples:
        raise DataError(f"baseline {path}: contains samples of {', '.join(run.samples)}, and none of {task}.")
    if run.results is None:
        raise DataError(
            f"baseline {path}: {run.results_name} is missing from the folder of the samples. "
            "It records their data: copy it there."
        )
    recorded = run.metadata(task).dataset
    difference = source_mismatch(recorded, task_data.resolve(catalog.task_of(task)).identity)
    if difference:
        advice = recorded_setting.advice(catalog.task_of(task), recorded)
        raise DataError(
            f"baseline {path}: {task} was asked on other data ({difference}). Its questions cannot be paired with "
            f"those of this run. Name a run on the same data, or evaluate on those of the baseline. {advice}"
        )
    fields = run.redefined_fields().get(task)
    if fields:
        logger.warning(
            f"Baseline {path}: {task} was NOT the benchmark's own task there: "
            f"its definition differs in {', '.join(fields)}."
        )
    scored = {number: _document(task, items) for number, items in scoring.items_by_document(run, task).items()}
    counts = run.record.num_documents.get(task)
    if counts is not None and len(scored) < counts.original:
        logger.warning(
            f"Baseline {path}: {task} has {len(scored)} of {counts.original} documents; only these are compared."
        )
    return scored


def _document(task: str, items: Mapping[str, Any]) -> Document:
    item = items.get("acc", items.get("grit"))
    if item is None:
        raise DataError(f"{task} has no scores to compare (--predict_only).")
    return Document(float(item["score"]), item_intervals.unit_of(item), item.get("in_total", True))


class Comparer:
    """Compare the tasks and groups of a finished run with an earlier run, and add the comparison to its results.

    Args:
        results: what the harness's ``evaluate`` returned, with samples. `add` modifies it.
    """

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = results
        self._baselines: dict[str, Documents] = {}

    def add(self, baseline: str | Path, name: str) -> PairedComparison | None:
        """Add the ``paired_…`` values of a task or group; return None if they cannot be computed.

        They include those of the harness's own comparison: name and score of the baseline, interval of the difference,
        and p-value. Added are the metric, the difference, its standard error, the correlation of the two models, and
        the numbers of documents, images and discordant images. Scores and differences are in percent.

        Raises:
            DataError: as in `check`, or a task of the run has no scores in the samples.
        """
        tasks = catalog.tasks_named([name])
        samples = self._results.get("samples") or {}
        absent = [task for task in tasks if task not in samples]
        if absent:
            logger.warning(f"[Baseline] {name} is not compared: the run has no samples of {', '.join(absent)}.")
            return None
        metric = _metric(tasks)
        pairs = [pair for task in tasks if _metric([task]) == metric for pair in self._pairs(baseline, task)]
        if name in catalog.GROUPS:
            pairs = [pair for pair in pairs if pair[0].in_total]
        if not pairs:
            logger.warning(f"[Baseline] {name} is not compared: {baseline} and this run have no document in common.")
            return None
        scores = [document.score for document, _ in pairs]
        baseline_scores = [earlier.score for _, earlier in pairs]
        comparison = compare_pair(scores, baseline_scores, [document.unit for document, _ in pairs])
        values = _paired_values(metric, _display_name(Path(baseline)), baseline_scores, comparison)
        for table in ("results", "groups"):
            if name in self._results.get(table, {}):
                self._results[table][name].update(values)
        logger.info(f"[Baseline] {name}: {_summary(values)}")
        return comparison

    def _pairs(self, baseline: str | Path, task: str) -> Iterator[tuple[Document, Document]]:
        """Yield each document of the run with the same document of the baseline."""
        if task not in self._baselines:
            self._baselines[task] = documents(baseline, task)
        earlier = self._baselines[task]
        for sample in self._results["samples"][task]:
            document = _document(task, sample)
            if sample["doc_id"] in earlier:
                yield document, earlier[sample["doc_id"]]


def _metric(tasks: Sequence[str]) -> str:
    """Return the metric to compare: ``grit`` if all tasks ask for boxes, else ``acc``."""
    return "grit" if all(catalog.task_of(task).subject == "boxes" for task in tasks) else "acc"


def _display_name(path: Path) -> str:
    """Return the name of the baseline in the table: that of the run's folder.

    The harness's own name is empty for a path with a trailing slash, and is cut off at a dot.
    """
    return (path.parent if path.is_file() else path).resolve().name


def _paired_values(
    metric: str, name: str, baseline_scores: Sequence[float], comparison: PairedComparison
) -> dict[str, Any]:
    # Undefined for a single image, or if a model is always right or always wrong.
    error, correlation = (
        None if math.isnan(value) else value for value in (comparison.standard_error, comparison.correlation)
    )
    return {
        "paired_baseline": name,
        "paired_metric": metric,
        "paired_baseline_score": _PERCENT * sum(baseline_scores) / len(baseline_scores),
        "paired_difference": _PERCENT * comparison.difference,
        "paired_ci_lower": _PERCENT * comparison.low,
        "paired_ci_upper": _PERCENT * comparison.high,
        "paired_pvalue": comparison.p,
        "paired_standard_error": None if error is None else _PERCENT * error,
        "paired_correlation": correlation,
        "paired_num_documents": len(baseline_scores),
        "paired_num_images": comparison.num_clusters,
        "paired_num_discordant": comparison.num_discordant,
    }


def _summary(values: Mapping[str, Any]) -> str:
    # Rounded before the sign is written: no -0.00.
    difference, low, high = (
        round(values[name], 2) + 0.0 for name in ("paired_difference", "paired_ci_lower", "paired_ci_upper")
    )
    p = values["paired_pvalue"]
    return (
        f"{values['paired_metric']} {difference:+.2f} percentage points [{low:+.2f}, {high:+.2f}], "
        f"{'p < 0.0001' if p < 0.0001 else f'p = {p:.4f}'}, "
        f"{values['paired_num_documents']} documents about {values['paired_num_images']} images (or groups of them), "
        f"{values['paired_num_discordant']} of them discordant"
    )


def rearrange_for_table(results: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Rearrange results so that the harness's table shows a comparison only in the row of its metric.

    The table repeats a task's comparison in the row of every metric, and computes the difference from the metric's own
    value and the baseline's score. So the compared metric becomes an entry of its own, with a baseline score that
    gives the difference of the test.

    Args:
        results: of a run, as the harness returns them; not modified.
        column: ``results`` or ``groups``, the part that the table shows.
    """
    rows: dict[str, Any] = {}
    for name, values in results[column].items():
        metric = f"{values.get('paired_metric')},{_FILTER}"
        if metric not in values:
            rows[name] = values
            continue
        paired = {key: value for key, value in values.items() if key.startswith("paired_")}
        paired["paired_baseline_score"] = values[metric] - values["paired_difference"]
        others = {key: value for key, value in values.items() if key not in paired}
        alias = {"alias": values.get("alias", name)}
        compared = {key: others.pop(key) for key in list(others) if key.partition(",")[0] in _columns(metric)}
        rows |= {name: alias | compared | paired, f"{name}{_OTHER_METRICS}": alias | others}
    rearranged = dict(results) | {column: rows}
    for part in ("n-shot", "higher_is_better"):
        by_name = results.get(part, {})
        copies = {f"{name}{_OTHER_METRICS}": by_name[name] for name in results[column] if name in by_name}
        rearranged[part] = by_name | copies
    return rearranged


def _columns(metric: str) -> frozenset[str]:
    """Return the names of a metric's value and of its standard errors."""
    name = metric.partition(",")[0]
    return frozenset({name, f"{name}_stderr", f"{name}_stderr_clt", f"{name}_stderr_clustered"})
