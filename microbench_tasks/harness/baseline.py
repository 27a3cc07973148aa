"""Compare a run with an earlier one: the harness's ``--baseline``, with a clustered paired test.

The harness pairs documents by number alone, reads one file for all tasks, and tests as if questions about one image
were independent. For tasks of this package, the earlier run must be about the same data, each task is paired with its
own samples, and the unit of the test is the image (`metrics.paired.compare_pair`). Groups are compared on the
questions that count in their ``acc``. Other benchmarks keep the harness's comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.data import task_data
from microbench_tasks.metrics.paired import PairedComparison, compare_pair
from microbench_tasks.runs import rescoring
from microbench_tasks.util.errors import DataError

# Name of the tasks' only filter, which the harness appends to names of metrics.
_FILTER = "none"
# The harness's table shows the comparison in percent.
_PERCENT = 100.0


@dataclass(frozen=True)
class Document:
    """Hold the score and the image of one document, and whether it counts in the totals of groups."""

    score: float
    image: str
    in_total: bool


Documents = Mapping[int, Document]

# The last run: the harness compares it afterwards, in a call that does not get its results.
_finished: Comparer | None = None


def finish(results: Mapping[str, Any] | None) -> None:
    """Set the results of the run that `compare` uses; None discards them."""
    global _finished
    _finished = None if results is None else Comparer(results)


def compare(named: str | Path, name: str) -> None:
    """Compare a task or group of the last run with the run ``named``; see `Comparer.add`."""
    if _finished is not None:
        _finished.add(named, name)


def check(named: str | Path, tasks: Sequence[str]) -> None:
    """Check that a baseline can be compared with a new run, before that run starts.

    Args:
        named: folder of a run, or a samples file in it, as the user typed it.
        tasks: the Micro-Bench tasks of the new run.

    Raises:
        DataError: the baseline is not a single run, lacks a task, is about other data, or has damaged samples.
    """
    for task in tasks:
        documents(named, task)


def documents(named: str | Path, task: str) -> Documents:
    """Score the documents of ``task`` in the run ``named`` from their responses; raise DataError as in `check`."""
    path = Path(named)
    if not path.exists():
        raise DataError(f"--baseline {named}: no such file or folder. Name the folder of a run on this machine.")
    run = rescoring.find_run([path])
    if task not in run.samples:
        raise DataError(f"baseline {path}: contains samples of {', '.join(run.samples)}, and none of {task}.")
    if run.results is None:
        raise DataError(
            f"baseline {path}: {run.name}_results.json is missing from the folder of the samples. "
            "It records their data: copy it there."
        )
    difference = rescoring.other_source(
        run.metadata(task).get("dataset"), task_data.resolve(catalog.ALL_TASKS[task]).identity
    )
    if difference:
        raise DataError(
            f"baseline {path}: {task} was asked on other data ({difference}), so that its questions cannot be paired "
            "with those of this run. Name a run on the same data."
        )
    fields = rescoring.redefined(run).get(task)
    if fields:
        logger.warning(
            f"Baseline {path}: {task} was NOT the benchmark's own task there: "
            f"its definition differs in {', '.join(fields)}."
        )
    scored = {number: _document(task, items) for number, items in rescoring.document_items(run, task).items()}
    whole = run.recorded()["n-samples"][task]["original"]
    if len(scored) < whole:
        logger.warning(f"Baseline {path}: {task} has {len(scored)} of {whole} documents; only these are compared.")
    return scored


def _document(task: str, items: Mapping[str, Any]) -> Document:
    item = items.get("acc", items.get("grit"))
    if item is None:
        raise DataError(f"{task} has no scores to compare (--predict_only).")
    return Document(float(item["score"]), item["image"], item.get("in_total", True))


class Comparer:
    """Compare the tasks and groups of a finished run with an earlier run, and add the comparison to its results.

    Args:
        results: what the harness's ``evaluate`` returned, with samples. `add` modifies it.
    """

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = results
        self._baselines: dict[str, Documents] = {}

    def add(self, named: str | Path, name: str) -> PairedComparison | None:
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
        pairs = [pair for task in tasks if _metric([task]) == metric for pair in self._pairs(named, task)]
        if name in catalog.GROUPS:
            pairs = [pair for pair in pairs if pair[0].in_total]
        if not pairs:
            logger.warning(f"[Baseline] {name} is not compared: {named} and this run have no document in common.")
            return None
        scores = [[document.score for document in model] for model in zip(*pairs)]
        compared = compare_pair(*scores, [document.image for document, _ in pairs])
        figures = _figures(metric, _name(Path(named)), scores, compared)
        for table in ("results", "groups"):
            if name in self._results.get(table, {}):
                self._results[table][name].update(figures)
        logger.info(f"[Baseline] {name}: {_sentence(figures)}")
        return compared

    def _pairs(self, named: str | Path, task: str) -> Iterator[tuple[Document, Document]]:
        if task not in self._baselines:
            self._baselines[task] = documents(named, task)
        before = self._baselines[task]
        for sample in self._results["samples"][task]:
            document = _document(task, sample)
            if sample["doc_id"] in before:
                yield document, before[sample["doc_id"]]


def _metric(tasks: Sequence[str]) -> str:
    """Return the metric to compare: ``grit`` if all tasks ask for boxes, else ``acc``."""
    return "grit" if all(catalog.ALL_TASKS[task].subject == "boxes" for task in tasks) else "acc"


def _name(path: Path) -> str:
    """Return the name of the baseline in the table: that of the run's folder.

    The harness's own name is empty for a path with a trailing slash, and is cut off at a dot.
    """
    return (path.parent if path.is_file() else path).resolve().name


def _figures(metric: str, name: str, scores: Sequence[Sequence[float]], compared: PairedComparison) -> dict[str, Any]:
    baseline = scores[1]
    return {
        "paired_baseline": name,
        "paired_metric": metric,
        "paired_baseline_score": _PERCENT * sum(baseline) / len(baseline),
        "paired_difference": _PERCENT * compared.difference,
        "paired_ci_lower": _PERCENT * compared.low,
        "paired_ci_upper": _PERCENT * compared.high,
        "paired_pvalue": compared.p,
        # Undefined for a single image, or if a model is always right or always wrong.
        "paired_standard_error": None if math.isnan(compared.standard_error) else _PERCENT * compared.standard_error,
        "paired_correlation": None if math.isnan(compared.correlation) else compared.correlation,
        "paired_num_documents": len(baseline),
        "paired_num_images": compared.num_clusters,
        "paired_num_discordant": compared.num_discordant,
    }


def _sentence(figures: Mapping[str, Any]) -> str:
    # Rounded before the sign is written: no -0.00.
    difference, low, high = (
        round(figures[name], 2) + 0.0 for name in ("paired_difference", "paired_ci_lower", "paired_ci_upper")
    )
    p = figures["paired_pvalue"]
    return (
        f"{figures['paired_metric']} {difference:+.2f} percentage points [{low:+.2f}, {high:+.2f}], "
        f"{'p < 0.0001' if p < 0.0001 else f'p = {p:.4f}'}, "
        f"{figures['paired_num_documents']} documents about {figures['paired_num_images']} images, "
        f"{figures['paired_num_discordant']} of them discordant"
    )


def in_table(results: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Rearrange results so that the harness's table shows a comparison only in the row of its metric.

    The table repeats a task's comparison in the row of every metric, and computes the difference from the metric's own
    value and the baseline's score. So the compared metric becomes an entry of its own, with a baseline score that
    gives the difference of the test.
    """
    shown: dict[str, Any] = {}
    for name, figures in results[column].items():
        metric = f"{figures.get('paired_metric')},{_FILTER}"
        if metric not in figures:
            shown[name] = figures
            continue
        paired = {key: value for key, value in figures.items() if key.startswith("paired_")}
        paired["paired_baseline_score"] = figures[metric] - figures["paired_difference"]
        rest = {key: value for key, value in figures.items() if key not in paired}
        alias = {"alias": figures.get("alias", name)}
        compared = {key: rest.pop(key) for key in list(rest) if key.partition(",")[0] in _columns(metric)}
        shown |= {name: alias | compared | paired, f"{name} (other metrics)": alias | rest}
    whole = dict(results) | {column: shown}
    for kept in ("n-shot", "higher_is_better"):
        known = results.get(kept, {})
        whole[kept] = known | {f"{name} (other metrics)": known[name] for name in results[column] if name in known}
    return whole


def _columns(metric: str) -> frozenset[str]:
    """Return the names of a metric's value and of its standard errors."""
    name = metric.partition(",")[0]
    return frozenset({name, f"{name}_stderr", f"{name}_stderr_clt", f"{name}_stderr_clustered"})
