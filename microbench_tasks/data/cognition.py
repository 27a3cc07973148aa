"""Where the cognition questions come from: one setting, ``MICROBENCH_COGNITION``.

They are not in the public release. Set, the setting names a folder in the layout of the paper's
evaluation code: ``cognition/<split>/*.json``, each beside the image that its ``metadata.name``
names, with ``custom_metadata.questions`` as ``{"cognition_0": {question, options, answer}, …}``.
Unset, they come with the data that ``MICROBENCH_DATASET`` names (the demo set and its copies have
them), or from a folder ``cognition`` of the release's repository on the Hub, should one appear: as
Arrow or Parquet files, or in the layout above.

The questions are kept in the user's cache as one table in the release's columns, so that all
that follows treats them as any other question.

Source: GitHub ``Ale9806/eVLLM``; contrastive models score question and option, a space between.
"""

from __future__ import annotations

import collections
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from microbench_tasks.catalog import COGNITION, pinned_release
from microbench_tasks.catalog.questions import LETTERS, MIN_OPTIONS, caption_key
from microbench_tasks.data import dataset_setting, hub, source, source_identity, tables
from microbench_tasks.data.source import Source
from microbench_tasks.util import files, untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once
from microbench_tasks.util.untrusted import reject_duplicate_keys

SETTING = "MICROBENCH_COGNITION"
# Goes up when the cached table's form changes.
_TABLE_VERSION = 1
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_LAYOUT = (
    f"Expected a folder {COGNITION}/<split> of JSON files, each with metadata.name (an image file beside it) and custom_metadata.questions: "
    '{"cognition_0": {"question": text, "options": [texts], "answer": one of them}, …}'
)
# What settings were resolved to, by label and by path, size and times of all files beside the questions.
_resolved: dict[tuple[Any, ...], Source] = {}
_NOT_PUBLIC = f"The cognition questions are not in the public release. Set {SETTING} to a folder that holds them, or leave microbench_cognition (and microbench_all) out. {_LAYOUT}"


def current(download: bool = False) -> Source:
    """The source of the cognition questions now.

    Args:
        download: ask the Hub where the questions would come from there; otherwise only its cache is looked at.

    Raises:
        DataError: there is none, or it is not in the expected layout; says what to supply.
    """
    setting = os.environ.get(SETTING)
    label = (
        f"{dataset_setting.SETTING}={os.environ.get(dataset_setting.SETTING)}"
        if setting is None
        else f"{SETTING}={setting}"
    )
    try:
        return _source_beside_images(download) if setting is None else _folder_source(setting, label)
    # RuntimeError: a home folder (~) that does not exist.
    except (OSError, RuntimeError) as error:
        raise DataError(f"{label}: {str(error).rstrip('.')}. {dataset_setting.cache_hint()} {_LAYOUT}.") from error


def _source_beside_images(download: bool) -> Source:
    """The questions that come with the images of ``MICROBENCH_DATASET``."""
    images = os.environ.get(dataset_setting.SETTING)
    if images is None:
        return _hub_source(download)
    label = f"{dataset_setting.SETTING}={images}, {COGNITION}"
    if images == dataset_setting.DEMO:
        return _folder_source(str(source.demo_folder()), label, source_identity.demo_identity)
    folder = Path(images).expanduser()
    if not (folder / COGNITION).is_dir():
        problem = f"has no folder {COGNITION}" if images.strip() and folder.is_dir() else "no such folder"
        raise DataError(f"{dataset_setting.SETTING}={images}: {problem}. {_NOT_PUBLIC}.")
    return _folder_source(images, label)


def _hub_source(download: bool) -> Source:
    """Return the questions in the release's repository at its latest commit: no commit with questions is known yet."""
    snapshot = hub.snapshot(pinned_release.HUB_ID, f"{COGNITION}/**", download, _NOT_PUBLIC)
    folder, label = snapshot / COGNITION, f"{pinned_release.HUB_ID}, {COGNITION} (revision {snapshot.name[:8]})"
    if not folder.is_dir():
        raise DataError(
            f"{pinned_release.HUB_ID} (revision {snapshot.name[:8]}) has no folder {COGNITION!r}. {_NOT_PUBLIC}."
        )

    def identify(sha256: str) -> dict[str, Any]:
        return source_identity.hub_identity(COGNITION, snapshot.name) | {"sha256": sha256}

    if any(folder.rglob("*.json")):
        return _folder_source(str(folder), label, identify)
    return source.folder_source(str(folder), label, identify)


def _folder_source(setting: str, label: str, identify: Callable[[str], dict[str, Any]] | None = None) -> Source:
    """Resolve a folder with questions.

    ``identify`` turns the content hash into the record; by default with the folder's path.
    """
    folder = Path(setting).expanduser()
    if not setting.strip() or not folder.is_dir():
        raise DataError(f"{label}: no such folder. {_LAYOUT}.")
    documents = _json_files(folder, label)
    beside = sorted(path for path in documents[0].parent.iterdir() if path.is_file())
    key = (label, *((str(path), *files.file_stamp(path)) for path in beside))
    if key not in _resolved:
        identify = identify or (lambda sha256: {"source": "folder", "path": str(folder.resolve()), "sha256": sha256})
        _resolved[key] = _source_of_documents(documents, label, identify)
    return _resolved[key]


