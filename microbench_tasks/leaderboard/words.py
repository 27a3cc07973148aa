"""Say in words which model of a ranking is best, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from microbench_tasks.leaderboard import tables
from microbench_tasks.leaderboard.ranking import Leaderboard, Ranking
from microbench_tasks.metrics.paired import LEVEL
from microbench_tasks.render.number_text import p_value, percent, points

# Makes text of strangers safe for a page.
Escape = Callable[[str], str]


def lead_of(leaderboard: Leaderboard, escape: Escape) -> list[str]:
    """Return the first sentences of a page: the best model of each ranking, and the models that are missing."""
    headings = tables.headings_of(leaderboard.rankings)
    lead = [
        f"{heading}: {best_of(ranking, escape)}"
        for heading, ranking in zip(headings, leaderboard.rankings, strict=True)
    ]
    if leaderboard.missing:
        listed = "; ".join(f"{escape(model)} ({escape(why)})" for model, why in leaderboard.missing.items())
        lead.append(f"Missing from this page: {listed}.")
    return lead


def best_of(ranking: Ranking, escape: Escape) -> str:
    """Say which model has the highest score, whether it is better than the next, and how many share the first rank."""
    first, *others = ranking.rows
    name, score = escape(first.entry.model), f"{percent(first.entry.score)} %"
    versus = first.versus_next
    if versus is None:
        return f"{name} is the only model ({ranking.metric} {score})."
    size = (
        f"{points(versus.difference)} points [{points(versus.low)}, {points(versus.high)}], {p_value(versus.p)} "
        f"({_test_of(ranking)})"
    )
    other = f"the next, {escape(versus.model)} ({percent(others[0].entry.score)} %)"
    if versus.verdict == "better":
        return f"{name} is best ({ranking.metric} {score}). It is better than {other}: {size}.{_also(ranking)}"
    sharing = sum(row.rank == 1 for row in ranking.rows)
    return (
        f"{name} has the highest score ({ranking.metric} {score}), but no difference was found between it and {other}: "
        f"{size}. {sharing} of {len(ranking.rows)} models share the first rank."
    )


def _also(ranking: Ranking) -> str:
    """Name models of a lower score than the next that are not known to be worse than the best one."""
    not_worse: Sequence[int] = [
        row for row in range(2, len(ranking.rows)) if ranking.versus(0, row).verdict != "better"
    ]
    return f" No difference was found between it and {len(not_worse)} of the others." if not_worse else ""


def _test_of(ranking: Ranking) -> str:
    if len(ranking.rows) == 2:
        return f"exact paired test by image, level {100 * LEVEL:g} %"
    return f"paired test by image, adjusted for all {math.comb(len(ranking.rows), 2)} pairs, level {100 * LEVEL:g} %"
