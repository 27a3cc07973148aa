"""Render a leaderboard for programs: CSV of rows, CSV of all pairs, JSON of everything. Scores are not rounded."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from microbench_tasks.catalog import table1
from microbench_tasks.catalog.table1 import Reported
from microbench_tasks.leaderboard.entries import BOX_INTERVALS, FIGURES
from microbench_tasks.leaderboard.ranking import Leaderboard, Ranking, Row
from microbench_tasks.leaderboard.tables import NOT_RERUN, STATED, Line, how_to_read, lines_of, pairs_of
from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, SEED
from microbench_tasks.metrics.paired import LEVEL, POWER
from microbench_tasks.tasks.interval_settings import interval_settings
from microbench_tasks.tasks.metric import ENDS
from microbench_tasks.util.text_safety import csv_text

# Increment it when the format of the JSON file changes.
JSON_VERSION = 2
# Identifies the JSON file of a leaderboard.
MADE_BY = "microbench leaderboard"

_OF_RANKING = ("group", "data", "data_identity", "task_version", "metric")
_ROW_COLUMNS = (
    *("group", "data", "data_identity", "task_version", "origin", "rank", "is_tied", "model"),
    *("n", "images", "datasets", "metric", "score", "score_low", "score_high", "as_printed"),
    *(*FIGURES, "acc_strict_low", "acc_strict_high", "acc_macro_low", "acc_macro_high"),
    *(*(f"{figure}_{end}" for figure in BOX_INTERVALS for end in ENDS), "chance", "majority"),
    *("next_model", "difference", "difference_low", "difference_high", "p_adjusted", "verdict"),
)
_PAIR_COLUMNS = (
    *(*_OF_RANKING, "model", "against", "difference", "difference_low", "difference_high", "verdict", "p_adjusted"),
    *("p", "standard_error", "correlation", "discordant_images", "images", "smallest_difference"),
)
_NAMES = ("model", "next_model", "against")


def as_csv(leaderboard: Leaderboard, *, with_paper: bool) -> str:
    """Write one line for each row of each ranking."""
    rankings = leaderboard.rankings
    return _csv(_ROW_COLUMNS, (_row(line, ranking) for ranking in rankings for line in lines_of(ranking, with_paper)))


def pairs_as_csv(leaderboard: Leaderboard, *, with_paper: bool) -> str:
    """Write one line for each pair of runs by each metric; the paper's rows are in no pair."""
    asked = [(_asked(ranking), ranking) for ranking in leaderboard.rankings]
    return _csv(_PAIR_COLUMNS, (of | _pair(ranking, *pair) for of, ranking in asked for pair in pairs_of(ranking)))


def _csv(columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: csv_text(value) if name in _NAMES else value for name, value in line.items()})
    return file.getvalue()


def _asked(ranking: Ranking) -> dict[str, Any]:
    figures = (ranking.group, ranking.data.kind, ranking.data.identity, ranking.version, ranking.metric)
    return dict(zip(_OF_RANKING, figures, strict=True))


def _row(line: Line, ranking: Ranking) -> dict[str, Any]:
    return _reported_row(line, ranking) if isinstance(line, Reported) else _run_row(line, ranking)


def _reported_row(line: Reported, ranking: Ranking) -> dict[str, Any]:
    low, high = line.ends
    return {
        "group": ranking.group,
        "data": "release",
        "metric": ranking.metric,
        "origin": NOT_RERUN,
        "model": line.model,
        "score": line.score,
        "score_low": low,
        "score_high": high,
        "as_printed": line.as_printed,
    }


def _run_row(line: Row, ranking: Ranking) -> dict[str, Any]:
    entry = line.entry
    row = _asked(ranking) | {"origin": "run", "rank": line.rank, "is_tied": line.is_tied, "model": entry.model}
    row |= {"n": len(entry.scores), "images": ranking.num_images, "datasets": ranking.num_datasets}
    row |= {"score": entry.score, "score_low": line.interval.low, "score_high": line.interval.high, **entry.figures}
    for metric, interval in line.intervals.items():
        if metric != ranking.metric:
            row |= {f"{metric}_low": interval.low, f"{metric}_high": interval.high}
    if versus := line.versus_next:
        row |= {"next_model": versus.model, "difference": versus.difference, "difference_low": versus.low}
        row |= {"difference_high": versus.high, "p_adjusted": versus.p, "verdict": versus.verdict}
    return row


