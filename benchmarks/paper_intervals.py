"""The paper's intervals again: the half widths of its Table 1, and scipy's intervals beside ours.

The paper prints ``accuracy (± half width)`` in percent, where the half width is the distance from
the mean to the high end of the basic interval of 9,999 resamples. For 0/1 answers it follows
from the accuracy and the number of questions n alone, but for the noise of the resamples:

The end is a quantile q = 0.025 of B draws of the mean. A quantile of B draws has standard
deviation sqrt(q (1 - q) / B) / f, with f the density of the draws there. The draws are close to normal
with standard deviation sigma = sqrt(p (1 - p) / n), so f = phi(1.96) / sigma, and for B = 9,999 the
noise is sqrt(0.025 * 0.975 / 9,999) / 0.05845 * sigma = 0.0267 sigma. A second set of draws, ours,
has the same noise, so a difference between two intervals has sqrt(2) times it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import scipy
from scipy import stats

import microbench_tasks
from microbench_tasks.metrics.bootstrap import (
    CONFIDENCE_LEVEL,
    NUM_RESAMPLES,
    bootstrap_interval,
)

TABLE1 = Path(microbench_tasks.__file__).parent / "catalog" / "table1.json"
# With the two eulenberg datasets, which the paper's code leaves out of the fine total, and without.
FINE_SIZES = (16_130, 14_644)
COARSE_SIZE = 79_716
COGNITION_SIZE = 121
COGNITION_SEARCH = range(50, 201)

TAIL = (1 - CONFIDENCE_LEVEL) / 2
QUANTILE_NOISE = math.sqrt(TAIL * (1 - TAIL) / NUM_RESAMPLES) / stats.norm.pdf(stats.norm.ppf(TAIL))
# An explanation is kept if it would print a given figure at least this often.
POSSIBLE = 0.01
# Numbers that scipy draws at once: 80 MB.
SCIPY_BLOCK = 10_000_000


@dataclass(frozen=True)
class Printed:
    """One entry of Table 1, in percent."""

    model: str
    accuracy: float
    half_width: float
    step: float  # of the figures: 0.01, or 1 where both are whole

    @property
    def is_whole(self) -> bool:
        return self.step == 1


def table1(part: str) -> list[Printed]:
    """The entries of a column of Table 1."""
    return [
        _entry(model, *map(float, figures))
        for model, figures in json.loads(TABLE1.read_text(encoding="utf-8"))[part].items()
    ]


def _entry(model: str, accuracy: float, half_width: float) -> Printed:
    # Cognition's figures are printed like 62.00 (± 9.00), but all but one model's are whole.
    step = 1.0 if accuracy.is_integer() and half_width.is_integer() else 0.01
    return Printed(model, accuracy, half_width, step)


def zero_one(n: int, accuracy: float) -> np.ndarray:
    right = round(n * accuracy / 100)
    return np.repeat([1.0, 0.0], [right, n - right])


def half_width(n: int, accuracy: float) -> float:
    """Ours, in percent, as the paper prints it."""
    scores = zero_one(n, accuracy)
    return 100 * abs(bootstrap_interval(scores).high - scores.mean())


def noise(n: int, accuracy: float) -> float:
    """Standard deviation of a half width, in percent, over the seeds of its resamples; derived above."""
    return QUANTILE_NOISE * math.sqrt(accuracy * (100 - accuracy) / n)


def rounded(value: float, step: float) -> float:
    return round(value / step) * step


def rounded_up(value: float, step: float) -> float:
    # Not up a step for a rounding error of the division.
    return math.ceil(value / step - 1e-9) * step


ROUNDING = {"to the nearest": rounded, "up": rounded_up}


def low_end_at_most(count: np.ndarray, n: int, right: int | np.ndarray, resamples: int = NUM_RESAMPLES) -> np.ndarray:
    """Probability that the low end of the resampled numbers of right answers, ``right`` of n, is at most ``count``.

    Exact: resampled numbers are binomial. The end rests on an order statistic: numpy's quantile 0.025 of 9,999 numbers
    lies 95 % of the way from the 250th smallest to the 251st. That is at most ``count`` if 251 or more of the draws
    are.
    """
    rank = math.ceil(TAIL * (resamples - 1)) + 1
    return stats.binom.sf(rank - 1, resamples, stats.binom.cdf(np.floor(count), n, right / n))


def chance(entry: Printed, n: int, rounding: str = "to the nearest") -> float:
    """How probable it is that the resamples of n answers give the printed half width.

    Of the numbers of right answers that the printed accuracy allows, the likeliest is taken.
    """
    counts = np.arange(n + 1)
    best = 0.0
    for right in (math.floor(n * entry.accuracy / 100), math.ceil(n * entry.accuracy / 100)):
        if not math.isclose(rounded(100 * right / n, entry.step), entry.accuracy):
            continue
        matches = [
            math.isclose(ROUNDING[rounding](100 * (right - count) / n, entry.step), entry.half_width)
            for count in counts
        ]
        best = max(best, float(np.diff(low_end_at_most(counts, n, right), prepend=0.0)[matches].sum()))
    return best


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(title: str, command: str, reading: str, sections: Iterable[str]) -> str:
    """A page of results that says how it was made."""
    versions = (
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}; "
        f"{date.today().isoformat()}."
    )
    return "\n\n".join([f"# {title}", f"`{command}`, {versions}", reading, *sections]) + "\n"


def table1_section(part: str, sizes: Sequence[int]) -> str:
    """Printed half widths beside ours at each possible number of questions."""
    entries = table1(part)
    head = [
        "model",
        "accuracy",
        "printed ±",
        *(column for n in sizes for column in (f"ours, n = {n:,}", "equal", "deviation")),
    ]
    rows, deviations = [], np.empty((len(entries), len(sizes)))
    equal = np.zeros(len(sizes), dtype=int)
    for row, entry in enumerate(entries):
        decimals = 0 if entry.is_whole else 2
        cells = [entry.model, f"{entry.accuracy:.{decimals}f}", f"{entry.half_width:.{decimals}f}"]
        for column, n in enumerate(sizes):
            ours = half_width(n, entry.accuracy)
            is_equal = math.isclose(rounded(ours, entry.step), entry.half_width)
            equal[column] += is_equal
            deviations[row, column] = (entry.half_width - ours) / noise(n, entry.accuracy)
            cells += [f"{ours:.{decimals + 2}f}", "yes" if is_equal else "no", f"{deviations[row, column]:+.1f}"]
        rows.append(cells)
    summary = (
        f"n = {n:,}: {equal[column]} of {len(entries)} equal as printed; root mean square deviation "
        f"{np.sqrt(np.mean(deviations[:, column] ** 2)):.1f}, "
        f"{expected_deviation(entries, n):.1f} expected of equal n."
        for column, n in enumerate(sizes)
    )
    return "\n\n".join([f"## Table 1, {part}", markdown_table(head, rows), "\n".join(f"- {line}" for line in summary)])


def expected_deviation(entries: Sequence[Printed], n: int) -> float:
    """Compute the RMS of the deviations if only two sets of resamples and the rounding of the print cause them."""
    return math.sqrt(np.mean([2 + entry.step**2 / 12 / noise(n, entry.accuracy) ** 2 for entry in entries]))


def fine_reading() -> str:
    """Which of the two sizes each model's printed half width is nearer to."""
    nearer: dict[int, list[str]] = {n: [] for n in FINE_SIZES}
    for entry in table1("fine"):
        nearer[min(FINE_SIZES, key=lambda n: abs(entry.half_width - half_width(n, entry.accuracy)))].append(entry.model)
    return (
        "Nearer to " + "; to ".join(f"n = {n:,}: {', '.join(models) or 'none'}" for n, models in nearer.items()) + "."
    )


