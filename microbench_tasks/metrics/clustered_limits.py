"""Confidence limits of means of scores in clusters, from tables of the sums of each cluster.

These are Clopper-Pearson limits at an effective number of answers. ``docs/statistics.md`` has the formulas with their
sources. `microbench_tasks.metrics.intervals` has the functions to use; those here compute many data sets at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

# Labels of clusters or groups: any hashable values, shape (n,).
Labels = Sequence[Hashable] | np.ndarray

# Pseudo-clusters of the largest possible variance that are added to the observed clusters. Chosen by simulation: with
# fewer, the coverage is too low if few images are informative (docs/statistics.md).
PRIOR_CLUSTERS = 4
# The same for differences: in effect one cluster of +1 and one of -1.
PRIOR_DIFFERENCES = 2
# Residuals below this share of their maximum are rounding errors.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class ClusterTable:
    """Hold scores summed by group and cluster; leading axes, if any, are separate data sets.

    Attributes:
        sums, sizes: sum and number of the scores of each group in each cluster, shape (…, G, m).
        squares: sum of the squared scores of each group, shape (…, G).
        is_single: whether every score is 0 or 1 and every cluster has one score.
    """

    sums: np.ndarray
    sizes: np.ndarray
    squares: np.ndarray
    is_single: bool

    @property
    def num_scores(self) -> np.ndarray:
        """Return the number of scores of each group, shape (…, G)."""
        return self.sizes.sum(axis=-1)

    @property
    def means(self) -> np.ndarray:
        """Return the mean score of each group, shape (…, G)."""
        return self.sums.sum(axis=-1) / self.num_scores

    @property
    def residuals(self) -> np.ndarray:
        """Return the sums less their expectation under the group's mean, shape (…, G, m)."""
        return self.sums - self.sizes * self.means[..., None]

    @property
    def clusters_of_group(self) -> np.ndarray:
        """Return the number of clusters with scores of each group, shape (…, G)."""
        return np.count_nonzero(self.sizes, axis=-1)


def tabulate(values: np.ndarray, clusters: Labels, groups: Labels | None = None) -> ClusterTable:
    """Sum scores by group and cluster; without ``groups``, all scores are in one group.

    Args:
        values: shape (n,), n at least 1.
        clusters: shape (n,), labels.
        groups: shape (n,), labels.
    """
    cluster, num_clusters = _label_codes(clusters)
    group, num_groups = _label_codes(groups) if groups is not None else (np.zeros(len(values), dtype=int), 1)
    cell, shape = group * num_clusters + cluster, (num_groups, num_clusters)
    # A sum of floats depends on the order in the last digits: scores and clusters are sorted before they are summed.
    order = np.argsort(values, kind="stable")
    sums = np.bincount(cell[order], weights=values[order], minlength=num_groups * num_clusters).reshape(shape)
    sizes = np.bincount(cell, minlength=num_groups * num_clusters).reshape(shape).astype(np.float64)
    by_content = np.lexsort((*sums, *sizes))
    squares = np.bincount(group[order], weights=values[order] ** 2)
    is_single = num_clusters == len(values) and bool(((values == 0) | (values == 1)).all())
    return ClusterTable(sums[:, by_content], sizes[:, by_content], squares, is_single)


def tabulate_units(parts: np.ndarray, totals: np.ndarray, clusters: Labels) -> ClusterTable:
    """Sum units by cluster, in one group: those of a part have the score 1, the others 0.

    Args:
        parts: shape (n,), whole numbers from 0 to those of ``totals``.
        totals: shape (n,), whole numbers, at least 1.
        clusters: shape (n,), labels.
    """
    cluster, num_clusters = _label_codes(clusters)
    sums, sizes = (np.bincount(cluster, weights=numbers, minlength=num_clusters)[None] for numbers in (parts, totals))
    by_content = np.lexsort((*sums, *sizes))
    return ClusterTable(sums[:, by_content], sizes[:, by_content], sums.sum(axis=1), bool((sizes == 1).all()))


def _label_codes(labels: Labels) -> tuple[np.ndarray, int]:
    """Return an integer from 0 for each label, shape (n,), and the number of distinct labels."""
    names = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.fromiter(map(codes.__getitem__, names), dtype=np.int64, count=len(names)), len(codes)


