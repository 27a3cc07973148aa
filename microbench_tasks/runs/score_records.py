"""List the scores of a run as records: one for each task or group and metric, for CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.tasks.metric import ENDS, Family
from microbench_tasks.tasks.metric_table import FAMILIES, shown_in

_COUNTS = ("questions", "images", "groups", "datasets")
COLUMNS = (
    *("name", "metric", "value", "interval", "low", "high", "new_datasets_low", "new_datasets_high"),
    *(*_COUNTS, "chance", "majority"),
)


def score_records(rescored: Rescored) -> Iterator[dict[str, Any]]:
    """Yield one record for each score of the table of `score_table.render_scores`; fractions in full.

    ``interval`` names the metric of the harness whose ``_low`` and ``_high`` are the ends; what a score lacks is left
    out.
    """
    families: tuple[Family, ...] = ("choice", "boxes")
    for name in catalog.in_order(rescored.scores):
        figures = rescored.scores[name]
        for metric in shown_in("scores"):
            if metric.name not in figures or math.isnan(figures[metric.name]):
                continue
            quoted = metric.quoted_interval
            by_dataset = rescored.new_datasets.get(name, {})
            record = {"name": name, "metric": metric.name, "value": float(figures[metric.name])}
            if quoted is not None and f"{quoted.name}_low" in figures:
                record |= {"interval": quoted.name, **{end: float(figures[f"{quoted.name}_{end}"]) for end in ENDS}}
            record |= {
                f"new_datasets_{end}": by_dataset[key]
                for end in ENDS
                if (key := f"{metric.name}_dataset_ci_{end}") in by_dataset
            }
            # acc_macro and acc_all also count questions outside the paper's totals.
            if metric.derived_from is None:
                family = next(family for family in families if family in metric.families)
                record |= _counts(figures.get(FAMILIES[family].counts, {}))
            if metric.name == FAMILIES["choice"].score and name in rescored.chance:
                record |= {"chance": rescored.chance[name], "majority": rescored.majority[name]}
            yield record


def as_csv(rescored: Rescored) -> str:
    """Write the records as CSV with a header; empty cells where a score lacks something."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(score_records(rescored))
    return file.getvalue()


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    return {what: counts[what] for what in _COUNTS if what in counts}
