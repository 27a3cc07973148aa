"""Compute the statistics of pairs of runs, adjusted for the pairs that are tested: all, or those with one run.

Pairs are given as (reference, run), the positions of two runs; differences are those of the run minus the reference.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from microbench_tasks.metrics.measure import Measure
from microbench_tasks.metrics.paired import LEVEL, Comparison
from microbench_tasks.metrics.permutation import holm

Pair = tuple[int, int]


def of_all_pairs(measure: Measure) -> dict[Pair, dict[str, Any]]:
    """Compare all pairs of runs at once: p-values and intervals are those of the largest statistic of all pairs.

    Returns:
        For each pair, its fields of `microbench_tasks.analysis.pair_differences.PairDifference`.
    """
    compared = measure.compare()
    return {pair: _statistics(compared, *pair) for pair in itertools.combinations(range(len(measure.scores)), 2)}


def against_first(measure: Measure) -> dict[Pair, dict[str, Any]]:
    """Compare each run with the first alone.

    With k such pairs, the exact p-values are adjusted by Holm (1979), and each interval has a level of 1 - 0.05 / k
    (Bonferroni). Both control the error rate over these k pairs, however they depend on each other. Pairs of other runs
    are not tested, and cost nothing.

    Returns:
        As `of_all_pairs`.
    """
    others = range(1, len(measure.scores))
    level = LEVEL / len(others)
    of_pairs = [_statistics(measure.of_models([0, other]).compare(level), 0, 1) for other in others]
    adjusted = holm([statistics["p"] for statistics in of_pairs])
    return {
        (0, other): statistics | {"p_adjusted": float(p)}
        for other, statistics, p in zip(others, of_pairs, adjusted, strict=True)
    }


def level_of_intervals(num_runs: int) -> float:
    """Return the confidence level of each interval of `against_first`.

    >>> level_of_intervals(5)
    0.9875
    """
    return 1 - LEVEL / (num_runs - 1)


def _statistics(compared: Comparison, reference: int, run: int) -> dict[str, Any]:
    pair = run, reference
    standard_error, correlation = float(compared.standard_error[pair]), float(compared.correlation[pair])
    return {
        "difference": float(compared.difference[pair]),
        "low": float(compared.low[pair]),
        "high": float(compared.high[pair]),
        "p": float(compared.pair_p[pair]),
        "p_adjusted": float(compared.p[pair]),
        "p_all_tasks": None,
        "standard_error": None if math.isnan(standard_error) else standard_error,
        "correlation": None if math.isnan(correlation) else correlation,
        "num_discordant": int(compared.num_discordant[pair]),
        "smallest_difference": float(compared.smallest[pair]),
    }
