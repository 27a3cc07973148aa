"""Select the main scores of a submission: one per task or group and metric, with interval and counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from microbench_tasks import catalog
from microbench_tasks.submissions.data_kinds import DataKind, classify_source
from microbench_tasks.submissions.manifest_model import ManifestCore
from microbench_tasks.tasks.metric_table import FAMILIES


@dataclass(frozen=True)
class Headline:
    """The main score of a task or group.

    Attributes:
        name: of the task or group.
        metric: ``acc`` or ``grit``.
        value: of the metric, from 0 to 1.
        low: lower end of the interval to quote.
        high: upper end of the interval to quote.
        questions: number of questions; for boxes, of pairs of an image and a class.
        images: number of images.
        datasets: number of datasets.
    """

    name: str
    metric: str
    value: float
    low: float
    high: float
    questions: int
    images: int
    datasets: int
    groups: int | None


def list_headlines(manifest: ManifestCore) -> Iterator[Headline]:
    """List the main scores: groups before tasks, the largest group first.

    A group with both questions and boxes has one score for each.
    """
    for name in catalog.in_order(manifest.scores):
        figures = manifest.scores[name]
        for family in FAMILIES.values():
            value, counts = figures.value(family.score), figures.counts_named(family.counts)
            low, high = (figures.value(f"{family.interval}_{end}") for end in ("low", "high"))
            if value is not None and low is not None and high is not None and counts is not None:
                yield Headline(
                    name,
                    family.score,
                    value,
                    low,
                    high,
                    counts.questions,
                    counts.images,
                    counts.datasets,
                    counts.groups,
                )


def has_publishable(manifest: ManifestCore) -> bool:
    """Tell whether any score may be published on the Hub as one of the benchmark."""
    return any(True for _ in list_publishable(manifest))


def list_publishable(manifest: ManifestCore) -> Iterator[Headline]:
    """List the headlines that may be published on the Hub: all of their data are of the release."""
    if manifest.data.kind != "release":
        return
    for headline in list_headlines(manifest):
        # A task of the Hub has one number: groups that ask questions and boxes have none.
        has_both = {"acc", "grit"} <= manifest.scores[headline.name].by_metric().keys()
        kinds = {task_data_kind(manifest, task) for task in catalog.tasks_named([headline.name])}
        if not has_both and kinds == {"release"}:
            yield headline


def task_data_kind(manifest: ManifestCore, task: str) -> DataKind:
    """Classify the data of a task; local if their source is not stated."""
    return classify_source(manifest.data.sources.identities().get(task, {}))
