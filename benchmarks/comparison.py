"""Measure false positives, coverage, ranks, power and stability of model comparisons on simulated answers."""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from result_pages import markdown_table
from simulated_models import COARSE, COGNITION, DEMO, FIFTY, FINE, LARGER, SINGLE, TINY, Setting
from timing import origin, shown, side_by_side

from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, SEED
from microbench_tasks.metrics.paired import LEVEL, MAX_RESAMPLES, POWER, Comparison, compare_models, compare_pair

# Shares of the variance that all models have in common, and numbers of models.
AGREEMENT, AGREEMENTS = 0.6, (0.1, 0.6, 0.95)
NUM_MODELS = (2, 5, 12, 30)
# True accuracies of equal models, and of models that are nearly always right.
EQUAL, HIGH = 0.5, (0.9, 0.99)
# With at least this many models, a data set takes long.
_MANY = 30
# Coverage below which a row of few data sets is in doubt.
DOUBT = 0.945
# Number of leaderboards with a p-value near the level, on which the stability of verdicts is measured.
NUM_BOARDS = 8
# Size of the comparison that is timed.
MANY_MODELS, MANY_IMAGES, MANY_QUESTIONS = 50, 16_130, 5


@dataclass(frozen=True)
class Options:
    """Hold the numbers of simulated data sets and of resamples, and the seed."""

    data_sets: int
    few: int
    resamples: int
    seed: int

    def generator(self, *values: float) -> np.random.Generator:
        """Return the random generator of one row, seeded by its parameters."""
        return np.random.default_rng([self.seed, *(round(1_000 * value) for value in values)])

    def compare(self, answers: np.ndarray, images: np.ndarray) -> Comparison:
        """Compare models with few draws, and without further draws near the level, to save time."""
        return compare_models(answers, images, num_resamples=self.resamples, max_resamples=self.resamples)


def percent(count: float, total: float) -> str:
    return f"{100 * count / total:.1f}"