def cognition_section() -> str:
    """Which numbers of questions could have given cognition's figures."""
    entries = table1("cognition")
    whole = [entry for entry in entries if entry.is_whole]
    rows = []
    for rounding in ROUNDING:
        possible = {n: sum(chance(entry, n, rounding) >= POSSIBLE for entry in whole) for n in COGNITION_SEARCH}
        fitting = [n for n, count in possible.items() if count == len(whole)]
        rows.append(
            [
                f"{len(whole)} models in whole percents",
                rounding,
                spans(fitting),
                f"{possible[COGNITION_SIZE]} of {len(whole)}",
            ]
        )
    for entry in entries:
        if not entry.is_whole:
            fitting = [n for n in COGNITION_SEARCH if chance(entry, n) >= POSSIBLE]
            fits = f"{int(COGNITION_SIZE in fitting)} of 1"
            rows.append(
                [f"{entry.model}, {entry.accuracy} ± {entry.half_width}", "to the nearest", spans(fitting), fits]
            )
    head = [
        "printed",
        "half width rounded",
        f"n that fit, of {COGNITION_SEARCH[0]} to {COGNITION_SEARCH[-1]}",
        f"possible at n = {COGNITION_SIZE}",
    ]
    return "\n\n".join(
        [
            "### How many cognition questions the printed figures fit",
            markdown_table(head, rows),
            f"A half width here is a whole number of questions: at n = {COGNITION_SIZE} it moves in steps of "
            f"{100 / COGNITION_SIZE:.2f}, many times the noise that the deviations above are counted in. "
            "So chances are computed exactly. An n fits if each printed half width has a chance of "
            f"{100 * POSSIBLE:g} % or more. The print alone does not tell a smaller n from half widths rounded "
            "up.",
        ]
    )


