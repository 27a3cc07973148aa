"""A report as files: the page, the pictures, and every number that was drawn."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.data import source_identity
from microbench_tasks.metrics.intervals import ABOUT_IMAGES
from microbench_tasks.render import pages, plots
from microbench_tasks.render.figure_specs import FigureSpec, finite
from microbench_tasks.render.pages import Cell, Gallery, Image, Table
from microbench_tasks.report import calibration, chapters, sensitivity
from microbench_tasks.report import rows as data_rows
from microbench_tasks.report import runs as read_runs
from microbench_tasks.report.chapters import Chapter
from microbench_tasks.report.gallery import gallery_chapter
from microbench_tasks.report.rows import Data
from microbench_tasks.report.runs import Run, Sweep
from microbench_tasks.report.sweeps import sweeps_chapter
from microbench_tasks.submissions import data_kinds, manifest_file
from microbench_tasks.submissions.progress import Progress
from microbench_tasks.tasks import provenance
from microbench_tasks.tasks.interval_settings import interval_settings
from microbench_tasks.util import files, untrusted
from microbench_tasks.util.errors import DataError

PAGE, RECORD, PICTURES = "report.html", "report.json", "pictures"
# What says that a folder is a report.
_MADE_BY = "microbench report"
_VERSION = 3


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        folder: where.
        labels: of the runs and sweeps.
        pictures: how many were drawn.
        left_out: what is not in the report, and what to set.
        notes: what a reader of the scores should know.
    """

    folder: Path
    labels: list[str]
    pictures: int
    left_out: list[str]
    notes: list[str]


def write(paths: Sequence[Path], out: Path, examples: int, seed: int, progress: Progress) -> Report:
    """Make the report of runs, submissions and sweeps.

    Args:
        paths: see `microbench_tasks.report.runs.read`.
        out: the folder to write, whole or not at all; an earlier report there is replaced if every file in it is as the report wrote it.
        examples: of each kind and run, how many are shown.
        seed: of the choice of examples.
        progress: see `microbench_tasks.submissions.progress.Progress`.

    Raises:
        DataError: ``out`` cannot be written or holds something else than a report, or a path cannot be reported.
    """
    if examples < 0:
        raise DataError(f"--examples {examples}: expected 0 or more.")
    check_folder(out)
    runs, sweeps = read_runs.read(paths, lambda found: progress(found, "Scoring runs"))
    data = data_rows.read(runs)
    found = _chapters(runs, sweeps, data, examples, seed, progress)
    left_out = [*(_missing(text, data, examples) for text in data.missing), *calibration.left_out(runs)]
    notes = [f"{run.label}: {note}" for run in runs for note in run.rescored.notes]
    found.append(_about(runs, left_out, notes))
    publish(out, lambda draft: _fill(draft, runs, sweeps, found, left_out, progress))
    return Report(
        out,
        _labels(runs, sweeps),
        sum(isinstance(part, FigureSpec) for chapter in found for part in chapter.parts),
        left_out,
        notes,
    )


def _chapters(
    runs: Sequence[Run], sweeps: Sequence[Sweep], data: Data, examples: int, seed: int, progress: Progress
) -> list[Chapter]:
    found = (
        chapters.scores_chapter(runs),
        chapters.abilities_chapter(runs),
        chapters.slices_chapter(runs, data),
        chapters.confusions_chapter(runs),
        calibration.calibration_chapter(runs),
        sensitivity.sensitivity_chapter(runs),
        chapters.letters_chapter(runs),
        chapters.boxes_chapter(runs),
    )
    along = sweeps_chapter(sweeps, lambda logs: progress(logs, "Scoring a sweep"))
    shown = (
        gallery_chapter(runs, data, examples, seed, lambda chosen: progress(chosen, "Choosing examples"))
        if examples
        else None
    )
    return [chapter for chapter in (*found, along, shown) if chapter is not None]


def _missing(reason: str, data: Data, examples: int) -> str:
    parts = (
        ["slices by modality, domain and scale"]
        if data.perception is None and not reason.startswith(data_rows.COGNITION_IMAGES)
        else []
    )
    parts += ["examples"] if examples else []
    return f"Left out: {' and '.join(parts)}, for want of {reason}" if parts else reason


# --- the folder ----------------------------------------------------------------------


