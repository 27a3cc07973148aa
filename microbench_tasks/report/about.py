"""State what a report is about: the facts at its top, and its last section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.page_content import Table
from microbench_tasks.report.folder import PICTURES, RECORD
from microbench_tasks.report.runs import Sweep, answers_per_question
from microbench_tasks.report.sections import ReportSection
from microbench_tasks.submissions import data_kinds
from microbench_tasks.tasks import run_metadata
from microbench_tasks.tasks.interval_settings import interval_settings
from microbench_tasks.tasks.item_intervals import ABOUT_GROUPS, ABOUT_IMAGES
from microbench_tasks.tasks.metric_table import has_groups

_TEXT = (
    f"Scores are computed from the logged samples. {RECORD} contains every number of the plots. The folder {PICTURES} "
    "contains each plot as PNG and PDF."
)


def labels_of(runs: Sequence[Run], sweeps: Sequence[Sweep]) -> list[str]:
    """Return the labels of runs and sweeps."""
    return [*(run.label for run in runs), *(sweep.label for sweep in sweeps)]


def facts_of(runs: Sequence[Run], sweeps: Sequence[Sweep]) -> dict[str, str]:
    """Return the facts at the top of the page, by name."""
    quoted = interval_settings()["quoted"]
    redefined = {run.label: text for run in runs if (text := _redefined_tasks(run))}
    repeated = {run.label: number for run in runs if (number := answers_per_question(run)) != "1"}
    groups = f" {ABOUT_GROUPS}" if any(has_groups(run.rescored.scores) for run in runs) else ""
    facts = {
        "Runs": ", ".join(run.label for run in runs),
        "Sweeps": ", ".join(sweep.label for sweep in sweeps),
        "Data": "; ".join(dict.fromkeys(data_of(run) for run in runs)),
        "Answers to each question": "; ".join(f"{number} ({label})" for label, number in repeated.items()),
        "NOT the benchmark's own": "; ".join(f"{label} ({text})" for label, text in redefined.items()),
        "Intervals": f"{100 * quoted['confidence_level']:g} %, {quoted['method']}. {ABOUT_IMAGES}{groups}",
        "Made by": f"microbench-lmms {version('microbench-lmms')}",
    }
    return {name: text for name, text in facts.items() if text}


def about_section(runs: Sequence[Run], left_out: Sequence[str], notes: Sequence[str]) -> ReportSection:
    """Build the section with the runs, what is left out, and notes."""
    # The column is shown only if a task was redefined.
    has_redefined = any(map(_redefined_tasks, runs))
    header = [
        "name",
        "model and arguments",
        "run",
        "tasks",
        "samples",
        "data",
        *(["redefined"] if has_redefined else []),
    ]
    rows = [_row(run)[: len(header)] for run in runs]
    tables = [Table("Runs", header, rows)] if rows else []
    return ReportSection(
        "About this report", tables, "\n\n".join([_TEXT, *left_out, *(f"Note: {note}" for note in notes)])
    )


def _row(run: Run) -> list[str]:
    num_samples = run.rescored.num_samples
    return [
        run.label,
        run.model,
        run.name,
        f"{len(run.rescored.samples)}",
        f"{sum(num_samples.values()):,}",
        data_of(run),
        _redefined_tasks(run),
    ]


def _redefined_tasks(run: Run) -> str:
    """List the redefined tasks of a run, with the fields that differ."""
    return "; ".join(f"{task}: {', '.join(fields)}" for task, fields in run.rescored.redefined.items())


def data_of(run: Run) -> str:
    """Describe the data of a run in words; those of cognition questions only if it asked nothing else."""
    shown = [identity for task, identity in run.sources.items() if catalog.task_of(task).source != catalog.COGNITION]
    return " and ".join(dict.fromkeys(name_of_data(identity) for identity in shown or run.sources.values()))


def name_of_data(identity: Mapping[str, Any] | None) -> str:
    """Name data by their recorded identity."""
    if not identity:
        return "not recorded"
    kind = data_kinds.classify_source(identity)
    if kind == "demo":
        return "the demo set: synthetic, says nothing about microscopy"
    if kind == "own":
        return f"the own dataset {identity.get('name')} (SHA-256 {str(identity.get('sha256'))[:12]})"
    if identity.get("source") == run_metadata.OTHER_DATA:
        return "other data than the benchmark's"
    if identity.get("source") == "hub":
        return f"{identity.get('id')}, revision {str(identity.get('revision'))[:8]}"
    if kind == "release":
        return "the release, from a folder"
    return f"a folder that is not the release (SHA-256 {str(identity.get('sha256'))[:12]})"
