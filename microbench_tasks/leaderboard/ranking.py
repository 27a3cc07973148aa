"""Rank models that answered the same questions, and test all differences for significance."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microbench_tasks.catalog import table1
from microbench_tasks.leaderboard import cautions
from microbench_tasks.leaderboard import entries as submitted
from microbench_tasks.leaderboard.data import DATA_KINDS, Data
from microbench_tasks.leaderboard.entries import RANKED, Entry
from microbench_tasks.leaderboard.measures import measures
from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.metrics.paired import Comparison
from microbench_tasks.util.errors import DataError


@dataclass(frozen=True)
class Versus:
    """Compare one model of a ranking with another.

    Attributes:
        model: name of the other model.
        difference, low, high: difference of the scores with its simultaneous 95 % interval.
        p: p-value adjusted for all pairs.
        verdict: ``better``, ``worse``, or ``tie`` if the difference is not significant.
    """

    model: str
    difference: float
    low: float
    high: float
    p: float
    verdict: str


@dataclass(frozen=True)
class Row:
    """Hold the rank of one model.

    Attributes:
        rank: one more than the number of models that are significantly better.
        is_tied: whether another model has the same rank.
        entry: the model's answers.
        intervals: for each metric; the metric that ranks the models is the first, and those of boxes that no test
            compares are the last.
        versus_next: comparison with the model of the next row; None in the last row.
    """

    rank: int
    is_tied: bool
    entry: Entry
    intervals: Mapping[str, Interval]
    versus_next: Versus | None

    @property
    def place(self) -> str:
        """Return the rank as shown, with ``=`` if several models share it."""
        return f"{self.rank}{'=' if self.is_tied else ''}"

    @property
    def interval(self) -> Interval:
        """Return the interval of the score that ranks the models."""
        return next(iter(self.intervals.values()))


@dataclass(frozen=True)
class SmallestDifference:
    """Hold the smallest difference detected with 80 % power: median, minimum and maximum over a ranking's pairs."""

    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Ranking:
    """Models that answered the same questions, best first.

    Attributes:
        group, data, version: of the questions.
        rows: in descending order of the score.
        comparisons: for each metric, all pairs in the order of the rows; the metric that ranks them is the first.
        num_images, num_datasets: of the questions.
        num_groups: of the images, for own data in which they have groups; else None.
        absent: for each model that is not in the ranking, the reason.
    """

    group: str
    data: Data
    version: float
    rows: tuple[Row, ...]
    comparisons: Mapping[str, Comparison]
    num_images: int
    num_datasets: int
    num_groups: int | None
    absent: Mapping[str, str]

    @property
    def num_questions(self) -> int:
        """Return the number of questions; every model answered all of them."""
        return len(self.rows[0].entry.questions)

    @property
    def metric(self) -> str:
        """Return the metric that ranks the models."""
        return next(iter(self.comparisons))

    @property
    def comparison(self) -> Comparison:
        """Return the comparison of all pairs by the metric that ranks the models."""
        return self.comparisons[self.metric]

    @property
    def is_intransitive(self) -> bool:
        """Tell whether a model ranks below a model with a lower score."""
        ranks = [row.rank for row in self.rows]
        return ranks != sorted(ranks)

    def level(self, name: str) -> float | None:
        """Return the score of answers without an image, ``chance`` or ``majority``; None for tasks without options."""
        return self.rows[0].entry.figures.get(name)

    def versus(self, one: int, other: int, metric: str | None = None) -> Versus:
        """Compare the models of two rows."""
        comparison = self.comparisons[metric or self.metric]
        figures = (comparison.difference, comparison.low, comparison.high, comparison.p)
        difference, low, high, p = (float(values[one, other]) for values in figures)
        verdict = (
            "better" if comparison.is_better[one, other] else "worse" if comparison.is_better[other, one] else "tie"
        )
        return Versus(self.rows[other].entry.model, difference, low, high, p, verdict)

    def smallest_difference(self, metric: str | None = None) -> SmallestDifference | None:
        """Return the smallest differences that the comparison of a metric can detect; None for a single model."""
        if len(self.rows) < 2:
            return None
        of_pairs = self.comparisons[metric or self.metric].smallest[np.triu_indices(len(self.rows), 1)]
        return SmallestDifference(float(np.median(of_pairs)), float(of_pairs.min()), float(of_pairs.max()))

    @property
    def caution(self) -> str:
        """Return why the scores are not comparable with others; empty for the release. See `cautions.caution`."""
        return cautions.caution(self.group, self.data, [image for _, _, image, _ in self.rows[0].entry.questions])

    def with_reported(self, reported: Sequence[table1.Reported]) -> list[Row | table1.Reported]:
        """Return the rows and the paper's reported results, in descending order of the score."""
        lines: list[Row | table1.Reported] = [*self.rows, *reported]
        return sorted(lines, key=lambda line: -float(line.entry.score if isinstance(line, Row) else line.score))


@dataclass(frozen=True)
class Leaderboard:
    """Hold all rankings of some submissions.

    Attributes:
        rankings: in the order of `rank`.
        notes: on single submissions.
        missing: for each model of a list (``microbench run``) that has no submission, the reason.
    """

    rankings: tuple[Ranking, ...]
    notes: tuple[str, ...] = ()
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)


