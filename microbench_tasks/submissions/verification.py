"""TODO."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs import comparison, logs, rescoring
from microbench_tasks.runs.logs import LoggedRun
from microbench_tasks.runs.records import SampleRecord
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.submissions import (
    data_kinds,
    manifest_checks,
    manifest_file,
    option_checks,
    reading,
    record_checks,
    run_arguments,
    sample_checks,
    sample_files,
    score_checks,
    text_files,
)
from microbench_tasks.submissions.checks import Check
from microbench_tasks.submissions.data_comparison import compare_with_data
from microbench_tasks.submissions.progress import Progress, no_progress
from microbench_tasks.tasks import definition_records
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError

# Largest size in bytes of a text that is made from the manifest.
_LARGEST_TEXT = 2**26


def verify(folder: Path, *, with_data: bool = True, progress: Progress = no_progress) -> Iterator[Check]:
    """Check a submission in every respect, one after the other.

    Args:
        with_data: also compare each sample with the data source that ``MICROBENCH_DATASET`` (and
            ``MICROBENCH_COGNITION``) names now.
        progress: wraps what takes long.

    Raises:
        DataError: ``folder`` contains no ``submission.json`` in JSON.
    """
    manifest = manifest_file.read_manifest(folder)
    schema = Check("schema of submission.json", tuple(manifest_checks.find_schema_problems(manifest)))
    yield schema
    if schema.failed:
        yield Check("all the rest", skipped="submission.json is not as the schema says")
        return
    yield Check("files and their SHA-256", tuple(reading.find_file_problems(folder, manifest)))
    yield Check("digest of submission.json", tuple(manifest_file.find_digest_problems(manifest)))
    run = reading.as_logged_run(folder, manifest)
    yield Check(
        "versions, settings and data source",
        tuple(record_checks.find_record_violations(run) + _record_problems(manifest)),
    )
    samples, problems = _samples(run, progress)
    yield Check("samples: all there, asked in the known way", tuple(problems))
    yield from _score_checks(run, manifest, samples, progress)
    yield from _text_checks(folder, manifest)
    yield from (
        compare_with_data(run, samples, progress)
        if with_data
        else [
            Check(
                "the samples against the data",
                skipped="--without-data. Whether questions, right answers and images are the benchmark's has NOT been checked",
            )
        ]
    )


def _record_problems(manifest: Mapping[str, Any]) -> list[str]:
    tasks, sources = manifest["num_samples"], manifest["data"]["sources"]
    # Of a task without a source find_record_violations speaks.
    surplus = sorted(sources.keys() - tasks.keys())
    problems = [f"data.sources: {task} has no samples." for task in surplus]
    public = [task for task in tasks if task in sources and task != catalog.COGNITION_TASK] or [
        task for task in tasks if task in sources
    ]
    kinds = {data_kinds.classify_source(sources[task]) for task in public}
    if kinds - {manifest["data"]["kind"]}:
        problems.append(f"data.kind is {manifest['data']['kind']}, but data.sources are {', '.join(sorted(kinds))}.")
    problems += [
        reason
        for option in ("model_args", "gen_kwargs")
        for reason in option_checks.find_argument_violations(f"model.{option}", manifest["model"][option])
    ]
    return problems + [reason for task in tasks for reason in _generation_reasons(task, manifest["model"])]


def _generation_reasons(task: str, model: Mapping[str, Any]) -> list[str]:
    """Return the generation settings that differ from the task's own and that no submission may change."""
    own = definition_records.expected_fields(task, model["harness_model"], is_chat=False, with_data=False)[
        "generation_kwargs"
    ]
    stated = model["generation_kwargs"].get(task, {})
    changed = {name: value for name, value in stated.items() if name not in own or value != own[name]}
    changed |= {name: "removed" for name in own if name not in stated}
    return run_arguments.find_generation_violations(f"model.generation_kwargs.{task}", changed)