def _source_of_documents(documents: list[Path], label: str, identify: Callable[[str], dict[str, Any]]) -> Source:
    asked = [entry for document in documents for entry in _entries(document, label)]
    if not asked:
        raise DataError(f"{label}: none of {len(documents)} JSON files asks a question. {_LAYOUT}.")
    _report_oddities(documents, asked, label)
    images = sorted({image for image, _, _ in asked})
    digest = hashlib.sha256(
        "\n".join([str(_TABLE_VERSION), *files.content_hashes(documents + images)]).encode()
    ).hexdigest()
    kept = files.cache_dir() / COGNITION / f"{_TABLE_VERSION}-{digest[:16]}"
    try:
        table = files.write_verified_file(kept, f"{tables.SPLIT}.parquet", lambda path: _write_table(path, asked))
    except files.ChangedFileError as error:
        raise DataError(f"{label}: {error}.") from error
    identity = identify(digest)
    return source.folder_source(str(table.parent), label, lambda _: identity)


def _json_files(folder: Path, label: str) -> list[Path]:
    """The questions' files: of the only split, or of the benchmark's; the folder may be named at any level."""
    root = folder / COGNITION if (folder / COGNITION).is_dir() else folder
    found = sorted(root.glob("*.json")) or sorted((root / tables.SPLIT).glob("*.json"))
    if not found:
        splits = sorted({path.parent for path in root.glob("*/*.json")})
        if len(splits) > 1:
            raise DataError(
                f"{label}: contains several splits: {', '.join(split.name for split in splits)}, and none called {tables.SPLIT}. Name the folder of one."
            )
        found = sorted(splits[0].glob("*.json")) if splits else []
    if not found:
        raise DataError(f"{label}: contains no JSON files. {_LAYOUT}.")
    return found


def _entries(document: Path, label: str) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """``(image, key, question)`` for each question of one JSON file."""
    place = f"{label}: {document.name}"
    try:
        content = json.loads(
            untrusted.read_regular_file(document).decode("utf-8"), object_pairs_hook=reject_duplicate_keys
        )
        image, questions = (
            document.parent / content["metadata"]["name"],
            content["custom_metadata"]["questions"].items(),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{place}: {type(error).__name__}: {error}. {_LAYOUT}.") from error
    if not _is_text(image.name) or image.parent != document.parent or not image.is_file():
        raise DataError(
            f"{place}: metadata.name is {content['metadata']['name']!r}; expected an image file beside it in {document.parent}."
        )
    for key, question in questions:
        _check_question(question, f"{place}: custom_metadata.questions.{key}")
        yield image, key, question


def _report_oddities(documents: list[Path], asked: list[tuple[Path, str, dict[str, Any]]], label: str) -> None:
    """Warn of what may be a folder with parts missing or doubled."""
    texts = collections.Counter((image.read_bytes(), question["question"]) for image, _, question in asked)
    again = sum(texts.values()) - len(texts)
    if again:
        warn_once(f"{label}: {again} question(s) are there more than once about the same image and are counted again.")
    images = {image for image, _, _ in asked}
    neighbours = {path for path in documents[0].parent.iterdir() if path.suffix.lower() in _IMAGE_SUFFIXES}
    if neighbours - images:
        warn_once(
            f"{label}: no question is asked about {len(neighbours - images)} of {len(neighbours)} images, such as {min(neighbours - images).name}."
        )


def _check_question(question: Any, place: str) -> None:
    if not isinstance(question, dict):
        raise DataError(f"{place}: expected an object, got {type(question).__name__}. {_LAYOUT}.")
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
            f"{place}.answer: expected one of the options {options!r}, there once; got {question['answer']!r}."
        )


def _is_text(value: Any) -> bool:
    """Whether ``value`` is text with something in it; JSON can hold halves of characters, which are none."""
    return (
        isinstance(value, str)
        and value.strip() != ""
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )


def _write_table(path: Path, asked: list[tuple[Path, str, dict[str, Any]]]) -> None:
    """One row per question, in the columns that the release has for questions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(image, question) for image, _, question in asked]
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    asked_type = pa.struct(
        [
            ("question", pa.string()),
            ("options", pa.list_(pa.string())),
            ("answer", pa.string()),
            ("answer_idx", pa.int64()),
        ]
    )
    caption_type = pa.struct([("options", pa.list_(pa.string())), ("answer_idx", pa.int64())])
    columns = [
        ("image_id", pa.string()),
        ("image", image),
        ("dataset", pa.string()),
        ("stain", pa.string()),
        ("questions", pa.struct([(COGNITION, asked_type)])),
        ("captions", pa.struct([(caption_key(COGNITION), caption_type)])),
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(columns)), path)


def _row(image: Path, question: dict[str, Any]) -> dict[str, Any]:
    answer_idx = question["options"].index(question["answer"])
    captions = [f"{question['question']} {option}" for option in question["options"]]
    return {
        "image_id": image.name,
        "image": {"bytes": image.read_bytes(), "path": None},
        "dataset": COGNITION,
        "stain": None,
        "questions": {
            COGNITION: {name: question[name] for name in ("question", "options", "answer")} | {"answer_idx": answer_idx}
        },
        "captions": {caption_key(COGNITION): {"options": captions, "answer_idx": answer_idx}},
    }
