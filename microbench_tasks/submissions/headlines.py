"""Select the main scores of a submission: one per task or group and metric, with interval and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.submissions import data_kinds
from microbench_tasks.tasks.metric_table import FAMILIES


@dataclass(frozen=True)
class Headline:
    """The one figure of a task or group, ``acc`` or ``grit``, with its 95 % interval and the number of observations."""

    name: str
    metric: str
    value: float
    low: float
    high: float
    questions: int
    images: int
    datasets: int


def list_headlines(manifest: Mapping[str, Any]) -> Iterator[Headline]:
    """The main figures, groups first, the largest first; a group that asks both questions and boxes has one of each."""
    for name in (*reversed(catalog.GROUPS), *catalog.TASKS):
        figures = manifest["scores"].get(name, {})
        for family in FAMILIES.values():
            low, high = figures.get(f"{family.interval}_low"), figures.get(f"{family.interval}_high")
            if None not in (figures.get(family.score), low, high) and family.counts in figures:
                yield Headline(name, family.score, figures[family.score], low, high, **figures[family.counts])


def has_publishable(manifest: Mapping[str, Any]) -> bool:
    """Whether any of the scores may stand on the Hub as the benchmark's."""
    return any(True for _ in list_publishable(manifest))


def list_publishable(manifest: Mapping[str, Any]) -> Iterator[Headline]:
    """The headlines that may stand on the Hub as the benchmark's: all of their data are of the release."""
    if manifest["data"]["kind"] != "release":
        return
    for headline in list_headlines(manifest):
        # A task of the Hub has one number: groups that ask questions and boxes have none.
        both = {"acc", "grit"} <= manifest["scores"][headline.name].keys()
        if not both and all(
            task_data_kind(manifest, task) == "release" for task in catalog.tasks_named([headline.name])
        ):
            yield headline


def task_data_kind(manifest: Mapping[str, Any], task: str) -> str:
    return data_kinds.classify_source(manifest["data"]["sources"].get(task, {}))
