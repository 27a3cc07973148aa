"""Score the logged responses of one task again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.logged_samples import read_samples
from microbench_tasks.runs.sample_records import BoxItem, QuestionItem, SampleRecord
from microbench_tasks.runs.source_documents import SourceDocuments
from microbench_tasks.tasks.box_formats import DetectionFormat
from microbench_tasks.tasks.image_resizing import PixelLimits
from microbench_tasks.tasks.items import num_answers
from microbench_tasks.tasks.results import microbench_process_results, score_boxes
from microbench_tasks.util.errors import DataError

# The item of each metric that a sample is scored by (`microbench_tasks.tasks.results`).
Items = dict[str, Any]


def score_samples(run: LoggedRun, task: str, samples: Sequence[SampleRecord]) -> list[Items]:
    """Score the responses of one task.

    Args:
        run: where the samples come from.
        task: name of the task.
        samples: all samples of the task, in the order of its samples file.

    Raises:
        DataError: samples are missing, or a sample does not fit its task, the record of the run or the data source.
            The message names the file and the line.
    """
    file = run.samples[task]
    expected = _num_asked(run, task)
    if expected is not None and len(samples) != expected:
        raise DataError(
            f"{file}: contains {len(samples)} samples, but the run asked {expected} documents ({run.results_name}). "
            "The file is not complete: copy it again, or run again."
        )
    scorer = _Scorer(run, task)
    items_of_samples: list[Items] = []
    for line, sample in enumerate(samples, start=1):
        try:
            items = scorer.score(sample)
        except DataError as error:
            raise DataError(f"{file}, line {line}: {error}") from error
        # Settings of a record and numbers of a sample may be anything.
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
            reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
            raise DataError(
                f"{file}, line {line}: not a sample of {task} as this version logs it ({reason})."
            ) from error
        items_of_samples.append(items)
        if num_answers(items) != num_answers(items_of_samples[0]):
            raise DataError(
                f"{file}, line {line}: expected {num_answers(items_of_samples[0])} answer(s) as on the first line, "
                f"got {num_answers(items)}. The file is not as the harness wrote it: copy it again."
            )
    return items_of_samples


def items_by_document(run: LoggedRun, task: str) -> dict[int, Items]:
    """Score one task of a run, and return the items of each document; raise `DataError` as `score_samples` does."""
    samples = read_samples(run.samples[task], task)
    items = score_samples(run, task, samples)
    return {sample.doc_id: item for sample, item in zip(samples, items, strict=True)}


def _num_asked(run: LoggedRun, task: str) -> int | None:
    """Return how many documents the run asked; None if that is not on record."""
    # The harness's number ignores an offset.
    if task not in run.record.num_documents or run.record.config.offset:
        return None
    return run.record.num_documents[task].effective


class _Scorer:
    """Score single samples of one task."""

    def __init__(self, run: LoggedRun, task: str) -> None:
        self._run, self._task = run, catalog.task_of(task)
        self._documents = SourceDocuments(run, task)

    def score(self, sample: SampleRecord) -> Items:
        """Return the items of a sample."""
        item = sample.item
        if item is not None and item.dataset not in self._task.datasets:
            raise DataError(f"the sample is of the dataset {item.dataset}, which {self._task.name} does not ask about.")
        if isinstance(item, BoxItem):
            return self._score_boxes(sample, item)
        if isinstance(item, QuestionItem):
            return self._score_question(sample, item)
        return self._score_response_alone(sample)

    def _score_boxes(self, sample: SampleRecord, item: BoxItem) -> Items:
        if sample.target is None or json.loads(sample.target) != item.boxes:
            raise DataError("the gold boxes are not the target's: the log has been changed.")
        size = (item.model_input_size[0], item.model_input_size[1])
        return score_boxes(item.model_dump(), _response(sample), item.convention, size, sample.prompt)

    def _score_question(self, sample: SampleRecord, item: QuestionItem) -> Items:
        doc = item.model_dump() | {"answer_idx": item.answer_idx}
        if sample.target != str(item.answer_idx):
            raise DataError(
                f"the right letter is {item.gold}, but the target is option {sample.target}: the log has been changed."
            )
        return microbench_process_results(doc, [_response(sample)], sample.prompt)

    def _score_response_alone(self, sample: SampleRecord) -> Items:
        doc = self._documents.document_of(sample)
        if self._task.subject != "boxes":
            return microbench_process_results(doc, [_response(sample)], sample.prompt)
        box_format = recorded_box_format(self._run, self._task.name)
        input_size = box_format.model_input_size((doc["width"], doc["height"]))
        return score_boxes(doc, _response(sample), box_format.convention, input_size, sample.prompt)


def _response(sample: SampleRecord) -> str | list[str]:
    """Return the response in the form in which the harness passes it to the scoring."""
    responses = sample.responses
    return responses if len(responses) > 1 else responses[0]


def recorded_box_format(run: LoggedRun, task: str) -> DetectionFormat:
    """Return the format in which a run asked for boxes, as recorded; raise `DataError` if it is not on record."""
    if run.results is None:
        raise DataError(
            f"the run's results file ({run.results_name} beside the samples) is missing; "
            "it records the format of the boxes."
        )
    record = run.metadata(task).boxes
    if record is None:
        raise DataError(f"{run.results_name} does not record the format of the boxes (metadata.boxes of {task}).")
    limits = None if record["limits"] is None else PixelLimits(*record["limits"])
    return DetectionFormat(record["convention"], record["prompt"], record["source"], limits)
