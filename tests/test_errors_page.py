"""Claims about docs/errors.md: each message that it explains is one that the code prints."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The first cell of a row.
MESSAGES = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)


def texts_of(path: Path) -> list[str]:
    """Return the texts in a module but its docstrings: Python joins the parts of a message around its values."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    # A docstring is a statement of its own, which nothing can print.
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


@pytest.fixture(scope="module")
def printed_texts():
    folders = (ROOT / "microbench_tasks", ROOT / "adapters")
    return [text for folder in folders for path in folder.rglob("*.py") for text in texts_of(path)]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_on_the_page_about_errors_is_one_that_the_code_prints(message, printed_texts):
    assert any(message in text for text in printed_texts)


def test_the_page_explains_messages_of_models_data_and_results():
    assert len(MESSAGES) == len(set(MESSAGES)) >= 15
