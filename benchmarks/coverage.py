"""Measure coverage and width of the nominal 95 % intervals on simulated answers."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage_cells as cells
import coverage_macro_cells as macro_cells
import numpy as np
from result_pages import markdown_table, page
from scipy import stats
from table1_half_widths import TAIL, low_end_at_most

from microbench_tasks.metrics import clustered_limits, intervals
from microbench_tasks.metrics.bootstrap import SEED
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL

# Coverage below this is shown in bold and listed.
TARGET = 0.94
# A cell with a coverage below this is simulated again with more data sets, and that result counts.
DOUBTFUL = 0.945
# An end of an interval that equals the true mean up to this covers it.
TOLERANCE = 1e-9
# Random numbers per block, to limit memory to 32 MB.
BLOCK = 4_000_000
# Limit of the scores in all further data sets of a cell: large cells get fewer further data sets.
MORE_SCORES = 20_000_000

INDEPENDENT_SIZES = (12, 30, 54, 121, 500, 2_000, 14_644, 80_000)
INDEPENDENT_RATES = np.arange(5, 1_000, 5) / 1_000
# Numbers of right answers that are rarer than this are left out.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Result:
    """Hold coverage and mean width of the intervals of a cell; ``paper`` is the coverage of the paper's intervals."""

    design: str
    details: str
    coverage: float
    width: float
    paper: tuple[float, float] | None = None


