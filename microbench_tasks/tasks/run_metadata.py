"""Build the metadata of each task for the results file: definition, data and what was asked."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.data import task_data
from microbench_tasks.tasks import definitions
from microbench_tasks.tasks.definition_records import describe, record
from microbench_tasks.tasks.recorded_values import rendered
from microbench_tasks.util import privacy
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

# The source of data that are not the task's own.
OTHER_DATA = "other"
# Fields that select the documents. If one of them is redefined, the data are not the task's own.
_OF_DATA = frozenset({"dataset_path", "dataset_name", "dataset_kwargs", "test_split", "process_docs", "class"})


def metadata_of(tasks: Mapping[str, Any], *, cache_requests: bool = False) -> dict[str, dict[str, Any]]:
    """Return the metadata of each of this package's tasks for the results file, and warn of redefinitions.

    A task whose definition cannot be recorded is scored, but cannot be submitted.

    Args:
        tasks: task objects by name; others than this package's are ignored.
        cache_requests: the harness's option: cached requests may come from another definition.
    """
    own_metadata = functools.cache(definitions.FunctionName.resolve)
    options = {"cache_requests": True} if cache_requests else {}
    metadata: dict[str, dict[str, Any]] = {}
    for name, task in tasks.items():
        if not catalog.is_task(name):
            continue
        try:
            metadata[name] = _metadata(name, task, own_metadata(definitions.definition(name)["metadata"]), options)
        # Functions of a user's task may raise anything; the run is still scored, without a record.
        except Exception as error:
            metadata[name] = {"dataset": {"source": OTHER_DATA}}
            logger.warning(
                f"{name}: its definition cannot be recorded ({type(error).__name__}: {error}). "
                "The run is scored, but cannot be submitted."
            )
        for field, values in metadata[name].get("definition", {}).get("differs", {}).items():
            warn_once(
                f"{name}: {describe(field, values)} This is NOT the benchmark's own task: "
                "the results are marked, and microbench submit refuses them."
            )
    return metadata


def mark_changed_data(metadata_of_tasks: Mapping[str, dict[str, Any]]) -> None:
    """Mark the data of a finished run as others' if their files have changed since it started.

    The files are mapped into memory, so that a model may have been shown the old or the new content.

    Args:
        metadata_of_tasks: from `metadata_of`, by task; changed in place.
    """
    for name, metadata in metadata_of_tasks.items():
        try:
            now = dict(task_data.resolve(catalog.task_of(name)).identity)
        # Files may be gone, or incomplete.
        except (DataError, OSError):
            now = None
        if metadata["dataset"].get("source") != OTHER_DATA and metadata["dataset"] != now:
            metadata["dataset"] = {"source": OTHER_DATA}
            warn_once(f"{name}: its data changed during the run. The run is scored, but cannot be submitted.")


def _metadata(name: str, task: Any, own: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    stated = task.config.metadata if isinstance(task.config.metadata, dict) else {}
    definition = record(name, task, options)
    metadata = {**stated, **own, "asked": _documents_digest(name, task), "definition": definition}
    if _OF_DATA & {field.partition(".")[0] for field in definition["differs"]}:
        place = {"path": task.config.dataset_path, "name": task.config.dataset_name}
        metadata["dataset"] = {"source": OTHER_DATA, **privacy.redact_secrets(rendered(place))}
    return metadata


def _documents_digest(name: str, task: Any) -> dict[str, Any] | None:
    from microbench_tasks.data import document_digest

    try:
        return document_digest.digest(task.eval_docs)
    # Documents of a user's task may be anything.
    except Exception as error:
        logger.warning(
            f"{name}: the digest of its documents cannot be computed ({type(error).__name__}: {error}). "
            "The run is scored, but cannot be submitted."
        )
        return None
