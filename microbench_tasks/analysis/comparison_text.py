"""Render a comparison as text for a terminal, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from microbench_tasks.analysis.changes import Change
from microbench_tasks.analysis.comparison import RunComparison
from microbench_tasks.analysis.comparison_table import (
    how_to_read,
    letters_of,
    strict_is_the_same,
    tables_of,
    without_empty_columns,
)
from microbench_tasks.analysis.comparison_words import in_words
from microbench_tasks.analysis.pair_differences import PairDifference
from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, SEED
from microbench_tasks.metrics.paired import LEVEL, POWER
from microbench_tasks.render.latex import latex_text
from microbench_tasks.render.text_table import text_table
from microbench_tasks.util.text_safety import csv_text, printable_line

# Identifies the JSON file of a comparison. Increment the version when its form changes.
MADE_BY = "microbench compare"
JSON_VERSION = 1
_SAME_STRICT = "acc_strict: all figures are those of acc."


def as_terminal_text(comparison: RunComparison, *, by_task: bool = False) -> str:
    """Render a legend of the runs, who is better in words, the tables, an explanation of the columns, and the notes.

    Args:
        comparison: of the runs.
        by_task: see `comparison_table.tables_of`.
    """
    parts = ["\n".join(_legend(comparison)), "\n".join(in_words(comparison))]
    for table in tables_of(comparison, by_task=by_task):
        [table] = without_empty_columns([table])
        parts.append(f"{table.metric}: {table.title}\n{text_table(table.header, table.rows)}")
    if strict_is_the_same(comparison):
        parts.append(_SAME_STRICT)
    parts.append("\n".join(how_to_read(comparison, by_task=by_task)))
    if comparison.notes:
        parts.append("\n".join(f"note: {printable_line(note)}" for note in comparison.notes))
    return "\n\n".join(parts)


def _legend(comparison: RunComparison) -> list[str]:
    lines: list[str] = []
    for (label, letter), name in zip(letters_of(comparison).items(), comparison.run_names, strict=True):
        mark = "" if lines else " (reference)"
        # A submission's folder is often named like its model.
        run = "" if name == label else f", run {printable_line(name)}"
        lines.append(f"{letter}{mark}: {printable_line(label)}{run}")
    return lines


# --- CSV -----------------------------------------------------------------------------


def as_csv(comparison: RunComparison) -> str:
    """Write one line for each metric, task or group, and pair; fractions in full."""
    return _csv(PairDifference, [difference_record(row) for row in comparison.differences], ("verdict",))


def changes_as_csv(changes: Sequence[Change]) -> str:
    """Write one line for each question that two runs answered differently."""
    return _csv(Change, [dataclasses.asdict(change) for change in changes])


def difference_record(row: PairDifference) -> dict[str, Any]:
    """Return the fields of a difference and its verdict, as JSON values."""
    return dataclasses.asdict(row) | {"verdict": row.verdict}


def _csv(record_type: type, records: Sequence[dict[str, Any]], further: Sequence[str] = ()) -> str:
    file = io.StringIO(newline="")
    columns = [*(field.name for field in dataclasses.fields(record_type)), *further]
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: csv_text(value) if isinstance(value, str) else value for name, value in record.items()})
    return file.getvalue()


# --- JSON ----------------------------------------------------------------------------


def as_json(comparison: RunComparison) -> str:
    """Render everything but the single changed questions; fractions in full."""
    content = {
        "made_by": MADE_BY,
        "version": JSON_VERSION,
        "unit": "fractions; differences are of the run minus the reference",
        "method": {
            "level": LEVEL,
            "power": POWER,
            "num_resamples": NUM_RESAMPLES,
            "seed": SEED,
            "pairs": "all runs against the first" if comparison.is_against_one else "all pairs of runs",
            "how_to_read": how_to_read(comparison, by_task=True),
        },
        "runs": [
            {"label": label, "run": name} for label, name in zip(comparison.labels, comparison.run_names, strict=True)
        ],
        "in_words": in_words(comparison),
        "differences": [difference_record(row) for row in comparison.differences],
        "notes": list(comparison.notes),
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


# --- LaTeX ---------------------------------------------------------------------------


def as_latex(comparison: RunComparison, *, by_task: bool = False) -> str:
    r"""Render a ``tabular`` in the style of booktabs, with the runs and notes as comments above.

    The document needs ``\usepackage{booktabs}``.

    Args:
        comparison: of the runs.
        by_task: see `comparison_table.tables_of`.
    """
    tables = without_empty_columns(tables_of(comparison, by_task=by_task))
    header = tables[0].header
    lines = [r"% Needs \usepackage{booktabs}. In percent and percentage points."]
    lines += [f"% {line}" for line in _legend(comparison)]
    lines += [f"% {line}" for line in how_to_read(comparison, by_task=by_task)[1:]]
    lines += [f"% note: {printable_line(note)}" for note in comparison.notes]
    if strict_is_the_same(comparison):
        lines.append(f"% {_SAME_STRICT}")
    # The first column has names, the last the verdict.
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(header) - 2)}l}}", r"\toprule", _latex_row(header)]
    for table in tables:
        lines += [r"\midrule", rf"\multicolumn{{{len(header)}}}{{l}}{{{latex_text(table.metric)}}} \\"]
        lines += [_latex_row(row) for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(map(latex_text, cells))} \\"


def in_form(comparison: RunComparison, suffix: str, *, by_task: bool = False) -> str:
    """Render a file that ends in ``suffix``, one of `FORMS`; CSV and JSON always have all tasks."""
    return as_latex(comparison, by_task=by_task) if suffix == ".tex" else FORMS[suffix](comparison)


# The forms that ``--out`` can have, by the suffix of the file.
FORMS: dict[str, Callable[[RunComparison], str]] = {".csv": as_csv, ".json": as_json, ".tex": as_latex}
