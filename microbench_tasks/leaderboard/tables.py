"""Format the tables and explanations of a leaderboard, for Markdown and HTML alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.catalog import table1
from microbench_tasks.catalog.table1 import Reported
from microbench_tasks.leaderboard.entries import FIGURES
from microbench_tasks.leaderboard.ranking import Ranking, Row, SmallestDifference, Versus
from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, SEED
from microbench_tasks.metrics.intervals import Interval
from microbench_tasks.metrics.paired import LEVEL, POWER
from microbench_tasks.render.number_text import bare_p, p_value, percent, points
from microbench_tasks.submissions.data_kinds import DataKind
from microbench_tasks.tasks.item_intervals import ABOUT_GROUPS, ABOUT_IMAGES
from microbench_tasks.tasks.metric_table import METRIC_BY_NAME

TITLE = "Micro-Bench leaderboard"
DEMO_NOTICE = (
    "This page has scores of the demo set, whose images are synthetic. They say nothing about microscopy, and are not "
    "comparable with the paper's."
)
_DATA_TEXTS: dict[DataKind, str] = {
    "release": "the release",
    "demo": "demo data",
    "local": "local data",
    "own": "own data",
}
NOT_RERUN = "reported, not re-run"
REPORTED_APART = "Reported in the paper, on the release: not comparable with the runs above"
STATED = "Data as stated by the submissions; microbench verify compares each with the data."
# With more models, the pairs are only in the JSON and CSV files.
MOST_MODELS_PAIRED = 12

Line = Row | Reported


def lines_of(ranking: Ranking, with_paper: bool) -> list[Line]:
    """Return the rows of a ranking in descending order of the score, with the paper's rows if ``with_paper``."""
    return ranking.with_reported(table1.table1(ranking.group) if with_paper else ())


def divided_lines(ranking: Ranking, with_paper: bool) -> tuple[list[Line], list[Line]]:
    """Return the rows of the main table, and the paper's rows if they stand apart.

    The paper's scores are of the release: beside a run on other data, they would be compared.
    """
    lines = lines_of(ranking, with_paper)
    if ranking.data.kind == "release":
        return lines, []
    reported: list[Line] = [line for line in lines if isinstance(line, Reported)]
    return [line for line in lines if not isinstance(line, Reported)], reported


def title_of(ranking: Ranking) -> str:
    """Return a title: the group, the data and the version of the tasks."""
    return f"{ranking.group}, {ranking.data.shown()}, tasks version {ranking.version}"


def data_text(ranking: Ranking) -> str:
    """Name the kind of the data in words, without hashes."""
    return _DATA_TEXTS[ranking.data.kind]


def heading_of(ranking: Ranking) -> str:
    """Return a heading for readers: what was asked, and on which kind of data, without hashes."""
    return f"{catalog.short_name(ranking.group).capitalize()}, {data_text(ranking)}"


def headings_of(rankings: Sequence[Ranking]) -> list[str]:
    """Return a unique heading for each ranking; those of equal kind on other data or versions are numbered."""
    headings = [heading_of(ranking) for ranking in rankings]
    return [
        f"{heading} ({headings[: position + 1].count(heading)})" if headings.count(heading) > 1 else heading
        for position, heading in enumerate(headings)
    ]


def header_of(ranking: Ranking) -> list[str]:
    """Return the column headers of `cells_of`."""
    score = f"{ranking.metric} [95 % interval]"
    return ["rank", "model", score, "versus next run", *_figures(ranking), "n", "data"]


def cells_of(line: Line, ranking: Ranking) -> list[str]:
    """Return the cells of one line of a ranking, in percent."""
    if isinstance(line, Reported):
        return ["–", line.model, line.as_printed, "", *[""] * len(_figures(ranking)), "", NOT_RERUN]
    figures = [_figure(figure, line) for figure in _figures(ranking)]
    score = with_interval(line.entry.score, line.interval)
    number = f"{len(line.entry.scores):,}"
    return [line.place, line.entry.model, score, against(line.versus_next), *figures, number, line.entry.data.kind]


def _figures(ranking: Ranking) -> list[str]:
    return [figure for figure in FIGURES if any(figure in row.entry.figures for row in ranking.rows)]


def _figure(name: str, row: Row) -> str:
    if name not in row.entry.figures:
        return ""
    value = row.entry.figures[name]
    if not METRIC_BY_NAME[name].is_fraction:
        return f"{value:.2f}"
    return with_interval(value, row.intervals[name]) if name in row.intervals else percent(value)


def with_interval(value: float, interval: Interval) -> str:
    """Format a share with its interval, in percent."""
    return f"{percent(value)} [{percent(interval.low)}, {percent(interval.high)}]"


def against(versus: Versus | None) -> str:
    """Format a comparison: difference in percentage points with its interval, adjusted p-value and verdict."""
    if versus is None:
        return ""
    return f"{points(versus.difference)} {points_interval(versus)}, {p_value(versus.p)}, {versus.verdict}"


def points_interval(versus: Versus) -> str:
    """Format the interval of a difference in percentage points."""
    return f"[{points(versus.low)}, {points(versus.high)}]"


# --- text around a table -------------------------------------------------------------


