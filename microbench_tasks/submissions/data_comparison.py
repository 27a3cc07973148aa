"""Compare the samples of a submission with the documents of the data source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.data import document_digest, recorded_setting, task_data
from microbench_tasks.runs import mismatches, scoring
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.sample_records import SampleRecord
from microbench_tasks.submissions import data_kinds
from microbench_tasks.submissions.checks import Check
from microbench_tasks.tasks.prompts import microbench_doc_to_text
from microbench_tasks.util.progress import Progress

if TYPE_CHECKING:
    import datasets

# Raised by samples and settings that the harness would not write; other checks name them.
_UNCHECKABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


def compare_with_data(
    run: LoggedRun, samples: Mapping[str, Sequence[SampleRecord]], progress: Progress
) -> Iterator[Check]:
    """Compare each sample with the document of its number in the data source that the settings name."""
    for tasks in catalog.by_source(run.samples):
        setting = task_data.setting_of(catalog.task_of(tasks[0]))
        problems = _find_problems(run, tasks, setting, samples, progress)
        yield Check(f"the samples against the data ({setting})", tuple(problems))


def _find_problems(
    run: LoggedRun,
    tasks: Sequence[str],
    setting: str,
    samples: Mapping[str, Sequence[SampleRecord]],
    progress: Progress,
) -> list[str]:
    """List how the samples of tasks with the same data source differ from it."""
    without_data = "or give --without-data to check the rest."
    try:
        task = catalog.task_of(tasks[0])
        data, recorded = task_data.resolve(task), run.metadata(tasks[0]).dataset or {}
        mismatch = _source_mismatch(recorded, data.identity)
        if mismatch:
            advice = recorded_setting.advice(task, recorded).rstrip(".")
            return [f"{data.label} is not what the submission is about ({mismatch}). {advice}, {without_data}"]
        documents = {task: data.documents(catalog.task_of(task)) for task in tasks if task in samples}
        return [
            problem
            for task, of_task in documents.items()
            for problem in _task_problems(run, task, of_task, data.label, samples[task], progress)
        ]
    except _UNCHECKABLE as error:
        return [f"{error} Set {setting} to the submission's data, {without_data}"]


def _source_mismatch(recorded: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Say how the recorded data differ from the data at hand; empty if they do not.

    The release on the Hub and a copy with its hashes are the same data.
    """
    kinds = {data_kinds.classify_source(source) for source in (recorded, identity)}
    are_micrographs = {recorded.get("config"), identity.get("config")} <= {pinned_release.HUB_CONFIG, None}
    if are_micrographs and kinds == {"release"}:
        return ""
    if not recorded:
        return "none is recorded"
    return mismatches.source_mismatch(recorded, identity)


def _task_problems(
    run: LoggedRun,
    task: str,
    with_images: datasets.Dataset,
    label: str,
    samples: Sequence[SampleRecord],
    progress: Progress,
) -> Iterator[str]:
    from microbench_tasks.data.documents import Reading

    stated, measured = run.metadata(task).asked or {}, document_digest.digest(with_images)
    if stated != measured:
        yield (
            f"{task}: the documents that were asked about, images included, have the digest {stated.get('sha256')}; "
            f"{label} has {measured['sha256']}."
        )
    documents = Reading(with_images.remove_columns("image"))
    if len(documents) != len(samples):
        yield f"{task}: {len(samples)} samples, but {label} has {len(documents)} documents."
    by_number = {sample.doc_id: sample for sample in samples}
    for number, doc in enumerate(progress(documents, task)):
        sample = by_number.pop(number, None)
        if sample is None:
            yield f"{task}: no sample of document {number}."
        else:
            yield from (f"{task}: document {number}: {problem}" for problem in _sample_problems(run, task, sample, doc))
    yield from (f"{task}: document {number} is not in the data." for number in by_number)


def _sample_problems(run: LoggedRun, task: str, sample: SampleRecord, doc: dict[str, Any]) -> Iterator[str]:
    """Yield how a sample differs from its document: in what it asks, or in the right answer."""
    if catalog.task_of(task).subject == "boxes":
        fields = ("image_id", "dataset", "kind", "expression", "width", "height", "boxes")
        expected = {name: doc[name] for name in fields}
        prompt = scoring.recorded_box_format(run, task).prompt(doc["expression"], (doc["width"], doc["height"]))
        target = json.dumps(doc["boxes"])
    else:
        expected = {name: doc[name] for name in ("image_id", "dataset", "kind", "options")}
        expected["gold"] = LETTERS[doc["answer_idx"]]
        prompt, target = microbench_doc_to_text(doc), str(doc["answer_idx"])
    if "group" in doc:
        expected["group"] = doc["group"]
    for name, value in expected.items():
        stated = getattr(sample.item, name, None)
        if stated != value:
            yield f"{name} is {stated!r}, in the data {value!r}."
    if sample.target != target:
        yield f"target is {sample.target!r}, in the data {target!r}."
    if sample.prompt != prompt:
        yield "the prompt is not that of the data's question."
