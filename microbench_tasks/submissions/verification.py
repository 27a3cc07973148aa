"""Verify a submission: recompute everything from its answers and from the data.

`microbench_tasks.submissions.limits` lists what this cannot show.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs import logged_samples, mismatches, rescoring
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.runs.sample_records import SampleRecord
from microbench_tasks.submissions import data_kinds, reading, run_arguments, sample_files, score_checks, text_files
from microbench_tasks.submissions.checks import Check
from microbench_tasks.submissions.data_comparison import compare_with_data
from microbench_tasks.submissions.manifest_checks import find_schema_problems
from microbench_tasks.submissions.manifest_file import figures_as_json, find_digest_problems, read_manifest
from microbench_tasks.submissions.manifest_model import Manifest, Model
from microbench_tasks.submissions.record_checks import find_record_violations
from microbench_tasks.submissions.sample_checks import find_sample_violations
from microbench_tasks.tasks import definition_records
from microbench_tasks.tasks.metric_table import ENTRIES
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import Progress, no_progress

# Largest size in bytes of a text that is derived from the manifest.
_LARGEST_TEXT = 2**26


def verify(folder: Path, *, with_data: bool = True, progress: Progress = no_progress) -> Iterator[Check]:
    """Check a submission in every respect; yield each check when it is done.

    Args:
        folder: the submission.
        with_data: also compare each sample with the data source that ``MICROBENCH_DATASET`` (and
            ``MICROBENCH_COGNITION``, ``MICROBENCH_OWN``) names.
        progress: reports the progress of long loops.

    Raises:
        DataError: ``folder`` contains no ``submission.json`` in JSON.
    """
    content = read_manifest(folder)
    schema = Check("schema of submission.json", tuple(find_schema_problems(content)))
    yield schema
    if schema.failed:
        yield Check("all the rest", skipped="submission.json is not as the schema says")
        return
    manifest = Manifest.model_validate(content)
    yield Check("files and their SHA-256", tuple(reading.find_file_problems(folder, manifest)))
    yield Check("digest of submission.json", tuple(find_digest_problems(content)))
    run = reading.as_logged_run(folder, manifest)
    record_problems = find_record_violations(run) + _find_record_problems(manifest)
    yield Check("versions, settings and data source", tuple(record_problems))
    samples, sample_problems = _read_samples(run, manifest, progress)
    yield Check("samples: all there, asked in the known way", tuple(sample_problems))
    yield from _check_scores(run, manifest, samples, progress)
    yield from _check_texts(folder, manifest)
    if with_data:
        yield from compare_with_data(run, samples, progress)
    else:
        omitted = "--without-data. Whether questions, right answers and images are the benchmark's has NOT been checked"
        yield Check("the samples against the data", skipped=omitted)


def _find_record_problems(manifest: Manifest) -> list[str]:
    """List contradictions between the stated kind of data, the sources, and the arguments that are allowed."""
    tasks, sources = manifest.num_samples, manifest.data.sources.identities()
    # A task without a source is reported by find_record_violations.
    problems = [f"data.sources: {task} has no samples." for task in sorted(sources.keys() - tasks.keys())]
    stated = [task for task in tasks if task in sources]
    kinds = {data_kinds.classify_source(sources[task]) for task in data_kinds.main_tasks(stated)}
    if kinds - {manifest.data.kind}:
        problems.append(f"data.kind is {manifest.data.kind}, but data.sources are {', '.join(sorted(kinds))}.")
    model = manifest.model
    problems += run_arguments.find_model_violations("model.model_args", model.model_args)
    problems += run_arguments.find_generation_violations("model.gen_kwargs", model.gen_kwargs)
    return problems + [violation for task in tasks for violation in _find_generation_violations(task, model)]


def _find_generation_violations(task: str, model: Model) -> list[str]:
    """List the generation settings that differ from the task's own and that no submission may change."""
    expected = definition_records.expected_fields(task, model.harness_model, is_chat=False, with_data=False)
    own = expected["generation_kwargs"]
    stated = model.generation_kwargs.get(task, {})
    changed = {name: value for name, value in stated.items() if name not in own or value != own[name]}
    changed |= {name: "removed" for name in own if name not in stated}
    return run_arguments.find_generation_violations(f"model.generation_kwargs.{task}", changed)


# --- samples and scores --------------------------------------------------------------


