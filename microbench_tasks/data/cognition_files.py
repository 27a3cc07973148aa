"""Read cognition questions in the layout of the paper's evaluation code.

The layout is ``cognition/<split>/*.json``. Each file lies beside the image that its ``metadata.name`` names, and has
``custom_metadata.questions`` as ``{"cognition_0": {question, options, answer}, …}``.

Source: GitHub ``Ale9806/eVLLM``.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from microbench_tasks.catalog import COGNITION
from microbench_tasks.catalog.questions import LETTERS, MIN_OPTIONS
from microbench_tasks.data.tables import SPLIT
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError

LAYOUT = (
    f"Expected a folder {COGNITION}/<split> of JSON files, each with metadata.name (an image file beside it) and "
    'custom_metadata.questions: {"cognition_0": {"question": text, "options": [texts], "answer": one of them}, …}'
)
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


@dataclass(frozen=True)
class CognitionQuestion:
    """One question about one image, checked; ``answer`` is one of ``options``, which has it once."""

    image: Path
    question: str
    options: list[str]
    answer: str


def questions_root(folder: Path) -> Path:
    """Return the folder ``cognition`` in ``folder``, or ``folder`` itself if it has none."""
    return folder / COGNITION if (folder / COGNITION).is_dir() else folder


def json_files(folder: Path, label: str) -> list[Path]:
    """Return the JSON files of the only split, or of the benchmark's split.

    Args:
        folder: the folder of the JSON files, or one or two levels above it.
        label: names the folder in messages.

    Raises:
        DataError: there are no JSON files, or there are several splits and none has the benchmark's name.
    """
    root = questions_root(folder)
    documents = _visible(root.glob("*.json")) or _visible((root / SPLIT).glob("*.json"))
    if documents:
        return documents
    splits = sorted({path.parent for path in _visible(root.glob("*/*.json"))})
    if not splits:
        raise DataError(f"{label}: contains no JSON files. {LAYOUT}.")
    if len(splits) > 1:
        raise DataError(
            f"{label}: contains several splits: {', '.join(split.name for split in splits)}, and none called "
            f"{SPLIT}. Name the folder of one."
        )
    return _visible(splits[0].glob("*.json"))


def _visible(paths: Iterable[Path]) -> list[Path]:
    """Return paths in order without hidden files: macOS leaves a ``._name`` for each file that it copies."""
    return sorted(path for path in paths if not path.name.startswith("."))


def read_questions(documents: Sequence[Path], label: str) -> list[CognitionQuestion]:
    """Return the questions of JSON files in order.

    Raises:
        DataError: a file or a question is not in the expected layout, or no file asks a question.
    """
    questions = [question for document in documents for question in _read_document(document, label)]
    if not questions:
        raise DataError(f"{label}: none of {len(documents)} JSON files asks a question. {LAYOUT}.")
    return questions


def remarks(questions: Sequence[CognitionQuestion], label: str) -> Iterator[str]:
    """Describe what a folder looks like that is incomplete or has parts twice: repeated questions, unused images."""
    texts = collections.Counter((question.image.read_bytes(), question.question) for question in questions)
    num_repeated = len(questions) - len(texts)
    if num_repeated:
        yield (
            f"{label}: {num_repeated} question(s) occur more than once for the same image, and are counted each time."
        )
    folder = questions[0].image.parent
    images = {path for path in folder.iterdir() if path.suffix.lower() in _IMAGE_SUFFIXES}
    unused = images - {question.image for question in questions}
    if unused:
        yield (
            f"{label}: no question is asked about {len(unused)} of {len(images)} images, such as {min(unused).name}."
        )


def _read_document(document: Path, label: str) -> Iterator[CognitionQuestion]:
    place = f"{label}: {document.name}"
    try:
        content = json.loads(
            untrusted.read_regular_file(document).decode("utf-8"), object_pairs_hook=untrusted.reject_duplicate_keys
        )
        image = document.parent / content["metadata"]["name"]
        questions = content["custom_metadata"]["questions"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{place}: {type(error).__name__}: {error}. {LAYOUT}.") from error
    if not _is_text(image.name) or image.parent != document.parent or not image.is_file():
        raise DataError(
            f"{place}: metadata.name is {content['metadata']['name']!r}; expected an image file beside it in "
            f"{document.parent}."
        )
    for key, question in questions:
        yield _checked_question(question, image, f"{place}: custom_metadata.questions.{key}")


def _checked_question(question: Any, image: Path, place: str) -> CognitionQuestion:
    if not isinstance(question, dict):
        raise DataError(f"{place}: expected an object, got {type(question).__name__}. {LAYOUT}.")
    for name in ("question", "answer"):
        if not _is_text(question.get(name)):
            raise DataError(f"{place}.{name}: expected text, got {question.get(name)!r}.")
    options = question.get("options")
    if (
        not isinstance(options, list)
        or not MIN_OPTIONS <= len(options) <= len(LETTERS)
        or not all(map(_is_text, options))
    ):
        raise DataError(f"{place}.options: expected a list of {MIN_OPTIONS} to {len(LETTERS)} texts, got {options!r}.")
    if options.count(question["answer"]) != 1:
        raise DataError(
            f"{place}.answer: expected one of the options {options!r}, which must occur once; "
            f"got {question['answer']!r}."
        )
    return CognitionQuestion(image, question["question"], options, question["answer"])


def _is_text(value: Any) -> TypeGuard[str]:
    """Tell whether ``value`` is text that is not blank and has no lone surrogates, which JSON can contain."""
    return (
        isinstance(value, str)
        and value.strip() != ""
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )
