"""Find secrets and local paths in the files of a submission before they are written.

Messages name the place, never the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from microbench_tasks.submissions.manifest_file import MANIFEST
from microbench_tasks.submissions.sample_files import FOLDER as SAMPLES_FOLDER
from microbench_tasks.util import privacy


def find_manifest_leaks(content: Mapping[str, Any]) -> Iterator[str]:
    """Report each secret and local path in the content of a manifest, by field."""
    for field, text in _fields(content):
        yield from (f"{MANIFEST}, {field}: contains {kind}." for kind in _find_in_metadata(text))


def find_text_leaks(texts: Mapping[str, str]) -> Iterator[str]:
    """Report each secret and local path in text files, by line; ``texts`` maps names to contents."""
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{name}, line {number}: contains {kind}." for kind in _find_in_metadata(line))


def find_sample_leaks(samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Report each secret and personal path in the samples of each task, by line and field."""
    for task, rows in samples.items():
        # All texts at once first: for a hundred thousand samples this takes seconds instead of minutes.
        if not _find_in_answers("\n".join(text for row in rows for _, text in _fields(row))):
            continue
        for number, row in enumerate(rows, start=1):
            yield from (
                f"{SAMPLES_FOLDER}/{task}.jsonl.gz, line {number}, {field}: contains {kind}."
                for field, text in _fields(row)
                for kind in _find_in_answers(text)
            )


def _find_in_answers(text: str) -> list[str]:
    """Return the kinds of secrets and personal paths in a text of the data or of a model."""
    return list(
        dict.fromkeys([*privacy.find_secrets(text), *privacy.find_personal_paths(text, privacy.user_folders())])
    )


def _find_in_metadata(text: str) -> list[str]:
    """Return the kinds of secrets and paths in metadata, which never need a path."""
    strict = [*privacy.find_local_paths(text), *privacy.find_url_secrets(text)]
    return list(dict.fromkeys([*_find_in_answers(text), *strict]))


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield ``(field, text)`` for each text in a JSON value, keys included."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            field = f"{name}.{key}" if name else str(key)
            yield field, str(key)
            yield from _fields(entry, field)
    elif isinstance(value, (list, tuple)):
        for position, entry in enumerate(value):
            yield from _fields(entry, f"{name}[{position}]")
