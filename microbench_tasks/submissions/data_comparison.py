"""Compare the samples of a submission with the documents of the data source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.data import cognition, dataset_setting, document_digest, task_data
from microbench_tasks.runs import comparison, scoring
from microbench_tasks.runs.logs import LoggedRun
from microbench_tasks.runs.records import SampleRecord
from microbench_tasks.submissions import data_kinds
from microbench_tasks.submissions.checks import Check
from microbench_tasks.submissions.progress import Progress
from microbench_tasks.tasks.prompts import microbench_doc_to_text

if TYPE_CHECKING:
    import datasets

# What samples and settings raise that are not as the harness writes them; other checks name them.
_UNCHECKABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


def compare_with_data(
    run: LoggedRun, samples: Mapping[str, Sequence[SampleRecord]], progress: Progress
) -> Iterator[Check]:
    """Each sample against the document of its number in the data source at hand."""
    public = [task for task in run.samples if task != catalog.COGNITION_TASK]
    for tasks, setting in (
        (public, dataset_setting.SETTING),
        ([task for task in run.samples if task not in public], cognition.SETTING),
    ):
        if not tasks:
            continue
        name = f"the samples against the data ({setting})"
        try:
            found = task_data.resolve(catalog.TASKS[tasks[0]])
            difference = _source_mismatch(run.metadata(tasks[0]).dataset or {}, found.identity)
            if difference:
                yield Check(
                    name,
                    (
                        f"{found.label} is not what the submission is about ({difference}). Set {setting} to its data, or give --without-data to check the rest.",
                    ),
                )
                continue
            documents = {task: found.documents(catalog.TASKS[task]) for task in tasks if task in samples}
            problems = [
                problem
                for task, asked_about in documents.items()
                for problem in _task_problems(run, task, asked_about, found.label, samples[task], progress)
            ]
        except _UNCHECKABLE as error:
            yield Check(
                name, (f"{error} Set {setting} to the submission's data, or give --without-data to check the rest.",)
            )
            continue
        yield Check(name, tuple(problems))


def _source_mismatch(recorded: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """What of the recorded data is not as at hand; the release on the Hub and a copy with its hashes are the same."""
    if {recorded.get("config"), identity.get("config")} <= {
        pinned_release.HUB_CONFIG,
        None,
    } and data_kinds.classify_source(recorded) == data_kinds.classify_source(identity) == "release":
        return ""
    if not recorded:
        return "none is recorded"
    return comparison.source_mismatch(recorded, identity)


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


def _sample_problems(run: LoggedRun, task: str, sample: SampleRecord, doc: Mapping[str, Any]) -> Iterator[str]:
    """Where a sample asks something else than its document, or takes another answer for right."""
    boxes = catalog.TASKS[task].subject == "boxes"
    if boxes:
        size = (doc["width"], doc["height"])
        expected = {
            name: doc[name] for name in ("image_id", "dataset", "kind", "expression", "width", "height", "boxes")
        }
        prompt, target = (
            scoring.recorded_box_format(run, task).prompt(doc["expression"], size),
            json.dumps(doc["boxes"]),
        )
    else:
        expected = {name: doc[name] for name in ("image_id", "dataset", "kind", "options")} | {
            "gold": LETTERS[doc["answer_idx"]]
        }
        prompt, target = microbench_doc_to_text(doc), str(doc["answer_idx"])
    for name, value in expected.items():
        stated = getattr(sample.item, name, None)
        if stated != value:
            yield f"{name} is {stated!r}, in the data {value!r}."
    if sample.target != target:
        yield f"target is {sample.target!r}, in the data {target!r}."
    if sample.prompt != prompt:
        yield "the prompt is not that of the data's question."
