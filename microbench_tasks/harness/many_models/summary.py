"""Summarize the models of a list in one table: status, main scores with intervals, and the paper's figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog import table1
from microbench_tasks.harness.many_models.loop import Outcome, duration
from microbench_tasks.submissions.data_kinds import DataKind, classify_source
from microbench_tasks.tasks.metric_table import FAMILIES
from microbench_tasks.util.text_safety import markdown_text

# A group with both families shows both.
_FAMILIES = tuple(FAMILIES.values())


def as_markdown(outcomes: Sequence[Outcome], out: Path, data: Mapping[str, Any]) -> str:
    """Render the outcomes as a Markdown table, with notes below it.

    Args:
        outcomes: of all models of the command.
        out: the folder with the models' folders.
        data: identities of the data, as `record.data_identity` returns them.
    """
    results = {
        outcome.entry.name: json.loads((out / outcome.entry.name / outcome.complete.results).read_text())
        for outcome in outcomes
        if outcome.complete is not None
    }
    columns = list(dict.fromkeys(column for content in results.values() for column in _columns(content)))
    # The paper's figures are about all questions.
    is_whole = not any(content.get("config", {}).get("limit") for content in results.values())
    compared = [
        name for name, _ in columns if is_whole and _kind(name, data) == "release" and _has_paper_row(name, outcomes)
    ]
    header = ["model", "status", "time"]
    for name, metric in columns:
        header.append(f"{catalog.short_name(name) if catalog.tasks_named([name]) else name}: {metric} [95 % interval]")
        header += ["Table 1"] if name in compared and metric == "acc" else []
    rows = []
    for outcome in outcomes:
        content = results.get(outcome.entry.name, {})
        cells = [markdown_text(outcome.entry.name), outcome.status.value]
        cells.append("" if outcome.complete is None else duration(outcome.complete.seconds))
        for name, metric in columns:
            values = _values(content, name)
            cells.append(_score(values, metric))
            cells += [_against_paper(outcome, name, values)] if name in compared and metric == "acc" else []
        rows.append(cells)
    marks = ["---", "---", *["---:"] * (len(header) - 2)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *rows))
    return "\n\n".join([table, *_notes(outcomes, [name for name, _ in columns], compared, data)])


def _columns(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and main metric of each group of a run, or of each task if there is no group."""
    named = results.get("groups") or results["results"]
    for name in named:
        found = [family.score for family in _FAMILIES if f"{family.score},none" in _values(results, name)]
        for metric in found or _first_metric(_values(results, name)):
            yield name, metric


def _first_metric(values: Mapping[str, Any]) -> list[str]:
    """Return the first metric of a task of another benchmark."""
    numbers = [key for key, value in values.items() if key.endswith(",none") and isinstance(value, float)]
    return [numbers[0].removesuffix(",none")] if numbers else []


def _values(results: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return results.get("groups", {}).get(name) or results.get("results", {}).get(name, {})


def _score(values: Mapping[str, Any], metric: str) -> str:
    value = values.get(f"{metric},none")
    if not isinstance(value, (int, float)):
        return ""
    ends = _interval(values, metric)
    return f"{value:.4f}" if ends is None else f"{value:.4f} [{ends[0]:.4f}, {ends[1]:.4f}]"


def _interval(values: Mapping[str, Any], metric: str) -> tuple[float, float] | None:
    prefix = next((family.interval for family in _FAMILIES if family.score == metric), None)
    low, high = (values.get(f"{prefix}_{end},none") for end in ("low", "high"))
    is_known = isinstance(low, (int, float)) and isinstance(high, (int, float))
    return (float(low), float(high)) if is_known and low is not None and high is not None else None


# --- the paper's figures -------------------------------------------------------------


def _kind(name: str, data: Mapping[str, Any]) -> DataKind | None:
    """Return the kind of the data that a group or task asks about; None if it is not of this package."""
    tasks = catalog.tasks_named([name])
    sources = {catalog.task_of(task).source for task in tasks}
    kinds = {classify_source(data[source]) for source in sources if source in data}
    return kinds.pop() if len(kinds) == 1 else None


def _has_paper_row(name: str, outcomes: Sequence[Outcome]) -> bool:
    return any(_reported(outcome, name) is not None for outcome in outcomes)


def _reported(outcome: Outcome, name: str) -> table1.Reported | None:
    # With arguments, it may be another checkpoint or precision than the paper's.
    return None if outcome.entry.model_args else table1.row_of(outcome.entry.model, name)


def _against_paper(outcome: Outcome, name: str, values: Mapping[str, Any]) -> str:
    reported, ends = _reported(outcome, name), _interval(values, "acc")
    if reported is None or ends is None:
        return ""
    place = "inside" if ends[0] <= float(reported.score) <= ends[1] else "outside"
    return f"{reported.as_printed}, {place}"


def _notes(
    outcomes: Sequence[Outcome], names: Sequence[str], compared: Sequence[str], data: Mapping[str, Any]
) -> Iterator[str]:
    if compared:
        yield (
            f"Table 1: accuracy in percent as reported and not re-run ({table1.source()}), and whether it is inside "
            "the interval of this run."
        )
    left_out = [
        name for name in names if table1.table1(name) and name not in compared and _has_paper_row(name, outcomes)
    ]
    if left_out:
        kinds = sorted({str(_kind(name, data)) for name in left_out})
        listed = {
            "demo": "the demo set, which is synthetic",
            "local": "data with another hash than the release",
            "release": "a part of the release's questions (--limit)",
        }
        yield (
            "The paper's Table 1 is not shown beside these scores: they are about "
            f"{' and '.join(listed.get(kind, 'other data') for kind in kinds)}. It is shown on the whole release."
        )
