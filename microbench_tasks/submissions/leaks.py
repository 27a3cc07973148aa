"""Find secrets and local paths in the files of a submission before they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from microbench_tasks.submissions.manifest_file import MANIFEST
from microbench_tasks.submissions.sample_files import FOLDER as SAMPLES_FOLDER
from microbench_tasks.util import privacy


def find_leaks(
    manifest: Mapping[str, Any], texts: Mapping[str, str], samples: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[str]:
    """Each secret and local path, by file and field."""
    folders = privacy.user_folders()

    def found(text: str, *, metadata: bool) -> list[str]:
        return list(
            dict.fromkeys(
                [
                    *privacy.find_secrets(text),
                    *privacy.find_personal_paths(text, folders),
                    *([*privacy.find_local_paths(text), *privacy.find_url_secrets(text)] if metadata else ()),
                ]
            )
        )

    for field, text in _fields(manifest):
        yield from (f"{MANIFEST}, {field}: holds {kind}." for kind in found(text, metadata=True))
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{name}, line {number}: holds {kind}." for kind in found(line, metadata=True))
    for task, rows in samples.items():
        # All at once first: a hundred thousand samples take seconds instead of minutes.
        if found("\n".join(text for row in rows for _, text in _fields(row)), metadata=False):
            for number, row in enumerate(rows, start=1):
                yield from (
                    f"{SAMPLES_FOLDER}/{task}.jsonl.gz, line {number}, {field}: holds {kind}."
                    for field, text in _fields(row)
                    for kind in found(text, metadata=False)
                )


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """``(field, text)`` of each text in a JSON value, keys too."""
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