def _samples(run: LoggedRun, progress: Progress) -> tuple[dict[str, list[SampleRecord]], list[str]]:
    """The samples of each task that can be read, in the documents' order, and what is wrong with any."""
    samples, problems = {}, []
    for task in progress(run.samples, "reading samples"):
        form_problems = sample_files.find_form_problems(run.samples[task], task)
        problems += form_problems
        try:
            found = logs.read_samples(run.samples[task], task)
        except (DataError, OSError) as error:
            problems += [] if form_problems else [str(error)]
            continue
        samples[task] = found
        stated = run.record.num_documents[task].effective
        if len(found) != stated:
            problems.append(f"{task}: {len(found)} samples, but submission.json (num_samples) says {stated}.")
        in_order = sorted(found, key=lambda sample: sample.doc_id)
        problems += sample_checks.find_sample_violations(run, task, in_order)
    return samples, problems


def _score_checks(
    run: LoggedRun, manifest: Mapping[str, Any], samples: Mapping[str, Sequence[SampleRecord]], progress: Progress
) -> Iterator[Check]:
    name = "scores, from the samples"
    if samples.keys() != run.samples.keys():
        yield Check(name, skipped="there are samples that cannot be read")
        return
    try:
        # However many there are: their number is a check of its own.
        uncounted = dataclasses.replace(run, record=run.record.model_copy(update={"num_documents": {}}))
        rescored = rescoring.rescore(uncounted, lambda tasks: progress(tasks, "scoring samples"), samples)
    except DataError as error:
        yield Check(name, (f"the samples cannot be scored: {error}",))
        return
    yield Check(name, tuple(_score_problems(manifest, samples, rescored)))
    yield Check(
        "nothing is left out",
        tuple(
            score_checks.find_failed_requests(rescored)
            + score_checks.find_count_violations(manifest["data"]["kind"], rescored)
        ),
    )


def _score_problems(
    manifest: Mapping[str, Any], samples: Mapping[str, Sequence[SampleRecord]], rescored: Rescored
) -> Iterator[str]:
    figures = {name: manifest_file.figures_as_json(found) for name, found in rescored.scores.items()}
    for name in sorted(figures.keys() | manifest["scores"].keys()):
        yield from _differences(f"scores.{name}", manifest["scores"].get(name, {}), figures.get(name, {}))
    questions = {task: count for task, count in rescored.num_in_total.items() if catalog.TASKS[task].subject != "boxes"}
    yield from _differences("num_in_total", manifest["num_in_total"], questions)
    yield from _differences("chance", manifest["chance"], rescored.chance)
    yield from _differences("majority", manifest["majority"], rescored.majority)
    for task, found in samples.items():
        changed = score_checks.find_changed_scores(found, rescored.samples[task])
        if changed:
            yield f"{task}: the score of {len(changed)} sample(s) is not that of the answer, such as document {changed[0]}."


def _differences(field: str, stated: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in [*found, *(name for name in stated if name not in found)]:
        before, now = stated.get(name, "nothing"), found.get(name, "nothing")
        if not comparison.are_equal(_number(before), _number(now)):
            yield f"submission.json, {field}.{name} is {before}; the samples give {now}."


def _number(value: Any) -> Any:
    # JSON does not tell 1 from 1.0.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text_checks(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Check]:
    expected = text_files.render_texts(manifest)
    for name, text in expected.items():
        path = folder / name
        try:
            problems = _text_problems(untrusted.read_regular_file(path, _LARGEST_TEXT, follow_links=False), text)
        except DataError as error:
            problems = [str(error)]
        yield Check(f"{name} says what submission.json says", tuple(problems))
    others = {text_files.EVAL_RESULTS, *text_files.DATA_MARKS.values()} - expected.keys()
    claimed = [
        f"{name}: scores on {manifest['data']['kind']} data have none."
        for name in sorted(others)
        if os.path.lexists(folder / name)
    ]
    if claimed:
        yield Check("no file claims other data", tuple(claimed))


def _text_problems(content: bytes, expected: str) -> list[str]:
    """The lines that differ. To the letter: a comment between metadata says as much to a reader as they do."""
    if content == expected.encode():
        return []
    found = content.decode(errors="replace")
    lines = [
        line
        for line in difflib.unified_diff(expected.splitlines(), found.splitlines(), lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    return [f"{'expected' if line[0] == '-' else 'found'}: {line[1:]}" for line in lines] or ["line ends differ."]
