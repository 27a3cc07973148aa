"""A folder of cognition questions, its documents, and changes of its JSON files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets

from microbench_tasks import catalog
from microbench_tasks.data import cognition
from tests.support import release

ASKED = {
    "cell.png": [release.cognition_question(3), release.cognition_question(5, question="Which is absent?")],
    "pollen.png": [release.cognition_question(0, options=["yes", "no"], answer="no")],
}


def documents() -> datasets.Dataset:
    """Return the documents that the settings name now."""
    return cognition.resolve().documents(catalog.TASKS[catalog.COGNITION_TASK])


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """Let ``change`` alter the content of a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def question(content: dict[str, Any]) -> dict[str, Any]:
    """Return the second question in the content of a JSON file."""
    return content["custom_metadata"]["questions"]["cognition_1"]
