"""From the release's rows to the documents of one task, without copying the table.

A document holds one question: ``image_key`` (the source and the row in it), ``image``,
``image_id``, ``dataset``, ``kind``, ``question``, ``options``, ``answer_idx`` and
``captions``. The image column is the source's own memory-mapped one, seen through an index
of the wanted rows.
"""

from __future__ import annotations

import collections
import functools
from typing import TYPE_CHECKING

from loguru import logger

from microbench_tasks import catalog, schema

if TYPE_CHECKING:
    import datasets


@functools.lru_cache(maxsize=None)
def _say_once(message: str) -> None:
    """Warn of a fact about a source once, not for each of its tasks."""
    logger.warning(message)


def _report(names: list[str], image_ids: list[str], where: str) -> None:
    """Warn of rows that no task asks about, and of images that are there twice."""
    unknown = collections.Counter(name for name in names if name not in catalog.DATASETS)
    if unknown:
        listed = ", ".join(f"{name!r} ({count})" for name, count in sorted(unknown.items()))
        _say_once(f"{where}: rows of datasets that Micro-Bench does not have are left out: {listed}. Known: {', '.join(catalog.DATASETS)}.")
    first: dict[tuple[str, str], int] = {}
    again = [(first[key], row) for row, key in enumerate(zip(names, image_ids)) if first.setdefault(key, row) != row]
    if again:
        _say_once(f"{where}: {len(again)} row(s) repeat the dataset and image_id of an earlier one and are counted again, such as row {again[0][1]}, which repeats row {again[0][0]}.")


def question_documents(split: datasets.Dataset, kind: str, where: str | None = None) -> datasets.Dataset:
    """The documents that ask ``kind`` about the rows of ``split``.

    Args:
        split: rows in the release's columns.
        kind: one of `schema.QUESTION_KINDS`.
        where: name of the source for messages; by default the configured one.

    Raises:
        DataError: a column, row or answer is not as the release has it, or no row of the
            wanted datasets asks this question.
    """
    if where is None:
        from microbench_tasks import source

        where = source.current().label
    if split._indices is not None:
        split = split.flatten_indices()
    table = split.data.table
    schema.check_columns(table.schema, kind, where)
    names = schema.dataset_names(table, where)
    _report(names, schema.image_ids(table, where), where)
    asked = dict(schema.questions(table, kind, where))
    rows = [row for row, name in enumerate(names) if row in asked and name in catalog.CLASSIFICATION_DATASETS]
    if not rows:
        raise schema.DataError(f"{where}: no row asks a {kind} question. Expected rows of {', '.join(catalog.CLASSIFICATION_DATASETS)}; found {sorted(set(names)) or 'no row at all'}.")
    return _dataset(split, kind, names, asked).select(rows)


def _dataset(split: datasets.Dataset, kind: str, names: list[str], asked: dict[int, schema.Question]) -> datasets.Dataset:
    """One document per row of ``split``, those without a question empty."""
    import datasets
    import pyarrow as pa

    table = split.data.table
    questions = [asked.get(row) for row in range(len(names))]

    def column(field: str) -> list:
        return [None if question is None else getattr(question, field) for question in questions]

    texts = pa.string()
    columns = {
        "image_key": pa.array([f"{split._fingerprint}/{row}" for row in range(len(names))], texts),
        "image": schema.image_column(table),
        "image_id": table["image_id"].cast(texts),
        "dataset": pa.array(names, texts),
        "kind": pa.array([kind] * len(names), texts),
        "question": pa.array(column("question"), texts),
        "options": pa.array(column("options"), pa.list_(texts)),
        "answer_idx": pa.array(column("answer_idx"), pa.int64()),
        "captions": pa.array(column("captions"), pa.list_(texts)),
    }
    value = datasets.Value
    features = datasets.Features(
        {"image": datasets.Image()}
        | {name: value("string") for name in ("image_key", "image_id", "dataset", "kind", "question")}
        | {"options": [value("string")], "answer_idx": value("int64"), "captions": [value("string")]}
    )
    # With a fingerprint of its own, `datasets` does not pickle gigabytes to make one up.
    return datasets.Dataset(
        datasets.table.InMemoryTable(pa.table(columns)),
        info=datasets.DatasetInfo(features=features),
        split=split.split,
        fingerprint=f"{split._fingerprint}-{kind}",
    )


microbench_coarse_domain_docs = functools.partial(question_documents, kind="domain")
microbench_coarse_subdomain_docs = functools.partial(question_documents, kind="subdomain")
microbench_coarse_modality_docs = functools.partial(question_documents, kind="modality")
microbench_coarse_submodality_docs = functools.partial(question_documents, kind="submodality")
microbench_coarse_stain_docs = functools.partial(question_documents, kind="stain")