@dataclass(frozen=True)
class Simulation:
    """Hold the number of data sets of a cell, and of further ones if the first result is doubtful."""

    data_sets: int
    more: int
    seed: int

    def results(self, many: Iterable[cells.Cell]) -> list[Result]:
        return [self._result(index, cell) for index, cell in enumerate(many)]

    def _result(self, index: int, cell: cells.Cell) -> Result:
        first = batch_result(cell, self.data_sets, np.random.default_rng([self.seed, index]))
        if first.coverage >= DOUBTFUL:
            return first
        # New data sets only: cells are selected for a low first result, which biases it.
        number = min(self.more, max(self.data_sets, MORE_SCORES // cell.num_scores))
        return batch_result(cell, number, np.random.default_rng([self.seed, index, 1]))


def batch_result(cell: cells.Cell, number: int, rng: np.random.Generator) -> Result:
    held, width, paper, is_checked = 0, 0.0, np.zeros(2), False
    for size in blocks(number, cell):
        batch = cell.draw(size, rng)
        if not is_checked:
            check_against_public_function(cell, batch)
            is_checked = True
        low, high = batch_limits(cell, batch)
        held += int(contains(low, high, cell.truth).sum())
        width += float((high - low).sum())
        if cell.is_binary:
            paper += paper_held(batch, cell.truth)
    shares = tuple(paper / number) if cell.is_binary else None
    return Result(cell.design, cell.details, held / number, width / number, shares)


def blocks(number: int, cell: cells.Cell) -> Iterator[int]:
    step = max(1, BLOCK // cell.num_scores)
    for start in range(0, number, step):
        yield min(step, number - start)


def batch_limits(cell: cells.Cell, batch: cells.Batch) -> tuple[np.ndarray, np.ndarray]:
    """Compute the intervals of many data sets at once, with the functions behind those of `intervals`."""
    sizes = np.broadcast_to(batch.sizes.astype(float), batch.sums.shape)
    table = clustered_limits.ClusterTable(batch.sums, sizes, batch.squares, is_single=False)
    if cell.is_macro:
        return clustered_limits.macro_limits(table, CONFIDENCE_LEVEL)
    prior = clustered_limits.PRIOR_DIFFERENCES if cell.is_difference else clustered_limits.PRIOR_CLUSTERS
    effective = clustered_limits.effective_numbers(table, prior)
    degrees = np.asarray(len(batch.sizes) - 1)
    low, high = clustered_limits.beta_limits(table.means, effective, degrees, CONFIDENCE_LEVEL)
    return (2 * low - 1, 2 * high - 1) if cell.is_difference else (low, high)


def check_against_public_function(cell: cells.Cell, batch: cells.Batch) -> None:
    """Check that the first interval of a batch equals that of the public function."""
    if not (cell.is_binary or cell.is_macro):
        return
    low, high = batch_limits(cell, batch)
    right = np.atleast_2d(batch.sums[0]).astype(int).ravel()
    wrong = np.atleast_2d(batch.sizes).astype(int).ravel() - right
    tasks, images = (labels.ravel() for labels in np.indices(np.atleast_2d(batch.sizes).shape))
    answers = np.repeat([1.0, 0.0], [right.sum(), wrong.sum()])
    of_answers = [np.concatenate([np.repeat(labels, right), np.repeat(labels, wrong)]) for labels in (tasks, images)]
    if cell.is_macro:
        expected = intervals.macro_interval(answers, *of_answers)
    else:
        expected = intervals.accuracy_interval(answers, of_answers[1])
    if not np.allclose([low[0], high[0]], [expected.low, expected.high], atol=1e-9):
        raise AssertionError(f"The batch gives {low[0]} to {high[0]}, the public function {expected}, in {cell}.")


def paper_held(batch: cells.Batch, truth: float) -> np.ndarray:
    """Count the basic and percentile bootstrap intervals of independent questions that contain the truth.

    Resampled numbers of right answers are binomial, so that their quantiles are computed without resampling.
    """
    number = batch.sizes.sum()
    right = batch.sums.sum(axis=1)
    low, high = (stats.binom.ppf(tail, number, right / number) for tail in (TAIL, 1 - TAIL))
    low, high = np.where(right == 0, 0, low), np.where(right == number, number, high)
    basic = contains((2 * right - high) / number, (2 * right - low) / number, truth)
    return np.array([basic.sum(), contains(low / number, high / number, truth).sum()])


def contains(low: np.ndarray | float, high: np.ndarray | float, truth: float) -> np.ndarray:
    return np.asarray((low - TOLERANCE <= truth) & (truth <= high + TOLERANCE))


def exact_result(n: int, rate: float) -> Result:
    """Compute the exact coverage for independent questions, summing over all numbers of right answers.

    The true mean is missed where the high end lies below it or the low end above. In counts of right answers the
    percentile interval's ends are the quantiles of the resamples; a basic interval's end lies below
    n * rate where the opposite quantile lies above its mirror image, 2 * right - n * rate.
    """
    right = np.arange(n + 1)
    weights = stats.binom.pmf(right, n, rate)
    right, weights = right[weights > NEGLIGIBLE], weights[weights > NEGLIGIBLE]

    def bootstrap(threshold: np.ndarray) -> float:
        low_is_above = 1 - low_end_at_most(threshold + TOLERANCE, n, right)
        # The high end of right answers is the low end of wrong ones.
        high_is_below = 1 - low_end_at_most(n - threshold + TOLERANCE, n, n - right)
        return float(weights @ (1 - low_is_above - high_is_below))

    low, high = clustered_limits.beta_limits(right / n, np.asarray(n), np.asarray(np.inf), CONFIDENCE_LEVEL)
    paper = bootstrap(2 * right - n * rate), bootstrap(np.full(len(right), n * rate))
    coverage = float(weights @ contains(low, high, rate))
    return Result(f"{n:,} questions", f"accuracy {rate:g}", coverage, float(weights @ (high - low)), paper)


def percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    return f"**{text}**" if share < TARGET else text


def summary(results: list[Result]) -> str:
    """Render one row for each design: its lowest coverage and the cell that has it."""
    has_paper = results[0].paper is not None
    head = ["", "cells", "lowest", "where", "mean width"]
    head += ["basic, lowest", "percentile, lowest"] if has_paper else []
    rows = []
    for design in dict.fromkeys(result.design for result in results):
        of_design = [result for result in results if result.design == design]
        lowest = min(of_design, key=lambda result: result.coverage)
        width = f"{np.mean([result.width for result in of_design]):.4f}"
        paper = (
            [percent(min(values)) for values in zip(*(result.paper for result in of_design), strict=False)]
            if has_paper
            else []
        )
        rows.append([design, f"{len(of_design)}", percent(lowest.coverage), lowest.details, width, *paper])
    return markdown_table(head, rows)


def listed(results: list[Result]) -> str:
    low = sorted((result for result in results if result.coverage < TARGET), key=lambda result: result.coverage)
    if not low:
        return f"No cell is below {100 * TARGET:g}."
    rows = [[result.design, result.details, percent(result.coverage), f"{result.width:.4f}"] for result in low]
    count = f"{len(low)} of {len(results):,} cells are below {100 * TARGET:g}:"
    return f"{count}\n\n" + markdown_table(["", "cell", "coverage", "mean width"], rows)


FAMILIES: dict[str, tuple[str, Callable[[], Iterator[cells.Cell]]]] = {
    "Several questions about each image (`accuracy_interval`)": (
        "`beta`: images differ in difficulty, with beta distributed chances. `all or none`: some images are all right "
        "or all wrong, and the rest independent. The paper's intervals resample questions as if they were independent.",
        cells.accuracy_cells,
    ),
    "Datasets instead of images (`accuracy_interval`)": (
        "Each dataset has its own accuracy, and the interval is about new datasets. Sizes are equal or very unequal.",
        cells.dataset_cells,
    ),
    "Shares of right answers of several decodings (`accuracy_interval`)": (
        f"Each question is answered {cells.NUM_DECODINGS} times and its score is the share of right answers.",
        cells.decoding_cells,
    ),
    "Continuous scores such as GRIT (`score_interval`)": (
        "The last distribution defeats any interval of its width: the few scores of 1 make up half of the mean, and up "
        "to some 100 images there is often none among them to tell.",
        cells.grit_cells,
    ),
    "Differences of two models or variants (`difference_interval`)": (
        "`first alone right`: the share of questions that only the first answers rightly. `shared`: the chance that "
        "all questions about an image have the same difference.",
        cells.difference_cells,
    ),
    "Mean of several tasks, each with images of its own (`macro_interval`)": (
        "One question about each image.",
        macro_cells.own_image_cells,
    ),
    "Mean of several tasks, datasets instead of images (`macro_interval`)": (
        "Each task asks about every image, and answers about one dataset depend on each other.",
        macro_cells.dataset_macro_cells,
    ),
    "Mean of several tasks that share images (`macro_interval`)": (
        "`half of them shared`: each task asks about a random half of the images, so that nearly all patterns of tasks "
        "occur. `nested`: tasks ask about all images, the first half, third or quarter.",
        macro_cells.shared_image_cells,
    ),
}


def sections(simulation: Simulation) -> Iterator[str]:
    exact = [exact_result(n, rate) for n in INDEPENDENT_SIZES for rate in INDEPENDENT_RATES.tolist()]
    about = (
        f"Exact: each number of right answers weighed by its probability, at {len(INDEPENDENT_RATES)} accuracies from "
        f"{INDEPENDENT_RATES[0]:g} to {INDEPENDENT_RATES[-1]:g}. Clopper-Pearson beside the paper's basic bootstrap "
        "(`acc_ci_low`, `acc_ci_high`) and the percentile bootstrap. All right gives a bootstrap interval of [1, 1]."
    )
    yield f"## Independent questions (`accuracy_interval`)\n\n{about}\n\n{summary(exact)}\n\n{listed(exact)}"
    for title, (about, family) in FAMILIES.items():
        start = time.perf_counter()
        results = simulation.results(family())
        seconds = time.perf_counter() - start
        print(f"{title}: {len(results):,} cells in {seconds:.0f} s", file=sys.stderr, flush=True)
        yield f"## {title}\n\n{about}\n\n{summary(results)}\n\n{listed(results)}"


def reading(simulation: Simulation) -> str:
    first, more = (100 * math.sqrt(0.95 * 0.05 / number) for number in (simulation.data_sets, simulation.more))
    return (
        f"How many of 100 nominal {100 * CONFIDENCE_LEVEL:g} % intervals contain the truth. A cell is one situation: "
        f"sizes, accuracy and dependence. Each has {simulation.data_sets:,} simulated data sets (Monte Carlo standard "
        f"error {first:.1f} points). Cells below {100 * DOUBTFUL:g} are simulated again with "
        f"{simulation.more:,} new ones (error {more:.2f}; fewer, but at least {simulation.data_sets:,}, "
        f"where that is more than {MORE_SCORES // 1_000_000} million scores), and that result counts. "
        "A row is the lowest of its cells. "
        f"**Bold**: below {100 * TARGET:g}; each such cell of our intervals is listed. `mean width` is the mean over "
        "cells, in units of the score. `docs/statistics.md` has the formulas, and why some cells stay below."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=2_000, help="simulated for each cell (default: %(default)s)")
    parser.add_argument("--more", type=int, default=10_000, help="of cells in doubt (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    simulation = Simulation(args.data_sets, args.more, args.seed)
    command = f"python benchmarks/coverage.py --data-sets {args.data_sets} --more {args.more} --seed {args.seed}"
    done: list[str] = []
    for section in sections(simulation):
        done.append(section)
        # Written after each section: the whole page takes a while.
        if args.out:
            args.out.write_text(page("Coverage of the intervals", command, reading(simulation), done), encoding="utf-8")
    print(page("Coverage of the intervals", command, reading(simulation), done), end="")


if __name__ == "__main__":
    main()
