"""Write a report: the page, its plots, and a record of every number that was drawn."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render import page_content, pages, plots
from microbench_tasks.render.charts import chart_of
from microbench_tasks.render.figure_specs import FigureSpec
from microbench_tasks.render.page_content import Gallery, Image
from microbench_tasks.report import calibration_section, data_rows, folder, headlines
from microbench_tasks.report import runs as report_runs
from microbench_tasks.report.about import about_section, facts_of, labels_of
from microbench_tasks.report.answer_sections import confusion_section, has_confusions, letter_section
from microbench_tasks.report.data_rows import Data
from microbench_tasks.report.folder import PAGE, PICTURES, RECORD
from microbench_tasks.report.gallery_section import gallery_section
from microbench_tasks.report.localization_section import localization_section
from microbench_tasks.report.record import record_of
from microbench_tasks.report.runs import Sweep
from microbench_tasks.report.score_section import score_section
from microbench_tasks.report.sections import FoldedParts, Part, ReportSection, flat_parts
from microbench_tasks.report.sensitivity_section import sensitivity_section
from microbench_tasks.report.slice_sections import ability_section, slice_section
from microbench_tasks.report.sweep_section import sweep_section
from microbench_tasks.submissions import manifest_file
from microbench_tasks.util.cores import num_cores
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import Progress
from microbench_tasks.util.similar_sentences import merge_similar

# Of each kind and run.
NUM_EXAMPLES = 4
# Of more runs, what takes a plot or a picture for each run makes the page too long to read, and takes minutes.
_MOST_DETAILED = 2
_MOST_IN_TITLE = 3
# Each process that draws needs 150 MB.
_MOST_PROCESSES = 8


@dataclass(frozen=True)
class Report:
    """Describe a report that was written.

    Attributes:
        folder: of the report.
        labels: of the runs and sweeps.
        num_plots: how many plots were drawn.
        left_out: what is missing, and what to set to get it.
        notes: what readers of the scores should know.
    """

    folder: Path
    labels: list[str]
    num_plots: int
    left_out: list[str]
    notes: list[str]


def write(
    paths: Sequence[Path],
    out: Path,
    num_examples: int | None,
    seed: int,
    progress: Progress,
    names: Sequence[str] = (),
    *,
    with_details: bool = False,
) -> Report:
    """Write the report of runs, submissions and sweeps.

    Args:
        paths: see `microbench_tasks.report.runs.read`.
        out: the folder to write, completely or not at all; an unchanged earlier report there is replaced.
        num_examples: of each kind and run; by default `NUM_EXAMPLES`, and none of more than two runs without details.
        seed: of the choice of examples.
        progress: see `microbench_tasks.util.progress.Progress`.
        names: of the runs to read from folders that contain several.
        with_details: whether a report of more than two runs has a confusion matrix for each run and task, and examples.
            One or two runs always have.

    Raises:
        DataError: ``out`` cannot be written or contains anything but a report, or a path is not a run.
    """
    if num_examples is not None and num_examples < 0:
        raise DataError(f"--examples {num_examples}: expected 0 or more.")
    folder.check_folder(out)
    runs, sweeps = report_runs.read(paths, progress, names)
    data = data_rows.read(runs)
    is_short = len(runs) > _MOST_DETAILED and not with_details
    left_out = _left_out_of_many(runs, has_examples=num_examples is not None) if is_short else []
    if num_examples is None:
        num_examples = 0 if is_short else NUM_EXAMPLES
    sections = _sections(runs, sweeps, data, num_examples, seed, progress, with_confusions=not is_short)
    left_out += [
        *(_missing_parts(reason, data, num_examples) for reason in data.missing),
        *calibration_section.left_out(runs),
    ]
    notes = [f"{run.label}: {note}" for run in runs for note in merge_similar(run.rescored.notes)]
    sections.append(about_section(runs, left_out, notes))
    labels = labels_of(runs, sweeps)
    title = f"Micro-Bench: {', '.join(labels) if len(labels) <= _MOST_IN_TITLE else f'{len(labels)} runs'}"
    record = record_of(runs, sections, left_out)

    def fill(draft: Path) -> None:
        page = pages.render(
            title,
            _draw(draft, sections, progress),
            facts_of(runs, sweeps),
            notice=headlines.notice(runs, sweeps),
            headlines=headlines.headlines(runs, sweeps),
        )
        (draft / PAGE).write_text(page, encoding="utf-8")
        content = json.loads(json.dumps(record | {"files": folder.hashes_of(draft)}, allow_nan=False))
        content["digest"] = manifest_file.compute_digest(content)
        (draft / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    folder.write_folder(out, fill)
    return Report(out, labels, len(_figure_specs(sections)), left_out, notes)


def _sections(
    runs: Sequence[Run],
    sweeps: Sequence[Sweep],
    data: Data,
    num_examples: int,
    seed: int,
    progress: Progress,
    *,
    with_confusions: bool,
) -> list[ReportSection]:
    sections = [
        score_section(runs),
        ability_section(runs),
        slice_section(runs, data),
        confusion_section(runs) if with_confusions else None,
        calibration_section.calibration_section(runs),
        sensitivity_section(runs),
        letter_section(runs),
        localization_section(runs),
        sweep_section(sweeps, progress),
    ]
    if num_examples:
        sections.append(gallery_section(runs, data, num_examples, seed, progress))
    return [section for section in sections if section is not None]


def _left_out_of_many(runs: Sequence[Run], *, has_examples: bool) -> list[str]:
    kinds = ["confusion matrices"] if has_confusions(runs) else []
    if not has_examples:
        kinds.append("examples")
    reason = f"as there are {len(runs)} runs. Add them with --details, or report one or two runs."
    return [f"Left out: {' and '.join(kinds)}, {reason}"] if kinds else []


def _missing_parts(reason: str, data: Data, num_examples: int) -> str:
    """Say which parts of the report need the data that are missing."""
    parts = []
    if reason.startswith(f"{data_rows.PERCEPTION_IMAGES}:"):
        parts.append("slices by modality, domain and scale")
    if num_examples:
        parts.append("examples")
    return f"Left out: {' and '.join(parts)}, for lack of {reason}" if parts else reason


def _figure_specs(sections: Sequence[ReportSection]) -> list[FigureSpec]:
    return [part for section in sections for part in flat_parts(section.parts) if isinstance(part, FigureSpec)]


def _draw(draft: Path, sections: Sequence[ReportSection], progress: Progress) -> list[page_content.Section]:
    """Write all plots and examples into the folder; return the sections with them."""
    pictures = draft / PICTURES
    specs = _figure_specs(sections)
    drawn: dict[str, bytes] = {}
    # A process may be killed for lack of memory; this one draws what is left, one plot after another.
    with (
        contextlib.suppress(BrokenProcessPool),
        ProcessPoolExecutor(min(len(specs) or 1, num_cores(), _MOST_PROCESSES)) as processes,
    ):
        jobs = {spec.name: processes.submit(_save, spec, pictures) for spec in specs}
        drawn.update((spec.name, jobs[spec.name].result()) for spec in progress(specs, "Drawing"))
    drawn.update((spec.name, _save(spec, pictures)) for spec in specs if spec.name not in drawn)
    galleries = [part for section in sections for part in flat_parts(section.parts) if isinstance(part, Gallery)]
    for number, card in enumerate((card for gallery in galleries for card in gallery.cards), start=1):
        if card.image is not None:
            pictures.mkdir(exist_ok=True)
            (pictures / f"example-{number:03d}-{card.mark}.png").write_bytes(card.image.png)
    return [
        page_content.Section(section.title, [_page_part(part, drawn) for part in section.parts], section.text)
        for section in sections
    ]


def _save(spec: FigureSpec, folder: Path) -> bytes:
    """Write the files of a plot; return a light form of it for the page, or nothing if the browser draws it."""
    content = plots.save(spec.figure(), folder, spec.name)
    return b"" if chart_of(spec) else plots.lighter(content)


def _page_part(part: Part, drawn: Mapping[str, bytes]) -> page_content.Part:
    if isinstance(part, FoldedParts):
        return page_content.Folded(part.title, [_page_part(inner, drawn) for inner in part.parts], part.about)
    if isinstance(part, FigureSpec):
        # The title of a plot is part of the plot.
        return chart_of(part) or Image("", drawn[part.name], part.alt, part.note)
    return part
