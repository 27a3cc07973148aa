"""Read the samples files of a run: the answers of a model, one on each line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from microbench_tasks.runs.sample_records import SampleRecord, sample_model
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.validation import field_problems

# Of the samples of one task; a compressed file may contain a thousand times its size.
_MAX_BYTES = untrusted.MAX_FILE_BYTES


def read_samples(file: Path, task: str) -> list[SampleRecord]:
    """Read the samples of a task, one for each line of a samples file, which may be compressed (``.gz``).

    Raises:
        DataError: the file is missing or empty, a line is not a sample of the task, or a document occurs twice. The
            message names the file, the line and the field.
    """
    model, lines = sample_model(task), _lines(file)
    if lines == [b""]:
        raise DataError(f"{file}: contains no samples.")
    line_of_document: dict[int, int] = {}
    samples: list[SampleRecord] = []
    for line, text in enumerate(lines, start=1):
        try:
            sample = _parse_sample(model, text)
        except DataError as error:
            raise DataError(
                f"{file}, line {line}: not a sample of {task} as this version logs it ({error})."
            ) from error
        if sample.doc_id in line_of_document:
            first = line_of_document[sample.doc_id]
            raise DataError(f"{file}, line {line}: document {sample.doc_id} is there already, on line {first}.")
        line_of_document[sample.doc_id] = line
        samples.append(sample)
    return samples


def _parse_sample(model: type[SampleRecord], text: bytes) -> SampleRecord:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        # Python also accepts unpaired surrogates, which it writes, and its errors are clearer.
        return _parse_unusual_sample(model, text)


def _parse_unusual_sample(model: type[SampleRecord], text: bytes) -> SampleRecord:
    try:
        return model.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise DataError("incomplete JSON; if the run was killed while it wrote, run it again") from error
    except ValidationError as error:
        raise DataError(field_problems(error)[0]) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{type(error).__name__}: {error}") from error


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a samples file with all of their fields; `read_samples` has checked it before."""
    return [json.loads(text) for text in _lines(file)]


def _lines(file: Path) -> list[bytes]:
    # Not splitlines, which also breaks at characters that a response may contain.
    return _samples_content(file).rstrip(b"\n").split(b"\n")


def _samples_content(file: Path) -> bytes:
    """Read a samples file, decompressed if its name ends with ``.gz``; raise `DataError` if that is not possible."""
    content = untrusted.read_regular_file(file)
    if file.suffix != ".gz":
        return content
    try:
        return untrusted.decompress_gzip(content, _MAX_BYTES)
    except ValueError as error:
        raise DataError(f"{file}: cannot be decompressed ({error}). Copy it again.") from error
