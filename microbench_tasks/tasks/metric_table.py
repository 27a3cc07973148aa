"""List all metrics: one row each. YAML metric lists, aggregations, group figures, tables and reports come from here.

To add a metric, write its function in `microbench_tasks.metrics`, add a row, and run ``python scripts/write_yaml.py``.
`Metric` explains the columns. ``takes`` names fields of the scored answer, which `microbench_tasks.tasks.results`
lists; ``compute=item_metrics.of_fields(function, "gold", "predicted")`` passes them to the function as lists.

The harness applies an entry of a group to every metric whose name contains the entry's name, and the last entry wins.
So a metric whose name contains another's needs at least the fields of that one, and comes after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import CLASSIFICATION_KIND
from microbench_tasks.metrics import detection
from microbench_tasks.tasks import item_intervals, item_metrics
from microbench_tasks.tasks.metric import Family, IntervalSpec, Metric, MetricEntry, Pooling, Table, entries_of, takes

_OUTCOME = takes(score="score", in_total="in_total")
_OUTCOME_OF_IMAGE = takes(score="score", in_total="in_total", image="image")
_KIND = takes(kind="response_kind", in_total="in_total")
_ORIGIN = {name: name for name in ("image", "image_id", "dataset", "kind")}
_BOX_SCORE = takes(score="score", image="image")
_BOX_KIND = takes(kind="response_kind")
_BOX_NUMBERS = takes(matched="num_matched", predicted="num_predicted", gold="num_gold", image="image")


def _matched_share(
    name: str, what: str, label: str, function: Callable[..., float], *totals: str, compared: str | None = None
) -> Metric:
    """Return the row of a share of boxes that are true positives.

    Args:
        name: of the metric.
        what: it is the share of.
        label: of its column.
        function: of the numbers of true positives and of ``totals``.
        totals: fields with numbers of boxes whose sum the share is of.
        compared: as in `Metric`.
    """

    def num_matched(answer: Mapping[str, int]) -> int:
        return len(totals) * answer["matched"]

    def num_boxes(answer: Mapping[str, int]) -> int:
        return sum(answer[field] for field in totals)

    return Metric(
        name,
        f"The share of {what} that are in a pair of IoU 0.5 or more, pooled over all images.",
        ("boxes",),
        label,
        higher_is_better=True,
        compute=item_metrics.of_answer_fields(function, "matched", *totals),
        takes=_BOX_NUMBERS,
        per_answer=("matched", "predicted"),
        compared=compared,
        intervals=(IntervalSpec(f"{name}_ci", item_intervals.share_interval(num_matched, num_boxes), _BOX_NUMBERS),),
        tables=("scores", "report", "leaderboard"),
        is_new=True,
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        "acc",
        "Accuracy by the paper's rule: the mean of 0 and 1 over all questions.",
        ("choice",),
        "acc %",
        higher_is_better=True,
        compute=item_metrics.mean_score,
        takes=takes(
            acc="score",
            score="score",
            **_ORIGIN,
            options="options",
            predicted="predicted",
            gold="gold",
            probabilities="probabilities",
            in_total="in_total",
        ),
        per_answer=("score", "predicted", "probabilities"),
        compared="acc",
        intervals=(
            IntervalSpec("acc_ci", item_intervals.paper_interval, _OUTCOME, is_paper=True),
            IntervalSpec("acc_image_ci", item_intervals.accuracy_interval, _OUTCOME_OF_IMAGE),
        ),
        tables=("scores", "report"),
    ),
    Metric(
        "acc_strict",
        "Accuracy by the strict rule: only answers that are stated count.",
        ("choice",),
        "acc_strict %",
        higher_is_better=True,
        compute=item_metrics.mean_score,
        takes=takes(score="strict_score", predicted="strict_predicted", rule="rule", in_total="in_total"),
        per_answer=("score", "predicted", "rule"),
        compared="score",
        tables=("scores", "report", "leaderboard"),
        function="acc",
    ),
    Metric(
        "unparsed",
        "The share of responses in which the strict rule finds no answer; they count as wrong.",
        ("choice",),
        "unparsed %",
        higher_is_better=False,
        compute=item_metrics.share_without_answer,
        takes=_KIND,
        per_answer=("kind",),
        compared="kind",
        tables=("scores", "report", "leaderboard"),
    ),
    Metric(
        "unparsed_by_kind",
        "The number of responses in which the strict rule finds no answer, by kind of response.",
        ("choice",),
        "unparsed, by kind",
        higher_is_better=False,
        compute=item_metrics.count_by_kind,
        takes=_KIND,
        per_answer=("kind",),
        kept_without_answers=True,
    ),
    Metric(
        "counts",
        "The number of questions, images and datasets that the score is about.",
        ("choice",),
        "counts",
        higher_is_better=None,
        compute=item_intervals.count,
        takes=_OUTCOME_OF_IMAGE,
        kept_without_answers=True,
    ),
    Metric(
        "repeats",
        "The number of answers to each question and the variance of their scores (only with --repeats).",
        ("choice",),
        "repeats",
        higher_is_better=None,
        compute=item_metrics.repeat_variances,
    ),
    Metric(
        "acc_macro",
        "The mean of the tasks' accuracies, each over all of its questions, each task weighed alike.",
        ("choice",),
        "acc_macro %",
        higher_is_better=True,
        compute=item_metrics.mean_score,
        pooling=Pooling.MACRO,
        intervals=(IntervalSpec("acc_macro_ci", item_intervals.macro_interval),),
        tables=("scores", "leaderboard"),
        derived_from="acc",
    ),
    Metric(
        "acc_all",
        "Accuracy over all questions, including those outside the paper's totals.",
        ("choice",),
        "acc_all %",
        higher_is_better=True,
        compute=item_metrics.mean_score,
        pooling=Pooling.ALL,
        intervals=(IntervalSpec("acc_all_ci", item_intervals.accuracy_interval),),
        tables=("scores",),
        derived_from="acc",
        only_with_outside=True,
    ),
    Metric(
        "grit",
        "The mean GRIT localization score over all pairs of an image and a class.",
        ("boxes",),
        "GRIT × 100",
        higher_is_better=True,
        compute=item_metrics.mean_score,
        takes=takes(
            grit="score",
            score="score",
            **_ORIGIN,
            **{name: name for name in ("expression", "width", "height", "boxes")},
            num_predicted="num_predicted",
            convention="convention",
            model_input_size="model_input_size",
        ),
        per_answer=("score", "num_predicted"),
        compared="grit",
        intervals=(IntervalSpec("grit_ci", item_intervals.score_interval, _BOX_SCORE),),
        tables=("scores", "report"),
    ),
    _matched_share("boxes_precision", "predicted boxes", "precision %", detection.precision, "predicted"),
    _matched_share("boxes_recall", "gold boxes", "recall %", detection.recall, "gold", compared="matched"),
    _matched_share("boxes_f1", "boxes, predicted and gold,", "F1 %", detection.f1_score, "predicted", "gold"),
    Metric(
        "boxes_count_error",
        "The mean absolute error of the number of boxes of an image and a class.",
        ("boxes",),
        "count error",
        higher_is_better=False,
        compute=item_metrics.of_answer_fields(detection.count_error, "predicted", "gold"),
        takes=_BOX_NUMBERS,
        per_answer=("matched", "predicted"),
        compared="predicted",
        tables=("scores", "report", "leaderboard"),
        is_fraction=False,
        is_new=True,
    ),
    Metric(
        "boxes_count_bias",
        "The mean error of the number of boxes of an image and a class: above 0 if there are too many.",
        ("boxes",),
        "count bias",
        higher_is_better=None,
        compute=item_metrics.of_answer_fields(detection.count_bias, "predicted", "gold"),
        takes=_BOX_NUMBERS,
        per_answer=("matched", "predicted"),
        tables=("report",),
        is_fraction=False,
        is_new=True,
    ),
    Metric(
        "boxes_unparsed",
        "The share of responses that contain no box and do not say that there is none; they count as no prediction.",
        ("boxes",),
        "unparsed %",
        higher_is_better=False,
        compute=item_metrics.share_of_kind("unparsed"),
        takes=_BOX_KIND,
        per_answer=("kind",),
        compared="kind",
        tables=("scores", "report", "leaderboard"),
    ),
    Metric(
        "boxes_truncated",
        "The share of responses that break off; the boxes before that count.",
        ("boxes",),
        "truncated %",
        higher_is_better=False,
        compute=item_metrics.share_of_kind("truncated"),
        takes=_BOX_KIND,
        per_answer=("kind",),
    ),
    *(
        Metric(
            f"boxes_{state}",
            f"The number of predicted boxes that are {meaning}.",
            ("boxes",),
            f"{state} boxes",
            higher_is_better=False,
            compute=item_metrics.total_count,
            takes=takes(count=f"num_{state}"),
            per_answer=("count",),
            function="number_of_boxes",
        )
        for state, meaning in (
            ("degenerate", "without area"),
            ("duplicate", "equal to an earlier one"),
            ("dropped", "not finite or beyond the cap"),
        )
    ),
    Metric(
        "boxes_counts",
        "The number of pairs of an image and a class, of images and of datasets that the score is about.",
        ("boxes",),
        "counts",
        higher_is_better=None,
        compute=item_intervals.count,
        takes=_BOX_SCORE,
        kept_without_answers=True,
        function="counts",
    ),
    Metric(
        "boxes_repeats",
        "The number of answers to each question and the variance of their scores (only with --repeats).",
        ("boxes",),
        "repeats",
        higher_is_better=None,
        compute=item_metrics.repeat_variances,
        function="repeats",
    ),
    Metric(
        "failed",
        "The number of requests that got no response; they count as wrong.",
        ("choice", "boxes"),
        "no response",
        higher_is_better=False,
        compute=item_metrics.count_failed,
        takes=takes(failed="failed", image="image", dataset="dataset", kind="asked_about", taken_off="taken_off"),
        per_answer=("failed", "taken_off"),
        compared="failed",
        pooling=Pooling.ALL,
        kept_without_answers=True,
    ),
)


@dataclass(frozen=True)
class FamilyMetrics:
    """Name the metrics of a family by what they tell.

    Args:
        score: the main score; it has an interval to quote.
        unparsed: the share of responses without an answer.
        counts: the numbers of questions, images and datasets.
        repeats: the spread of several answers to each question.
    """

    score: str
    unparsed: str
    counts: str
    repeats: str

    @property
    def interval(self) -> str:
        """Return the prefix of the names of the ends of the score's interval to quote."""
        quoted = METRIC_BY_NAME[self.score].quoted_interval
        if quoted is None:
            raise LookupError(f"Metric {self.score} has no interval to quote.")
        return quoted.name