def _pair(ranking: Ranking, metric: str, one: int, other: int) -> dict[str, Any]:
    versus, comparison = ranking.versus(one, other, metric), ranking.comparisons[metric]
    return {
        "metric": metric,
        "model": ranking.rows[one].entry.model,
        "against": versus.model,
        "difference": versus.difference,
        "difference_low": versus.low,
        "difference_high": versus.high,
        "verdict": versus.verdict,
        "p_adjusted": versus.p,
        "p": _number(comparison.pair_p[one, other]),
        "standard_error": _number(comparison.standard_error[one, other]),
        "correlation": _number(comparison.correlation[one, other]),
        "discordant_images": int(comparison.num_discordant[one, other]),
        "images": ranking.num_images,
        "smallest_difference": _number(comparison.smallest[one, other]),
    }


def _number(value: float) -> float | None:
    """Return a number for JSON, which has no NaN: None instead."""
    return None if math.isnan(value) else float(value)


# --- JSON ----------------------------------------------------------------------------


def as_json(leaderboard: Leaderboard, *, with_paper: bool) -> str:
    """Render everything, including all pairs; names of models are not escaped."""
    method = {
        "interval": interval_settings()["quoted"],
        "level": LEVEL,
        "power": POWER,
        "num_resamples": NUM_RESAMPLES,
        "seed": SEED,
        "how_to_read": how_to_read(),
    }
    content = {
        "made_by": MADE_BY,
        "version": JSON_VERSION,
        "method": method,
        "rankings": [_ranking(ranking, with_paper) for ranking in leaderboard.rankings],
        "notes": list(leaderboard.notes),
        "missing": dict(leaderboard.missing),
    }
    return as_text(content)


def as_text(content: Mapping[str, Any]) -> str:
    """Render JSON in the form of the leaderboard's file."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _ranking(ranking: Ranking, with_paper: bool) -> dict[str, Any]:
    sources, data = json.loads(ranking.data.identity), ranking.data
    content = {
        "group": ranking.group,
        "data": {"kind": data.kind, "sources": sources, "caution": ranking.caution, "stated": STATED},
        "task_version": ranking.version,
        "metric": ranking.metric,
        "num_questions": ranking.num_questions,
        "num_images": ranking.num_images,
        "num_datasets": ranking.num_datasets,
        "rows": [
            {name: value for name, value in _row(row, ranking).items() if name not in _RANKING_FIELDS}
            | {"by_task": dict(row.entry.by_task)}
            for row in ranking.rows
        ],
        "comparisons": {metric: _comparison(ranking, metric) for metric in ranking.comparisons},
        "pairs": [_pair(ranking, *pair) for pair in pairs_of(ranking)],
        "absent": dict(ranking.absent),
    }
    if with_paper:
        rows = [
            {"model": entry.model, "accuracy_percent": entry.accuracy, "half_width_percent": entry.half_width}
            for entry in table1.table1(ranking.group)
        ]
        content["reported"] = {"source": table1.source(), "status": NOT_RERUN, "rows": rows}
    return content


# Fields that the JSON file has once for a whole ranking.
_RANKING_FIELDS = frozenset({*_OF_RANKING, "images", "datasets", "origin"})


def _comparison(ranking: Ranking, metric: str) -> dict[str, Any]:
    """Return what all pairs by one metric have in common; ``num_resamples`` is 0 for an exact test."""
    comparison, smallest = ranking.comparisons[metric], ranking.smallest_difference(metric)
    return {
        "critical_value": comparison.critical,
        "num_resamples": comparison.num_resamples,
        "smallest_difference": None if smallest is None else dataclasses.asdict(smallest),
    }