def _read_samples(
    run: LoggedRun, manifest: Manifest, progress: Progress
) -> tuple[dict[str, list[SampleRecord]], list[str]]:
    """Return the samples of each task that can be read, in the order of the file, and all problems with them."""
    samples: dict[str, list[SampleRecord]] = {}
    problems = []
    for task in progress(run.samples, "reading samples"):
        form_problems = sample_files.find_form_problems(run.samples[task], task)
        problems += form_problems
        try:
            samples[task] = logged_samples.read_samples(run.samples[task], task)
        except (DataError, OSError) as error:
            problems += [] if form_problems else [str(error)]
            continue
        count, stated = len(samples[task]), manifest.num_samples[task]
        if count != stated:
            problems.append(f"{task}: {count} samples, but submission.json (num_samples) says {stated}.")
        in_order = sorted(samples[task], key=lambda sample: sample.doc_id)
        problems += find_sample_violations(run, task, in_order)
    return samples, problems


def _check_scores(
    run: LoggedRun, manifest: Manifest, samples: Mapping[str, Sequence[SampleRecord]], progress: Progress
) -> Iterator[Check]:
    name = "scores, from the samples"
    if samples.keys() != run.samples.keys():
        yield Check(name, skipped="there are samples that cannot be read")
        return
    # Whether their number is right is a check of its own.
    uncounted = dataclasses.replace(run, record=run.record.model_copy(update={"num_documents": {}}))
    try:
        rescored = rescoring.rescore(uncounted, progress, samples)
    except DataError as error:
        yield Check(name, (f"the samples cannot be scored: {error}",))
        return
    yield Check(name, tuple(_find_score_problems(manifest, samples, rescored)))
    missing = score_checks.find_failed_requests(rescored)
    missing += score_checks.find_count_violations(manifest.data.kind, rescored)
    yield Check("nothing is left out", tuple(missing))


def _find_score_problems(
    manifest: Manifest, samples: Mapping[str, Sequence[SampleRecord]], rescored: Rescored
) -> Iterator[str]:
    computed = {name: figures_as_json(figures) for name, figures in rescored.scores.items()}
    stated = {name: figures.by_metric() for name, figures in manifest.scores.items()}
    for name in sorted(computed.keys() | stated.keys()):
        of_name = stated.get(name, {})
        expected = {metric: value for metric, value in computed.get(name, {}).items() if not _may_lack(of_name, metric)}
        yield from _compare_figures(f"scores.{name}", of_name, expected)
    questions = {
        task: count for task, count in rescored.num_in_total.items() if catalog.task_of(task).subject != "boxes"
    }
    yield from _compare_figures("num_in_total", manifest.num_in_total, questions)
    yield from _compare_figures("chance", manifest.chance, rescored.chance)
    yield from _compare_figures("majority", manifest.majority, rescored.majority)
    for task, logged in samples.items():
        changed = score_checks.find_changed_scores(logged, rescored.samples[task])
        if changed:
            yield (
                f"{task}: the score of {len(changed)} sample(s) is not that of the answer, such as document "
                f"{changed[0]}."
            )


def _may_lack(stated: Mapping[str, Any], metric: str) -> bool:
    """Tell whether a submission lacks a figure that there was not yet when it was made."""
    return metric not in stated and metric in ENTRIES and ENTRIES[metric].metric.is_new


def _compare_figures(field: str, stated: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[str]:
    for name in [*computed, *(name for name in stated if name not in computed)]:
        before, now = stated.get(name, "nothing"), computed.get(name, "nothing")
        if not mismatches.are_equal(_as_float(before), _as_float(now)):
            yield f"submission.json, {field}.{name} is {before}; the samples give {now}."


def _as_float(value: Any) -> Any:
    # JSON does not distinguish 1 from 1.0.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


# --- texts ---------------------------------------------------------------------------


def _check_texts(folder: Path, manifest: Manifest) -> Iterator[Check]:
    """Compare each text file with the one that the manifest gives."""
    expected = text_files.render_texts(manifest)
    for name, text in expected.items():
        try:
            content = untrusted.read_regular_file(folder / name, _LARGEST_TEXT, follow_links=False)
            problems = _compare_lines(content, text)
        except DataError as error:
            problems = [str(error)]
        yield Check(f"{name} says what submission.json says", tuple(problems))
    others = {text_files.EVAL_RESULTS, *text_files.DATA_MARKS.values()} - expected.keys()
    misleading = [
        f"{name}: scores on {manifest.data.kind} data have none."
        for name in sorted(others)
        if os.path.lexists(folder / name)
    ]
    if misleading:
        yield Check("no file claims other data", tuple(misleading))


def _compare_lines(content: bytes, expected: str) -> list[str]:
    """List the lines that differ in any character: a comment between metadata informs readers as much as they do."""
    if content == expected.encode():
        return []
    actual = content.decode(errors="replace")
    lines = [
        line
        for line in difflib.unified_diff(expected.splitlines(), actual.splitlines(), lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    return [f"{'expected' if line[0] == '-' else 'found'}: {line[1:]}" for line in lines] or ["line ends differ."]
