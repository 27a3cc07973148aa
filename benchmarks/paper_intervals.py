"""The paper's intervals again: the half widths of its Table 1, and scipy's intervals beside ours."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from result_pages import markdown_table, page
from scipy import stats
from table1_half_widths import (
    QUANTILE_NOISE,
    ROUNDING,
    Printed,
    chance,
    half_width,
    noise,
    rounded,
    table1,
    zero_one,
)

from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, bootstrap_interval

# With the two eulenberg datasets, which the paper's code leaves out of the fine total, and without.
FINE_SIZES = (16_130, 14_644)
COARSE_SIZE = 79_716
COGNITION_SIZE = 121
COGNITION_SEARCH = range(50, 201)

# An explanation is kept if it would print a given figure at least this often.
POSSIBLE = 0.01
# Numbers that scipy draws at once: 80 MB.
SCIPY_BLOCK = 10_000_000


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
{NUM_RESAMPLES:,} resamples leave in an end. That is {QUANTILE_NOISE:.4f} sigma (derived in `table1_half_widths.py`);
sigma is the accuracy's standard error. Ours has the same noise, and the print is rounded. So deviations of 2 or 3 are
no disagreement; the lists below say which are expected."""


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