METRIC_BY_NAME = {metric.name: metric for metric in METRICS}
ENTRIES: dict[str, MetricEntry] = {entry.name: entry for metric in METRICS for entry in entries_of(metric)}
FAMILIES: dict[Family, FamilyMetrics] = {
    "choice": FamilyMetrics("acc", "unparsed", "counts", "repeats"),
    "boxes": FamilyMetrics("grit", "boxes_unparsed", "boxes_counts", "boxes_repeats"),
}


def family_of(task: str) -> Family:
    """Return the family of a task's metrics."""
    return "boxes" if catalog.task_of(task).subject == "boxes" else "choice"


def has_groups(scores: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether any score, by task or group and by metric, is about images in groups, such as slides."""
    counts = [figures.get(family.counts) for figures in scores.values() for family in FAMILIES.values()]
    return any("groups" in table for table in counts if table)


def task_entries(family: Family) -> list[MetricEntry]:
    """Return the entries of a task's metric list, in order."""
    return [
        entry for entry in ENTRIES.values() if family in entry.metric.families and entry.metric.derived_from is None
    ]


def group_entries(group: str) -> list[MetricEntry]:
    """Return the entries of a group's metric list, in order."""
    tasks = catalog.tasks_named([group])
    families = {family_of(task) for task in tasks}
    has_outside = any(map(_has_questions_outside_totals, tasks))
    return [
        entry
        for entry in ENTRIES.values()
        if families & set(entry.metric.families) and (has_outside or not entry.metric.only_with_outside)
    ]


def shown_in(table: Table, families: Iterable[Family] = ("choice", "boxes")) -> list[Metric]:
    """Return the metrics of these families that a table shows, in order."""
    return [metric for metric in METRICS if table in metric.tables and set(families) & set(metric.families)]


def _has_questions_outside_totals(task: str) -> bool:
    stated = catalog.task_of(task)
    return CLASSIFICATION_KIND in stated.kinds and bool(catalog.OUTSIDE_FINE_TOTAL & set(stated.datasets))
