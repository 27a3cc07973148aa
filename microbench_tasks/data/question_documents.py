"""Collect what the multiple-choice questions of one task ask, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.data import option_orders, table_columns, table_rows
from microbench_tasks.data.task_table import TaskTable, read_task_table

if TYPE_CHECKING:
    import pyarrow as pa

# A row and the fields of a document about it.
RowFields = tuple[int, dict[str, Any]]


def collect(table: pa.Table, task: catalog.Task, where: str) -> tuple[TaskTable, list[RowFields], list[str]]:
    """Return the table for the task, its questions in the order of the rows, and remarks for the user.

    Raises:
        DataError: a column, row, question or answer differs from the release's form, or no row has a question.
    """
    for kind in task.kinds:
        table_columns.check_columns(table.schema, kind, where)
    rows = read_task_table(table, task, where)
    asked: list[RowFields] = []
    for kind in task.kinds:
        of_kind = [
            (row, {"kind": kind} | vars(question))
            for row, question in table_rows.questions(table, kind, where)
            if rows.dataset_names[row] in task.datasets
        ]
        if not of_kind:
            raise rows.nothing_to_ask(f"has a {kind} question")
        asked += of_kind
    # Questions about one row stand together.
    asked.sort(key=lambda entry: entry[0])
    asked = [(row, _variant(fields, row, rows)) for row, fields in asked]
    return rows, asked, [*rows.general_remarks(), *_remarks(asked, rows)]


def _variant(fields: dict[str, Any], row: int, rows: TaskTable) -> dict[str, Any]:
    """Return a question's fields with the order of options and the wording that the task asks for."""
    task = rows.task
    if task.permutation != "release":
        key = f"{rows.dataset_names[row]}/{rows.image_ids[row]}/{fields['kind']}"
        fields = fields | option_orders.permuted(fields, task.permutation, key)
    return fields if task.wording == "paper" else fields | {"wording": task.wording}


def _remarks(asked: list[RowFields], rows: TaskTable) -> list[str]:
    repeating = {row for row, fields in asked if len(set(fields["options"])) < len(fields["options"])}
    silent = set(rows.task_rows) - {row for row, _ in asked} if rows.task.subject in ("fine", "own") else set()
    return [
        *rows.remark(silent, "have no question and are not asked about"),
        *rows.remark(repeating, "offer an option twice, which no answer can tell apart"),
    ]