def check_folder(out: Path) -> None:
    """Raise `DataError` unless ``out`` can be written and is not there, is empty, or is a report of which every file is as it was written."""
    if out.is_symlink():
        raise DataError(f"--out {out}: is a link. Name a folder.")
    if out.name == ".." or Path.cwd().is_relative_to(out.resolve()):
        raise DataError(f"--out {out}: is the current folder, or one that holds it. Name another folder.")
    if out.exists() and not out.is_dir():
        raise DataError(f"--out {out}: is a file. Name a folder.")
    if reason := files.why_unwritable(out.absolute().parent):
        raise DataError(f"--out {out}: {reason}. Name another folder.")
    if out.exists() and any(out.iterdir()) and (reason := _kept(out)):
        raise DataError(f"--out {out}: exists and {reason}. Nothing is overwritten: name another folder.")


def _kept(out: Path) -> str:
    """Why a folder must not be replaced; nothing if a report wrote all of it."""
    try:
        made = json.loads(untrusted.read_regular_file(out / RECORD, follow_links=False))
        is_report, written = made["made_by"] == _MADE_BY, dict(made["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        is_report, written = False, {}
    if not is_report:
        return f"contains no {RECORD} of a report that names its files"
    if made.get("digest") != manifest_file.compute_digest(made):
        return f"its {RECORD} has been changed"
    foreign = [
        name
        for path in sorted(out.rglob("*"))
        if not _is_written(path, name := path.relative_to(out).as_posix(), written)
    ]
    return (
        f"holds {', '.join(foreign[:3])}{' and more' if len(foreign) > 3 else ''}, which no report wrote, or which has been changed since"
        if foreign
        else ""
    )


def _is_written(path: Path, name: str, written: Mapping[str, str]) -> bool:
    if path.is_symlink() or not path.is_file():
        return name == PICTURES and path.is_dir() and not path.is_symlink()
    return name == RECORD or written.get(name) == files.sha256(path)


def publish(out: Path, fill: Callable[[Path], None]) -> None:
    """Write the folder whole or not at all; an earlier report is replaced when the new one is complete."""
    if not out.exists():
        files.write_dir_atomically(out, fill)
        return
    fresh, earlier = (out.with_name(f".{out.name}-{what}-{os.getpid()}") for what in ("new", "old"))
    files.write_dir_atomically(fresh, fill)
    try:
        # FigureSpec takes minutes, in which files may have come.
        check_folder(out)
        out.rename(earlier)
    except (DataError, OSError):
        shutil.rmtree(fresh)
        raise
    fresh.rename(out)
    shutil.rmtree(earlier)


def _fill(
    draft: Path,
    runs: Sequence[Run],
    sweeps: Sequence[Sweep],
    found: Sequence[Chapter],
    left_out: Sequence[str],
    progress: Progress,
) -> None:
    drawings = [part for chapter in found for part in chapter.parts if isinstance(part, FigureSpec)]
    drawn = {
        drawing.name: plots.save(drawing.figure(), draft / PICTURES, drawing.name)
        for drawing in progress(drawings, "Drawing")
    }
    cards = [card for chapter in found for part in chapter.parts if isinstance(part, Gallery) for card in part.cards]
    for number, card in enumerate(cards, start=1):
        (draft / PICTURES).mkdir(exist_ok=True)
        (draft / PICTURES / f"example-{number:03d}-{card.mark}.png").write_bytes(card.image.png)
    sections = [
        pages.Section(chapter.title, [_shown(part, drawn) for part in chapter.parts], chapter.text) for chapter in found
    ]
    (draft / PAGE).write_text(
        pages.render(f"Micro-Bench: {', '.join(_labels(runs, sweeps))}", sections, _facts(runs, sweeps)),
        encoding="utf-8",
    )
    written = {
        path.relative_to(draft).as_posix(): files.sha256(path) for path in sorted(draft.rglob("*")) if path.is_file()
    }
    content = json.loads(json.dumps(record(runs, found, left_out) | {"files": written}, allow_nan=False))
    (draft / RECORD).write_text(
        json.dumps(content | {"digest": manifest_file.compute_digest(content)}, indent=1) + "\n", encoding="utf-8"
    )


def _shown(part: FigureSpec | Table | Gallery, drawn: Mapping[str, bytes]) -> pages.Part:
    # Its title stands in the picture itself.
    return Image("", drawn[part.name], part.alt, part.note) if isinstance(part, FigureSpec) else part


# --- what it says of itself ----------------------------------------------------------


def record(runs: Sequence[Run], found: Sequence[Chapter], left_out: Sequence[str]) -> dict[str, Any]:
    """Everything that is drawn or shown, as JSON values; `microbench_tasks.render.figure_specs.figure_spec_from_record` draws a picture again."""
    return {
        "made_by": _MADE_BY,
        "version": _VERSION,
        "unit": "fractions from 0 to 1; pictures and tables show them in percent",
        "interval": interval_settings(),
        "runs": [
            {
                "label": run.label,
                "run": run.name,
                "data": {
                    task: identity and source_identity.without_path(identity) for task, identity in run.sources.items()
                },
                **_figures(run),
                "notes": run.rescored.notes,
            }
            for run in runs
        ],
        "left_out": list(left_out),
        "chapters": [
            {"title": chapter.title, "text": chapter.text, "parts": [_recorded(part) for part in chapter.parts]}
            for chapter in found
        ],
    }


def _figures(run: Run) -> dict[str, Any]:
    return {name: finite(getattr(run.rescored, name)) for name in ("scores", "chance", "majority", "new_datasets")}


def _recorded(part: FigureSpec | Table | Gallery) -> dict[str, Any]:
    if isinstance(part, FigureSpec):
        return {"picture": part.record()}
    if isinstance(part, Table):
        cells = [
            [{"text": cell.text, "sort": finite(cell.sort)} if isinstance(cell, Cell) else cell for cell in row]
            for row in part.rows
        ]
        return {"table": {"title": part.title, "header": list(part.header), "rows": cells, "note": part.note}}
    return {
        "gallery": {
            "title": part.title,
            "note": part.note,
            "cards": [{"title": card.title, "mark": card.mark, "facts": dict(card.facts)} for card in part.cards],
        }
    }


def _about(runs: Sequence[Run], left_out: Sequence[str], notes: Sequence[str]) -> Chapter:
    # The column is shown only if a task was redefined.
    more = ["redefined"] if any(map(_redefined, runs)) else []
    rows = [
        [
            run.label,
            run.name,
            f"{len(run.rescored.samples)}",
            f"{sum(run.rescored.num_samples.values()):,}",
            data_of(run),
            *(_redefined(run) for _ in more),
        ]
        for run in runs
    ]
    tables = [Table("Runs", ["model", "run", "tasks", "samples", "data", *more], rows)] if rows else []
    text = f"Scores are computed from the logged samples. Every number in the pictures stands in {RECORD}; each picture lies in {PICTURES} as PNG and PDF."
    return Chapter("About this report", tables, "\n\n".join([text, *left_out, *(f"Note: {note}" for note in notes)]))


def _redefined(run: Run) -> str:
    """Name the redefined tasks of a run, with the fields that differ."""
    return "; ".join(f"{task}: {', '.join(fields)}" for task, fields in run.rescored.redefined.items())


def _labels(runs: Sequence[Run], sweeps: Sequence[Sweep]) -> list[str]:
    return [part.label for part in (*runs, *sweeps)]


def _facts(runs: Sequence[Run], sweeps: Sequence[Sweep]) -> dict[str, str]:
    from importlib.metadata import version

    quoted = interval_settings()["quoted"]
    interval = f"{100 * quoted['confidence_level']:g} %, {quoted['method']}. {ABOUT_IMAGES}"
    facts = {"Runs": ", ".join(run.label for run in runs)} if runs else {}
    facts |= {"Sweeps": ", ".join(sweep.label for sweep in sweeps)} if sweeps else {}
    facts |= {"Data": "; ".join(dict.fromkeys(data_of(run) for run in runs))} if runs else {}
    redefined = {run.label: text for run in runs if (text := _redefined(run))}
    facts |= (
        {"NOT the benchmark's own": "; ".join(f"{label} ({text})" for label, text in redefined.items())}
        if redefined
        else {}
    )
    return facts | {"Intervals": interval, "Made by": f"microbench-lmms {version('microbench-lmms')}"}


def data_of(run: Run) -> str:
    """What a run was asked about, in words."""
    perception = [identity for task, identity in run.sources.items() if catalog.ALL_TASKS[task].subject != "cognition"]
    return " and ".join(dict.fromkeys(_data_name(identity) for identity in perception or run.sources.values()))


def _data_name(identity: Mapping[str, Any] | None) -> str:
    if not identity:
        return "not on record"
    kind = data_kinds.classify_source(identity)
    if kind == "demo":
        return "the demo set: drawn, says nothing about microscopy"
    if identity.get("source") == provenance.OTHER_DATA:
        return "other data than the benchmark's"
    if identity.get("source") == "hub":
        return f"{identity.get('id')}, revision {str(identity.get('revision'))[:8]}"
    return (
        "the release, from a folder"
        if kind == "release"
        else f"a folder that is not the release (SHA-256 {str(identity.get('sha256'))[:12]})"
    )