def upper(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


# --- false positives and coverage ----------------------------------------------------


def inverted_statistic(answers: np.ndarray, images: np.ndarray, critical: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute the intervals of version 1: all x with |sum(d - x s)| <= critical * sqrt(sum((d - x s)^2))."""
    sizes = np.bincount(images).astype(float)
    sums = np.column_stack([np.bincount(images, weights=row) for row in answers])
    first, second = np.triu_indices(len(answers), 1)
    apart = sums[:, first] - sums[:, second]
    square = sizes.sum() ** 2 - critical**2 * (sizes @ sizes)
    if square <= 1e-9 * sizes.sum() ** 2:
        return np.full(len(first), -1.0), np.full(len(first), 1.0)
    middle = apart.sum(axis=0) * sizes.sum() - critical**2 * (sizes @ apart)
    constant = apart.sum(axis=0) ** 2 - critical**2 * (apart**2).sum(axis=0)
    half = np.sqrt(np.maximum(middle**2 - square * constant, 0.0))
    return np.maximum((middle - half) / square, -1.0), np.minimum((middle + half) / square, 1.0)


def cell(options: Options, setting: Setting, rates: np.ndarray, agreement: float, data_sets: int) -> list[str]:
    """Return the share of data sets with any pair called different, and coverage and width, now and in version 1."""
    rng, images = options.generator(len(setting.sizes()), len(rates), rates[-1], agreement), setting.labels()
    true = upper(rates[:, None] - rates)
    num_different = num_right = num_right_before = drawn = 0
    widths, widths_before = [], []
    while drawn < data_sets:
        drawn += 1
        answers = setting.answers(rates, agreement, rng)
        found = options.compare(answers, images)
        before = inverted_statistic(answers, images, found.critical)
        low, high = upper(found.low), upper(found.high)
        num_different += found.is_better.any()
        num_right += bool(((low <= true) & (true <= high)).all())
        # An end that equals the truth covers it: two models that are equal on all images have [0, 0].
        num_right_before += bool(((before[0] <= true + 1e-12) & (true - 1e-12 <= before[1])).all())
        widths.append(np.mean(high - low))
        widths_before.append(np.mean(before[1] - before[0]))
        # Decided once for each row: a row in doubt is drawn as often as the rows that decide.
        if drawn == data_sets and num_right < DOUBT * drawn:
            data_sets = max(data_sets, options.data_sets)
    is_equal = np.ptp(rates) == 0
    return [
        f"{data_sets:,}",
        percent(num_different, data_sets) if is_equal else "",
        percent(num_right, data_sets),
        f"{100 * np.mean(widths):.1f}",
        percent(num_right_before, data_sets),
        f"{100 * np.mean(widths_before):.1f}",
    ]


def rows_of_cells(options: Options) -> Iterator[list[str]]:
    for setting in (TINY, SINGLE, COGNITION, FIFTY, DEMO, LARGER):
        is_small = setting in (TINY, SINGLE, COGNITION)
        for num_models in NUM_MODELS:
            equal, high = np.full(num_models, EQUAL), np.linspace(*HIGH, num_models)
            for agreement in AGREEMENTS if setting is COGNITION and num_models < _MANY else (AGREEMENT,):
                is_decisive = is_small and (num_models < 12 or setting is COGNITION and num_models < _MANY)
                yield row_of_cell(options, setting, equal, agreement, options.data_sets if is_decisive else options.few)
            if num_models != 12:
                is_decisive = is_small and (num_models < _MANY or setting is TINY)
                yield row_of_cell(options, setting, high, AGREEMENT, options.data_sets if is_decisive else options.few)
    for setting in (FINE, COARSE):
        for num_models in (2, 12):
            yield row_of_cell(options, setting, np.full(num_models, EQUAL), AGREEMENT, options.few // 3)


def row_of_cell(options: Options, setting: Setting, rates: np.ndarray, agreement: float, data_sets: int) -> list[str]:
    accuracy = "50" if np.ptp(rates) == 0 else "90 to 99"
    figures = cell(options, setting, rates, agreement, data_sets)
    return [setting.shown(), str(len(rates)), accuracy, f"{agreement:g}", *figures]


def skewed_rows(options: Options) -> Iterator[list[str]]:
    """Simulate skewed differences with mean 0: -1 with probability 0.8 and 4 with 0.2 per image of 5 questions."""
    for num_images in (8, 20, 50, 200, 1_000):
        rng, images = options.generator(num_images, 5), np.repeat(np.arange(num_images), 5)
        num_different = num_right = 0
        for _ in range(options.data_sets):
            is_ahead = rng.random(num_images) < 0.2
            first = np.where(is_ahead, 4, 0)[:, None] > np.arange(5)
            second = np.where(is_ahead, 0, 1)[:, None] > np.arange(5)
            found = compare_pair(first.ravel(), second.ravel(), images)
            num_different += found.p <= LEVEL
            num_right += found.low <= 0 <= found.high
        yield [f"{num_images:,}", percent(num_different, options.data_sets), percent(num_right, options.data_sets)]


# --- ranks, power, stability ---------------------------------------------------------


def rank_rows(options: Options) -> Iterator[list[str]]:
    """Rank twelve models in three families, and compare with version 1, whose ranks followed the order of scores."""
    families = np.repeat(np.arange(3), 4)
    for setting in (COGNITION, Setting("single", {1: 400}), DEMO):
        rng, images, num_models = options.generator(len(setting.sizes()), 12), setting.labels(), len(families)
        num_boards, num_rows = 0, 0
        for _ in range(options.few):
            rates = rng.uniform(0.4, 0.6, num_models)
            answers = setting.answers(rates, 0.3, rng, families, 0.6)
            answers = answers[np.argsort(-answers.sum(axis=1), kind="stable")]
            ranks = 1 + options.compare(answers, images).is_better.sum(axis=0)
            num_wrong = np.count_nonzero(np.maximum.accumulate(ranks) != ranks)
            num_boards, num_rows = num_boards + (num_wrong > 0), num_rows + num_wrong
        yield [setting.shown(), percent(num_boards, options.few), percent(num_rows, options.few * num_models), "0.0"]


def power_rows(options: Options) -> Iterator[list[str]]:
    """Yield the median smallest detectable difference, and how often a difference of that size is detected."""
    for setting in (COGNITION, FIFTY, DEMO, FINE):
        for num_models in (2, 12):
            rng, images = options.generator(len(setting.sizes()), num_models, POWER), setting.labels()
            data_sets = options.few // 5 if setting is FINE else options.few
            equal = np.full(num_models, EQUAL)
            pilots = [options.compare(setting.answers(equal, AGREEMENT, rng), images) for _ in range(20)]
            smallest = float(np.median([np.median(upper(found.smallest)) for found in pilots]))
            rates = equal - smallest / 2
            rates[0] += smallest
            found = [options.compare(setting.answers(rates, AGREEMENT, rng), images) for _ in range(data_sets)]
            num_found = sum(comparison.is_better[0, 1] for comparison in found)
            yield [setting.shown(), str(num_models), f"{100 * smallest:.2f}", percent(num_found, data_sets)]


def near_level(setting: Setting, num_models: int, number: int, seed: int) -> list[np.ndarray]:
    """Draw data sets in which some pair of models has an adjusted p-value near the level, by another seed."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < number:
        answers = setting.answers(rng.uniform(0.4, 0.6, num_models), AGREEMENT, rng)
        p = compare_models(answers, setting.labels(), max_resamples=NUM_RESAMPLES, seed=seed).p
        if (np.abs(p - LEVEL) < 0.003).any():
            found.append(answers)
    return found


def stability_rows(options: Options) -> Iterator[list[str]]:
    images, seeds = COGNITION.labels(), range(30)
    boards = near_level(COGNITION, 5, NUM_BOARDS, options.seed + 1)

    def unstable(change: Callable[[np.ndarray, int], Comparison]) -> tuple[str, str]:
        """Return how many leaderboards have verdicts that vary between runs, and the largest range of a p-value."""
        num_unstable, ranges = 0, []
        for answers in boards:
            found = [change(answers, run) for run in seeds]
            num_unstable += any((one.is_better != found[0].is_better).any() for one in found)
            ranges.append(np.ptp([one.p for one in found], axis=0).max())
        return f"{num_unstable} of {len(boards)}", f"{max(ranges):.4f}"

    def reordered(answers: np.ndarray, run: int) -> Comparison:
        rng = np.random.default_rng(run)
        models, questions = rng.permutation(len(answers)), rng.permutation(answers.shape[1])
        names = rng.permutation(images.max() + 1)[images[questions]]
        found = compare_models(answers[models][:, questions], names)
        back = np.ix_(np.argsort(models), np.argsort(models))
        return Comparison(**{name: value[back] if np.ndim(value) else value for name, value in vars(found).items()})

    few = unstable(lambda answers, run: compare_models(answers, images, max_resamples=NUM_RESAMPLES, seed=run))
    yield [f"30 seeds, {NUM_RESAMPLES:,} draws and no more", *few]
    more = unstable(lambda answers, run: compare_models(answers, images, seed=run))
    yield [f"30 seeds, up to {MAX_RESAMPLES:,} draws near the level (ours)", *more]
    yield ["30 orders of models and questions and names of images (ours)", *unstable(reordered)]


def others_rows(options: Options) -> Iterator[list[str]]:
    """Compare one pair of models within leaderboards of increasing size."""
    rng, images = options.generator(50), DEMO.labels()
    rates = np.concatenate([[0.53, 0.5], rng.uniform(0.4, 0.6, 48)])
    answers = DEMO.answers(rates, AGREEMENT, rng)
    for num_models in (2, 5, 12, 50):
        found = compare_models(answers[:num_models], images)
        figures = (f"{found.pair_p[0, 1]:.6f}", f"{found.p[0, 1]:.4f}", f"{100 * found.smallest[0, 1]:.2f}")
        yield [str(num_models), *figures]


# --- the page ------------------------------------------------------------------------


def speed_section(options: Options, before: Path | None) -> str:
    many = Setting("many", {MANY_QUESTIONS: MANY_IMAGES})
    rates, images = np.linspace(0.2, 0.6, MANY_MODELS), many.labels()
    answers = many.answers(rates, AGREEMENT, options.generator(MANY_MODELS))
    calls = {
        "ours": lambda: compare_models(answers, images),
        "ours, no more draws": lambda: compare_models(answers, images, max_resamples=NUM_RESAMPLES),
    }
    if before is not None:
        spec = importlib.util.spec_from_file_location("paired_before", before)
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look up their module in sys.modules.
        importlib.sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        calls["before"] = lambda: module.compare_models(answers, images)
    rows = [[name, shown(timing.seconds), f"{timing.megabytes:.0f}"] for name, timing in side_by_side(calls, 3).items()]
    return (
        f"## Speed\n\n{MANY_MODELS} models ({math.comb(MANY_MODELS, 2):,} pairs), {MANY_IMAGES:,} images with "
        f"{MANY_QUESTIONS} questions each, in turn in one process; {NUM_RESAMPLES:,} draws at first, "
        f"{compare_models(answers, images).num_resamples:,} in the end. Memory beside the answers' own "
        f"{answers.nbytes / 1e6:.0f} MB.\n\n" + markdown_table(["", "seconds", "MB"], rows)
    )


def sections(options: Options, before: Path | None) -> Iterator[str]:
    head = ["part", "models", "accuracy", "shared", "data sets", "any different"]
    head += ["covered", "width", "covered before", "width before"]
    yield (
        "## False positives and coverage\n\n"
        f"`any different`: how many of 100 data sets of equal models have any pair called different; {100 * LEVEL:g} "
        "are allowed. `covered`: how many have all intervals of all pairs right; 95 are promised. `width`: mean width "
        "in points. `before`: the intervals of version 1, which inverted the test's statistic. `shared`: share of the "
        f"variance that all models have in common. Monte Carlo standard error {noise(options.data_sets)} of "
        f"{options.data_sets:,} data sets, {noise(options.few)} of {options.few:,}. Rows of fewer data sets that cover "
        f"less than {100 * DOUBT:g} were continued to {options.data_sets:,}.\n\n"
        + markdown_table(head, rows_of_cells(options))
    )
    yield (
        '## Skewed differences\n\n"Exact" holds for exchangeable models. Here two models have the same accuracy and '
        "are not exchangeable: on 80 of 100 images the first is behind by one question of five, on 20 ahead by four. "
        f"Few images tell little about the rare ones. {options.data_sets:,} data sets a row.\n\n"
        + markdown_table(["images", "called different", "interval covers"], skewed_rows(options))
    )
    yield (
        "## Wrong ranks\n\nTwelve models in three families of four, true accuracies of 40 to 60 %. The rank should be "
        f"one more than the number of models that are better. In percent of {options.few:,} leaderboards, and of their "
        "rows.\n\n" + markdown_table(["part", "leaderboards, before", "rows, before", "now"], rank_rows(options))
    )
    yield (
        "## The smallest difference\n\n`smallest`: the median over pairs of what `compare_models` says can be found "
        f"{100 * POWER:g} times in 100, in points, for equal models. `found`: how often in 100 a model that is better "
        f"by that is called better than a given other one; {options.few:,} data sets, {options.few // 5:,} of fine.\n\n"
        + markdown_table(["part", "models", "smallest", "found"], power_rows(options))
    )
    yield (
        f"## Stability\n\n{NUM_BOARDS} leaderboards of five models (cognition) that were chosen because an adjusted "
        f"p-value is within 0.003 of {LEVEL:g}. `changed`: in how many any verdict is another in one of 30 runs. "
        "`range`: the largest range of any p-value, near the level or not.\n\n"
        + markdown_table(["runs", "changed", "range"], stability_rows(options))
    )
    yield (
        "## Other submissions\n\nOne pair among more and more models (demo, coarse).\n\n"
        + markdown_table(["models", "own p", "adjusted p", "smallest difference"], others_rows(options))
    )
    yield speed_section(options, before)


def noise(data_sets: int) -> str:
    """Format the Monte Carlo standard error of a share that equals the level."""
    return f"{100 * math.sqrt(LEVEL * (1 - LEVEL) / data_sets):.1f} points"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    numbers = (
        ("--data-sets", 2_000, "simulated for each row that decides"),
        ("--few", 300, "simulated for each other row"),
        ("--resamples", 499, "of each data set"),
        ("--seed", SEED, "of all draws"),
    )
    for name, default, said in numbers:
        parser.add_argument(name, type=int, default=default, help=f"{said} (default: %(default)s)")
    parser.add_argument("--before", type=Path, metavar="FILE", help="time compare_models of another paired.py as well")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    options = Options(args.data_sets, args.few, args.resamples, args.seed)
    settings = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in vars(options).items())
    reading = (
        "`compare_models` and `compare_pair` of `microbench_tasks/metrics/paired.py`, by which the leaderboard ranks, "
        f"at a level of {100 * LEVEL:g} %, on simulated answers (`simulated_models.py`)."
    )
    parts = ["# Comparing models", origin(f"python benchmarks/comparison.py {settings}", "numpy", "scipy"), reading]
    for section in sections(options, args.before):
        parts.append(section)
        print(section, flush=True)
        if args.out:
            args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