def facts_of(ranking: Ranking) -> list[str]:
    """Describe a ranking: numbers of questions and images, scores without an image, and its statistical power."""
    asked = f"{_number(ranking.num_questions, 'question')} about {_number(ranking.num_images, 'image')}"
    if ranking.num_groups is not None:
        asked += f" in {_number(ranking.num_groups, 'group')}"
    others = [name for name in _figures(ranking) if not METRIC_BY_NAME[name].is_fraction]
    units = ", ".join(["figures are in percent", *(f"{name} in boxes" for name in others)])
    facts = [f"{asked} of {_number(ranking.num_datasets, 'dataset')}; {units}."]
    levels = [(ranking.level("chance"), "chance"), (ranking.level("majority"), "majority answer")]
    if known := [f"{name} {percent(value)}" for value, name in levels if value is not None]:
        facts.append(f"Without an image: {', '.join(known)}.")
    if (smallest := ranking.smallest_difference()) is not None:
        facts.append(_detectable_difference(smallest))
    if ranking.num_groups is not None:
        facts.append(f"{ABOUT_GROUPS} Where this page says image, the group is meant.")
    if ranking.is_intransitive:
        facts.append(
            "A model ranks below one of a lower score here: another model is better than the first, and not known to "
            "be better than the second. The pairs show which."
        )
    return [*facts, STATED]


def _detectable_difference(smallest: SmallestDifference) -> str:
    if smallest.median >= 1:
        return "There are too few images here to find a difference between most of the models, however large it is."
    sizes = f"{percent(smallest.median)} points"
    if smallest.least < smallest.most:
        sizes += f" (median over its pairs; {percent(smallest.least)} to {percent(smallest.most)})"
    return f"The smallest true difference that this ranking finds {100 * POWER:g} times in 100: {sizes}."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cautions_of(ranking: Ranking, with_paper: bool) -> list[str]:
    """List the warnings that are shown before the scores."""
    cautions = [ranking.caution] if ranking.caution else []
    if with_paper and table1.table1(ranking.group):
        cautions.append(
            f"Rows without a rank are the paper's, as {NOT_RERUN}: {table1.source()}. Their intervals are the printed "
            "half widths. No test compares them with a run."
        )
    return cautions


def how_to_read() -> list[str]:
    """Explain the ranks, intervals and p-values."""
    return [
        "Every figure is computed from the answers in the submissions, not copied from their tables; whether the "
        "answers belong to the data is what microbench verify checks.",
        "Intervals of scores are 95 % intervals by image: all answers about an image are kept together. "
        f"{ABOUT_IMAGES}",
        "All pairs of a ranking are compared at once on their common questions, image by image: random signs of the "
        f"images, largest statistic of all pairs, {NUM_RESAMPLES:,} draws, more where a p-value is near {LEVEL:g}, "
        f"seed {SEED}; exact for two models. If all models were exchangeable, at most {100 * LEVEL:g} % of rankings "
        "would have any pair called different, whichever pair is looked at. p-values are adjusted for that, and the "
        "differences' intervals are simultaneous. Each metric and each ranking is adjusted by itself.",
        "The verdict (better, worse, tie) is the test's. An interval also allows for images that were not asked about. "
        "Where few images tell two models apart, it may contain 0 although the verdict is better.",
        "A rank is one more than the number of models that are better by this test. Models with the same rank (=) are "
        "not all equal: each is not known to be worse than the same number of others. A tie is no proof of equality.",
        "Each further submission adds pairs, so that a difference must be larger to be found: models may come to share "
        "a rank though none of their answers changed. A pair's own p does not depend on other submissions. Use it only "
        "for a comparison that was planned before the scores were seen.",
        "The smallest difference is the critical value and the normal quantile of the power, added, times the paired "
        "standard error of a pair; it is at least what a pair without a difference so far would need.",
    ]


# --- pairs ---------------------------------------------------------------------------


def matrix_of(ranking: Ranking) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the matrix of all pairs: verdict and difference of the row's model to the column's."""
    numbers = range(len(ranking.rows))
    header = ["model", *(str(number + 1) for number in numbers)]
    rows = [
        [f"{one + 1} {ranking.rows[one].entry.model}", *(_square_cell(ranking, one, other) for other in numbers)]
        for one in numbers
    ]
    return header, rows


def _square_cell(ranking: Ranking, one: int, other: int) -> str:
    if one == other:
        return ""
    versus = ranking.versus(one, other)
    return f"{versus.verdict} {points(versus.difference)}"


PAIRS_HEADER = (
    "metric",
    "model",
    "against",
    "difference [95 % interval]",
    "verdict",
    "adjusted p",
    "own p",
    "paired SE",
    "correlation",
    "discordant images",
)


def pairs_of(ranking: Ranking) -> list[tuple[str, int, int]]:
    """List all pairs by all metrics: the metric, and the positions of two rows, the better one first."""
    pairs = list(itertools.combinations(range(len(ranking.rows)), 2))
    return [(metric, *pair) for metric in ranking.comparisons for pair in pairs]


def pair_cells(ranking: Ranking, metric: str, one: int, other: int) -> list[str]:
    """Return the cells of one pair, with the columns of `PAIRS_HEADER`; names of models are not escaped."""
    versus, comparison = ranking.versus(one, other, metric), ranking.comparisons[metric]
    correlation = comparison.correlation[one, other]
    return [
        metric,
        ranking.rows[one].entry.model,
        versus.model,
        f"{points(versus.difference)} {points_interval(versus)}",
        versus.verdict,
        bare_p(versus.p),
        bare_p(float(comparison.pair_p[one, other])),
        percent(float(comparison.standard_error[one, other])),
        "" if math.isnan(correlation) else f"{correlation:.2f}",
        f"{comparison.num_discordant[one, other]:,}",
    ]


def has_pairs_shown(ranking: Ranking) -> bool:
    """Tell whether a page shows the pairs: not for a single model, nor for more than `MOST_MODELS_PAIRED`."""
    return 2 <= len(ranking.rows) <= MOST_MODELS_PAIRED
