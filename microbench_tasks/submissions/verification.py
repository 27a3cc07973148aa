"""Verify a submission: recompute everything from its answers and from the data.

What this cannot show is listed in `microbench_tasks.submissions.limits`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import cognition, dataset_setting, document_digest, task_data
from microbench_tasks.parsing.answers import LETTERS
from microbench_tasks.runs import rescoring
from microbench_tasks.runs.rescoring import LoggedRun, Rescored
from microbench_tasks.submissions import eligibility, run_arguments, submission, submission_samples
from microbench_tasks.submissions.eligibility import Progress, Sample, silently
from microbench_tasks.tasks import provenance
from microbench_tasks.tasks.prompts import microbench_doc_to_text
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line

if TYPE_CHECKING:
    import datasets

# What samples and settings raise that are not as the harness writes them; other checks name them.
_UNCHECKABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
# Of the problems of one check, how many are said.
_SAID = 5
# Largest size in bytes of a text that is made from the manifest.
_LARGEST_TEXT = 2**26


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what is wrong with it, or why it was not looked at."""

    name: str
    problems: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.problems)

    def __str__(self) -> str:
        # Of a submission, which strangers wrote, nothing may steer the terminal or make lines of its own.
        name, problems = printable_line(self.name), [printable_line(problem) for problem in self.problems]
        if self.skipped:
            return f"not checked  {name}: {printable_line(self.skipped)}"
        if not self.failed:
            return f"ok           {name}"
        more = [f"… and {len(problems) - _SAID} more"] if len(problems) > _SAID else []
        return "\n".join(
            [f"FAILED       {name}", *(f"             - {problem}" for problem in [*problems[:_SAID], *more])]
        )


