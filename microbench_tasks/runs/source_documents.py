"""Find the documents of a run in the data source, for logs that contain responses alone (``--predict_only``)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import recorded_setting, task_data
from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.runs.mismatches import source_mismatch
from microbench_tasks.runs.sample_records import SampleRecord
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import datasets

    from microbench_tasks.runs.logged_runs import LoggedRun


class SourceDocuments:
    """The documents of one task of a run, without images. They are loaded from the current data source when needed."""

    def __init__(self, run: LoggedRun, task: str) -> None:
        self._task = catalog.task_of(task)
        self._recorded = run.metadata(task).dataset
        self._advice = recorded_setting.advice(self._task, self._recorded)

    @functools.cached_property
    def _label_and_documents(self) -> tuple[str, datasets.Dataset]:
        current = task_data.resolve(self._task)
        mismatch = source_mismatch(self._recorded, current.identity)
        if mismatch:
            raise DataError(
                f"the log contains responses alone, so the questions are needed, and {current.label} is not the run's "
                f"data source ({mismatch}). {self._advice}"
            )
        return current.label, current.documents(self._task).remove_columns("image")

    def document_of(self, sample: SampleRecord) -> dict[str, Any]:
        """Return the document that a sample is about.

        Raises:
            DataError: the data source is not the run's, has no such document, or has another one than the prompt.
        """
        label, documents = self._label_and_documents
        if not 0 <= sample.doc_id < len(documents):
            raise DataError(
                f"{label} has {len(documents)} documents for {self._task.name}, but the log has number "
                f"{sample.doc_id}. {self._advice}"
            )
        doc = documents[sample.doc_id]
        is_about_boxes = self._task.subject == "boxes"
        texts = [doc["expression"]] if is_about_boxes else [doc["question"], *lettered_options(doc["options"])]
        missing = [text for text in texts if text not in sample.prompt]
        if missing:
            raise DataError(
                f"document {sample.doc_id} of {label} is not what the log's prompt asked: {missing[0]!r} is not in it. "
                f"{self._advice}"
            )
        return doc