def effective_numbers(table: ClusterTable, prior: float) -> np.ndarray:
    """Compute the effective number of independent 0/1 scores for each group's mean p, shape (…, G).

    It is p (1 - p) / V, where V = (r V1 + prior V0) / (r + prior):

    - V1 is the cluster-robust variance of p, at least that of independent scores.
    - V0 is the largest possible variance of p, that of clusters which are all 0 or all 1.
    - r is the number of clusters that are not all 0, or of those that are not all 1, whichever is smaller. A cluster
      counts by its squared size: as 1 if all are of equal size.

    If p is 0 or 1, it is Kish's number: the squared number of scores over the sum of the clusters' squared sizes.

    Args:
        table: the scores.
        prior: weight of V0, in clusters; above 0.
    """
    means, numbers, num_clusters = table.means, table.num_scores, table.clusters_of_group
    spread = means * (1 - means)
    weights = table.sizes**2
    total_weight = weights.sum(axis=-1)
    squared_residuals = (table.residuals**2).sum(axis=-1)
    robust = num_clusters / np.maximum(num_clusters - 1, 1) * squared_residuals / numbers**2
    independent = (table.squares - numbers * means**2) / numbers**2
    kish = numbers**2 / total_weight
    with_right = (weights * (table.sums > 0)).sum(axis=-1)
    with_wrong = (weights * (table.sums < table.sizes)).sum(axis=-1)
    informative = np.minimum(with_right, with_wrong) * total_weight / (weights**2).sum(axis=-1)
    variance = (informative * np.maximum(robust, independent) + prior * spread / kish) / (informative + prior)
    return np.divide(spread, variance, out=kish.copy(), where=spread > 0)


def macro_limits(table: ClusterTable, confidence_level: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute the limits of the unweighted mean of the groups' means, each of shape (…)."""
    means, effective = table.means, effective_numbers(table, PRIOR_CLUSTERS)
    num_groups = means.shape[-1]
    # One right and one wrong pseudo-answer: without them, a small group of right answers alone would have no variance.
    smoothed = (means * effective + 1) / (effective + 2)
    errors = np.sqrt(smoothed * (1 - smoothed) / effective) / num_groups
    shares = (_correlations(table) * errors[..., :, None] * errors[..., None, :]).sum(axis=-1)
    variance, center = shares.sum(axis=-1), smoothed.mean(axis=-1)
    satterthwaite = variance**2 / (shares**2 / np.maximum(table.clusters_of_group - 1, 1)).sum(axis=-1)
    degrees = satterthwaite if table.sums.shape[-1] > 1 else np.zeros_like(satterthwaite)
    return beta_limits(means.mean(axis=-1), center * (1 - center) / variance, degrees, confidence_level)


def _correlations(table: ClusterTable) -> np.ndarray:
    """Estimate the correlations of the groups' means, shape (…, G, G), from 0 to 1.

    If all answers of a group are equal, the residuals give no information: the largest possible correlation is used.
    """
    products, scale = _products(table.residuals)
    overlap, overlap_scale = _products(table.sizes)
    largest = np.broadcast_to(overlap / overlap_scale, products.shape).copy()
    is_estimable = scale > _ROUNDING * overlap_scale
    correlations = np.clip(np.divide(products, scale, out=largest, where=is_estimable), 0.0, 1.0)
    return np.where(np.eye(products.shape[-1], dtype=bool), 1.0, correlations)


def _products(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the dot products of all pairs of rows, and the products of their norms, each of shape (…, G, G)."""
    products = rows @ np.swapaxes(rows, -1, -2)
    lengths = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1))
    return products, lengths[..., :, None] * lengths[..., None, :]


def beta_limits(
    mean: np.ndarray, effective_number: np.ndarray, degrees: np.ndarray, confidence_level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute Clopper-Pearson limits at effective numbers of answers, which few degrees of freedom reduce.

    Args:
        mean: shape (…), from 0 to 1.
        effective_number: shape (…), above 0.
        degrees: shape (…), degrees of freedom of the estimated variance. With infinity nothing is reduced; with 0 the
            limits are 0 and 1.
        confidence_level: above 0 and below 1.

    Returns:
        The lower and the upper limits, each of shape (…).
    """
    tail = (1 - confidence_level) / 2
    has_degrees = degrees > 0
    widening = special.stdtrit(np.where(has_degrees, degrees, 1), tail) / special.ndtri(tail)
    number = np.where(has_degrees, effective_number / widening**2, 0.0)
    right, wrong = mean * number, (1 - mean) * number
    low = np.where(right > 0, special.betaincinv(right, wrong + 1, tail), 0.0)
    high = np.where(wrong > 0, special.betaincinv(right + 1, wrong, 1 - tail), 1.0)
    return low, high