def load(folders: Sequence[Path], missing: Mapping[str, str] | None = None) -> Leaderboard:
    """Build the leaderboard of the submissions in ``folders``; show progress on stderr.

    Args:
        folders: of the submissions.
        missing: for each model that should be there and has no submission, the reason.

    Raises:
        DataError: a folder contains no intact submission, one is named twice, none has a complete group, or
            submissions on the same data were not asked the same questions.
    """
    submissions = submitted.read(folders)
    return Leaderboard(tuple(rank(submissions.entries, submissions.models)), tuple(submissions.notes), missing or {})


def rank(entries: Sequence[Entry], models: Sequence[str]) -> list[Ranking]:
    """Rank the models of each group, data and version; groups in the order of `RANKED`, the release's data first.

    Tasks of own datasets follow, by name; different content of a dataset has separate rankings.

    Args:
        entries: at most one for each model and group or task.
        models: names of all submitted models, including those without an entry.

    Raises:
        DataError: there is no entry, or models on the same data were not asked the same questions.
    """
    if not entries:
        raise DataError(
            f"No submission answers all tasks of any of {', '.join(RANKED)}, or a task of an own dataset: there is "
            "nothing to rank."
        )
    together: dict[tuple[int, str, int, str, float], list[Entry]] = collections.defaultdict(list)
    for entry in entries:
        kind, identity = DATA_KINDS.index(entry.data.kind), entry.data.identity
        # Own data come last.
        place = RANKED.index(entry.group) if entry.group in RANKED else len(RANKED)
        together[place, entry.group, kind, identity, entry.version].append(entry)
    return [_ranking(together[key], _absent(together[key], entries, models)) for key in sorted(together)]


def _absent(ranked: Sequence[Entry], entries: Sequence[Entry], models: Sequence[str]) -> dict[str, str]:
    """Return, for each model that is not in the ranking, the reason."""
    group, here = ranked[0].group, {entry.model for entry in ranked}
    elsewhere = {entry.model: entry for entry in entries if entry.group == group}
    return {model: _reason(ranked[0], elsewhere.get(model)) for model in sorted(models) if model not in here}


def _reason(ranked: Entry, other: Entry | None) -> str:
    if other is None:
        return f"did not answer all of {ranked.group}"
    if other.data != ranked.data:
        return f"other data: {other.data.shown()}"
    return f"other version of the tasks: {other.version}"


# --- one ranking ---------------------------------------------------------------------


def _ranking(entries: Sequence[Entry], absent: Mapping[str, str]) -> Ranking:
    ordered = sorted(entries, key=lambda entry: (-entry.score, entry.model))
    for entry in ordered[1:]:
        _check_same_questions(ordered[0], entry)
    by_metric = measures(ordered)
    comparisons = {metric: measure.compare() for metric, measure in by_metric.items()}
    ranks = ranks_of(next(iter(comparisons.values())))
    first, images = ordered[0], {image for _, _, image, _ in ordered[0].questions}
    ranking = Ranking(
        group=first.group,
        data=first.data,
        version=first.version,
        rows=tuple(
            Row(
                rank=place,
                is_tied=ranks.count(place) > 1,
                entry=entry,
                intervals={
                    **{metric: measure.interval(index) for metric, measure in by_metric.items()},
                    **entry.figure_intervals,
                },
                versus_next=None,
            )
            for index, (place, entry) in enumerate(zip(ranks, ordered, strict=True))
        ),
        comparisons=comparisons,
        num_images=len(images),
        num_datasets=len({image.partition("/")[0] for image in images}),
        num_groups=num_groups if 0 < (num_groups := len(set(first.units))) < len(images) else None,
        absent=absent,
    )
    next_ones = [ranking.versus(index, index + 1) for index in range(len(ordered) - 1)]
    rows = (
        dataclasses.replace(row, versus_next=versus)
        for row, versus in zip(ranking.rows, [*next_ones, None], strict=True)
    )
    return dataclasses.replace(ranking, rows=tuple(rows))


def ranks_of(comparison: Comparison) -> list[int]:
    """Return the rank of each model: one more than the number of models that are significantly better.

    A model may rank below a model with a lower score. A third model may be significantly better than the first, but
    not than the second: they agree on fewer questions, so that their difference has a larger standard error.
    """
    return (1 + comparison.is_better.sum(axis=0)).tolist()


# --- the same questions --------------------------------------------------------------


def _check_same_questions(one: Entry, other: Entry) -> None:
    asked = [set(entry.questions + entry.outside) for entry in (one, other)]
    if one.questions == other.questions and one.outside == other.outside:
        _check_same_documents(one, other)
        return
    only = min(asked[0] ^ asked[1])
    having, lacking = (one, other) if only in asked[0] else (other, one)
    task, number, image, right = only
    raise DataError(
        f"{_same_data(one, other)}, but {having.model} has document {number} of {task} about {image!r} with the right "
        f"answer {right}, and {lacking.model} has not. One of them is incomplete or was changed. Check both with "
        "microbench verify."
    )


def _check_same_documents(one: Entry, other: Entry) -> None:
    both = one.asked.keys() & other.asked.keys()
    differing = sorted(task for task in both if one.asked[task] != other.asked[task])
    if differing:
        raise DataError(
            f"{_same_data(one, other)}, but the digests of their documents of {differing[0]}, images included, differ. "
            "One of them was changed. Check both with microbench verify."
        )


def _same_data(one: Entry, other: Entry) -> str:
    return f"{one.model} and {other.model} name the same data ({one.data.shown()}) for {one.group}"