def spans(numbers: Sequence[int]) -> str:
    """``[1, 2, 3, 7]`` as ``1 to 3, 7``."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return (
        ", ".join(str(start) if start == end else f"{start} to {end}" for start, end in zip(starts, ends, strict=False))
        or "none"
    )


def scipy_ends(scores: np.ndarray, seeds: Iterable[int]) -> np.ndarray:
    """Low and high ends of scipy's interval for each seed, shape (seeds, 2), in percent."""
    batch = max(1, SCIPY_BLOCK // scores.size)
    found = (
        stats.bootstrap(
            (scores,), np.mean, n_resamples=NUM_RESAMPLES, batch=batch, method="basic", rng=np.random.default_rng(seed)
        )
        for seed in seeds
    )
    return 100 * np.array([(result.confidence_interval.low, result.confidence_interval.high) for result in found])


def scipy_section(num_seeds: int) -> str:
    head = [
        "n, accuracy",
        "end",
        "ours",
        "scipy, mean of seeds",
        "lowest to highest seed",
        "spread",
        "ours - scipy",
        "below the spread",
    ]
    rows = list(scipy_rows(num_seeds))
    return "\n\n".join(
        [
            "## Our interval and scipy's",
            markdown_table(head, rows),
            f'In percent; `scipy.stats.bootstrap(method="basic")` with {NUM_RESAMPLES:,} resamples and seeds 0 '
            f"to {num_seeds - 1}. The spread is the highest seed's end "
            "less the lowest's, `ours - scipy` the difference to the seeds' mean.",
        ]
    )


def scipy_rows(num_seeds: int) -> Iterator[list[str]]:
    for part, n in (("cognition", COGNITION_SIZE), ("fine", FINE_SIZES[0]), ("coarse", COARSE_SIZE)):
        accuracy = table1(part)[0].accuracy
        scores = zero_one(n, accuracy)
        interval = bootstrap_interval(scores)
        for name, ours, theirs in zip(
            ("low", "high"),
            (100 * interval.low, 100 * interval.high),
            scipy_ends(scores, range(num_seeds)).T,
            strict=False,
        ):
            spread, difference = theirs.max() - theirs.min(), ours - theirs.mean()
            is_below = abs(difference) <= spread + 1e-9  # both are 0 where all seeds agree
            yield [
                f"{n:,}, {accuracy:g} %",
                name,
                f"{ours:.4f}",
                f"{theirs.mean():.4f}",
                f"{theirs.min():.4f} to {theirs.max():.4f}",
                f"{spread:.4f}",
                f"{difference:+.4f}",
                "yes" if is_below else "no",
            ]


READING = f"""`±` is the high end's distance from the mean, in percent. `equal`: ours, rounded as printed, is the
printed figure. `deviation`: printed less ours, in standard deviations of the noise that the paper's own
{NUM_RESAMPLES:,} resamples leave in an end. That is {QUANTILE_NOISE:.4f} sigma (derived in the script); sigma is the
accuracy's standard error. Ours has the same noise, and the print is rounded. So deviations of 2 or 3 are no
disagreement; the lists below say which are expected."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Half widths of the paper's Table 1 from n and accuracy, and our intervals beside scipy's."
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=8,
        help="how many seeds scipy gets, at least 2; one takes about 3 s at the largest n (default: 8)",
    )
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error(f"Expected at least 2 seeds, got {args.seeds}.")
    sections = [
        table1_section("coarse", [COARSE_SIZE]),
        f"{table1_section('fine', FINE_SIZES)}\n- {fine_reading()}",
        table1_section("cognition", [COGNITION_SIZE]),
        cognition_section(),
        scipy_section(args.seeds),
    ]
    text = page(
        "The paper's intervals",
        shlex.join(["python", "benchmarks/paper_intervals.py", "--seeds", str(args.seeds)]),
        READING,
        sections,
    )
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