def verify(folder: Path, *, with_data: bool = True, progress: Progress = silently) -> Iterator[Check]:
    """Check a submission in every respect, one after the other.

    Args:
        with_data: also compare each sample with the data source that ``MICROBENCH_DATASET`` (and
            ``MICROBENCH_COGNITION``) names now.
        progress: wraps what takes long.

    Raises:
        DataError: ``folder`` contains no ``submission.json`` in JSON.
    """
    manifest = submission.read_manifest(folder)
    schema = Check("schema of submission.json", tuple(submission.schema_problems(manifest)))
    yield schema
    if schema.failed:
        yield Check("all the rest", skipped="submission.json is not as the schema says")
        return
    yield Check("files and their SHA-256", tuple(submission.file_problems(folder, manifest)))
    yield Check("digest of submission.json", tuple(submission.digest_problems(manifest)))
    run = submission.logged_run(folder, manifest)
    yield Check(
        "versions, settings and data source", tuple(eligibility.record_reasons(run) + _record_problems(manifest))
    )
    samples, problems = _samples(run, progress)
    yield Check("samples: all there, asked in the known way", tuple(problems))
    yield from _score_checks(run, manifest, samples, progress)
    yield from _text_checks(folder, manifest)
    yield from (
        _data_checks(run, samples, progress)
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
    # Of a task without a source record_reasons speaks.
    surplus = sorted(sources.keys() - tasks.keys())
    problems = [f"data.sources: {task} has no samples." for task in surplus]
    public = [task for task in tasks if task in sources and task != catalog.COGNITION_TASK] or [
        task for task in tasks if task in sources
    ]
    kinds = {eligibility.kind_of(sources[task]) for task in public}
    if kinds - {manifest["data"]["kind"]}:
        problems.append(f"data.kind is {manifest['data']['kind']}, but data.sources are {', '.join(sorted(kinds))}.")
    problems += [
        reason
        for option in ("model_args", "gen_kwargs")
        for reason in eligibility.prompt_reasons(f"model.{option}", manifest["model"][option])
    ]
    return problems + [reason for task in tasks for reason in _generation_reasons(task, manifest["model"])]


def _generation_reasons(task: str, model: Mapping[str, Any]) -> list[str]:
    """Return the generation settings that differ from the task's own and that no submission may change."""
    own = provenance.expected(task, model["harness_model"], is_chat=False, with_data=False)["generation_kwargs"]
    stated = model["generation_kwargs"].get(task, {})
    changed = {name: value for name, value in stated.items() if name not in own or value != own[name]}
    changed |= {name: "removed" for name in own if name not in stated}
    return run_arguments.generation_reasons(f"model.generation_kwargs.{task}", changed)


# --- samples and scores --------------------------------------------------------------


def _samples(run: LoggedRun, progress: Progress) -> tuple[dict[str, list[Sample]], list[str]]:
    """The samples of each task that can be read, in the documents' order, and what is wrong with any."""
    samples, problems = {}, []
    for task in progress(run.samples, "reading samples"):
        form_problems = submission_samples.form_problems(run.samples[task], task)
        problems += form_problems
        try:
            found = sorted(
                (sample for _, sample in rescoring.logged_samples(run.samples[task])),
                key=lambda sample: sample["doc_id"],
            )
        except (DataError, OSError) as error:
            problems += [] if form_problems else [str(error)]
            continue
        samples[task] = found
        stated = run.recorded()["n-samples"][task]["effective"]
        if len(found) != stated:
            problems.append(f"{task}: {len(found)} samples, but submission.json (num_samples) says {stated}.")
        problems += eligibility.sample_reasons(run, task, found)
    return samples, problems


def _score_checks(
    run: LoggedRun, manifest: Mapping[str, Any], samples: Mapping[str, Sequence[Sample]], progress: Progress
) -> Iterator[Check]:
    name = "scores, from the samples"
    if samples.keys() != run.samples.keys():
        yield Check(name, skipped="there are samples that cannot be read")
        return
    try:
        # However many there are: their number is a check of its own.
        uncounted = dataclasses.replace(
            run, record={key: value for key, value in run.record.items() if key != "n-samples"}
        )
        rescored = rescoring.rescore(uncounted, lambda tasks: progress(tasks, "scoring samples"))
    except DataError as error:
        yield Check(name, (f"the samples cannot be scored: {error}",))
        return
    yield Check(name, tuple(_score_problems(manifest, samples, rescored)))
    yield Check(
        "nothing is left out",
        tuple(eligibility.failed_reasons(rescored) + eligibility.count_reasons(manifest["data"]["kind"], rescored)),
    )


def _score_problems(
    manifest: Mapping[str, Any], samples: Mapping[str, Sequence[Sample]], rescored: Rescored
) -> Iterator[str]:
    figures = {name: submission.as_json(found) for name, found in rescored.scores.items()}
    for name in sorted(figures.keys() | manifest["scores"].keys()):
        yield from _differences(f"scores.{name}", manifest["scores"].get(name, {}), figures.get(name, {}))
    questions = {task: count for task, count in rescored.num_in_total.items() if catalog.TASKS[task].subject != "boxes"}
    yield from _differences("num_in_total", manifest["num_in_total"], questions)
    yield from _differences("chance", manifest["chance"], rescored.chance)
    yield from _differences("majority", manifest["majority"], rescored.majority)
    for task, found in samples.items():
        changed = eligibility.changed_scores(found, rescored.samples[task])
        if changed:
            yield f"{task}: the score of {len(changed)} sample(s) is not that of the answer, such as document {changed[0]}."


def _differences(field: str, stated: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in [*found, *(name for name in stated if name not in found)]:
        before, now = stated.get(name, "nothing"), found.get(name, "nothing")
        if not rescoring.are_equal(_number(before), _number(now)):
            yield f"submission.json, {field}.{name} is {before}; the samples give {now}."


def _number(value: Any) -> Any:
    # JSON does not tell 1 from 1.0.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


# --- texts ---------------------------------------------------------------------------


def _text_checks(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Check]:
    expected = submission.texts_of(manifest)
    for name, text in expected.items():
        path = folder / name
        try:
            problems = _text_problems(untrusted.read_regular_file(path, _LARGEST_TEXT, follow_links=False), text)
        except DataError as error:
            problems = [str(error)]
        yield Check(f"{name} says what submission.json says", tuple(problems))
    others = {submission.EVAL_RESULTS, *submission.MARKS.values()} - expected.keys()
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


# --- data ----------------------------------------------------------------------------


def _data_checks(run: LoggedRun, samples: Mapping[str, Sequence[Sample]], progress: Progress) -> Iterator[Check]:
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
            difference = _other_data(run.metadata(tasks[0]).get("dataset") or {}, found.identity)
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


def _other_data(recorded: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """What of the recorded data is not as at hand; the release on the Hub and a copy with its hashes are the same."""
    if {recorded.get("config"), identity.get("config")} <= {pinned_release.HUB_CONFIG, None} and eligibility.kind_of(
        recorded
    ) == eligibility.kind_of(identity) == "release":
        return ""
    if not recorded:
        return "none is recorded"
    return rescoring.other_source(recorded, identity)


def _task_problems(
    run: LoggedRun, task: str, with_images: datasets.Dataset, label: str, samples: Sequence[Sample], progress: Progress
) -> Iterator[str]:
    from microbench_tasks.data.documents import Reading

    stated, measured = run.metadata(task)["asked"], document_digest.digest(with_images)
    if stated != measured:
        yield (
            f"{task}: the documents that were asked about, images included, have the digest {stated['sha256']}; "
            f"{label} has {measured['sha256']}."
        )
    documents = Reading(with_images.remove_columns("image"))
    if len(documents) != len(samples):
        yield f"{task}: {len(samples)} samples, but {label} has {len(documents)} documents."
    by_number = {sample["doc_id"]: sample for sample in samples}
    for number, doc in enumerate(progress(documents, task)):
        sample = by_number.pop(number, None)
        if sample is None:
            yield f"{task}: no sample of document {number}."
        else:
            yield from (f"{task}: document {number}: {problem}" for problem in _sample_problems(run, task, sample, doc))
    yield from (f"{task}: document {number} is not in the data." for number in by_number)


def _sample_problems(run: LoggedRun, task: str, sample: Sample, doc: Mapping[str, Any]) -> Iterator[str]:
    """Where a sample asks something else than its document, or takes another answer for right."""
    boxes = catalog.TASKS[task].subject == "boxes"
    item = sample.get("grit" if boxes else "acc") or {}
    if boxes:
        size = (doc["width"], doc["height"])
        expected = {
            name: doc[name] for name in ("image_id", "dataset", "kind", "expression", "width", "height", "boxes")
        }
        prompt, target = rescoring.logged_format(run, task).prompt(doc["expression"], size), json.dumps(doc["boxes"])
    else:
        expected = {name: doc[name] for name in ("image_id", "dataset", "kind", "options")} | {
            "gold": LETTERS[doc["answer_idx"]]
        }
        prompt, target = microbench_doc_to_text(doc), str(doc["answer_idx"])
    for name, value in expected.items():
        if item.get(name) != value:
            yield f"{name} is {item.get(name)!r}, in the data {value!r}."
    if sample.get("target") != target:
        yield f"target is {sample.get('target')!r}, in the data {target!r}."
    if sample.get("input") != prompt:
        yield "the prompt is not that of the data's question."
