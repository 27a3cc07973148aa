"""Write and check the samples of a submission in the one form that ``microbench submit`` writes."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import LETTERS, MIN_OPTIONS
from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.runs.sample_records import BoxSample, SampleRecord
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError

FOLDER = "samples"
# Larger integers are not exact in floating point.
_LARGEST_INTEGER = 2**53
# Largest number of problems that are reported for one file.
_MAX_REPORTED = 5

_Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_number(value: Any) -> bool:
    return abs(value) <= _LARGEST_INTEGER if type(value) is int else type(value) is float and math.isfinite(value)


def _is_score(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_side(value: Any) -> bool:
    return type(value) is int and value >= 1


def _are_options(value: Any) -> bool:
    return isinstance(value, list) and MIN_OPTIONS <= len(value) <= len(LETTERS) and all(map(_is_text, value))


def _are_boxes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)) for box in value
    )


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_side, value))


# The fields of a sample that scoring the response again needs (see `runs.sample_records`), each with a check of its
# value.
_SAMPLE: Mapping[str, _Check] = {
    "doc_id": _is_count,
    "target": _is_text,
    "filtered_resps": _is_text_or_null,
    "score": _is_score,
    "input": _is_text,
}
_ORIGIN: Mapping[str, _Check] = {"image_id": _is_text, "dataset": _is_text, "kind": _is_text}
_QUESTION: Mapping[str, _Check] = {
    **_ORIGIN,
    "options": _are_options,
    "gold": lambda value: isinstance(value, str) and len(value) == 1 and value in LETTERS,
}
_BOXES: Mapping[str, _Check] = {
    **_ORIGIN,
    "expression": _is_text,
    "width": _is_side,
    "height": _is_side,
    "boxes": _are_boxes,
    "convention": lambda value: isinstance(value, str) and value in CONVENTIONS,
    "model_input_size": _is_size,
}


def _item_fields(task: str) -> tuple[str, Mapping[str, _Check]]:
    metric, fields = ("grit", _BOXES) if catalog.task_of(task).subject == "boxes" else ("acc", _QUESTION)
    return metric, {**fields, "group": _is_text} if catalog.is_own(task) else fields


def reduce_sample(sample: SampleRecord) -> dict[str, Any]:
    """Return the fields of a logged sample that a submission contains."""
    fields = sample.model_dump(by_alias=True)
    metric = "grit" if isinstance(sample, BoxSample) else "acc"
    item = fields[metric]
    if item is not None and item["group"] is None:
        del item["group"]
    return {name: fields[name] for name in (*_SAMPLE, metric)}


def compress_samples(samples: Iterable[Mapping[str, Any]]) -> bytes:
    """Return samples as one gzip member of lines of JSON in UTF-8; the same samples give the same bytes."""
    return gzip.compress(b"".join(_line(sample) + b"\n" for sample in samples), mtime=0)


def _line(sample: Any) -> bytes:
    try:
        return json.dumps(sample, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        # JSON can contain surrogates, which UTF-8 cannot encode.
        return json.dumps(sample, allow_nan=False).encode()


def find_form_problems(path: Path, task: str) -> list[str]:
    """List the lines of a task's samples file that are not in the form that `compress_samples` writes."""
    try:
        content = untrusted.decompress_gzip(
            untrusted.read_regular_file(path, follow_links=False), untrusted.MAX_FILE_BYTES
        )
    except DataError as error:
        return [str(error)]
    except ValueError as error:
        return [f"{path.name}: cannot be decompressed ({error})."]
    if not content.endswith(b"\n"):
        return [f"{path.name}: its last line does not end with a line break."]
    lines = content[:-1].split(b"\n")
    problems = [
        f"{path.name}, line {number}: {problem}."
        for number, line in enumerate(lines, start=1)
        for problem in _line_problems(task, number - 1, line)
    ]
    return problems[:_MAX_REPORTED] + (
        [f"{path.name}: {len(problems) - _MAX_REPORTED} more like these."] if len(problems) > _MAX_REPORTED else []
    )


def _line_problems(task: str, doc_id: int, line: bytes) -> Iterator[str]:
    try:
        sample = json.loads(line.decode("utf-8"))
        # JSON that Python would write in the same way has one meaning only: no repeated keys, no invalid numbers.
        is_laid_out = line == _line(sample) or line == json.dumps(sample).encode()
        if not is_laid_out:
            untrusted.parse_json(line)
    except (ValueError, RecursionError):
        yield f"expected a sample as one line of JSON in UTF-8, got {_fault(line)}"
        return
    if not isinstance(sample, dict):
        yield f"expected a sample, got {type(sample).__name__}"
        return
    if not is_laid_out:
        yield "its layout is not that of microbench submit: other white space, numbers or escapes"
    if sample.get("doc_id") != doc_id:
        yield f"expected document {doc_id}, got {sample.get('doc_id')!r:.100}"
    metric, fields = _item_fields(task)
    yield from _field_problems(sample, {**_SAMPLE, metric: lambda item: isinstance(item, dict)}, "")
    if isinstance(sample.get(metric), dict):
        yield from _field_problems(sample[metric], fields, f"{metric}.")


def _fault(line: bytes) -> str:
    try:
        untrusted.parse_json(line)
    except ValueError as error:
        return str(error)
    return "a value that JSON cannot represent"


def _field_problems(values: Mapping[str, Any], fields: Mapping[str, _Check], prefix: str) -> Iterator[str]:
    yield from (f"{prefix}{name} is missing" for name in fields if name not in values)
    yield from (
        f"{prefix}{name}: unknown field. Leave it out: no check covers it" for name in values if name not in fields
    )
    yield from (
        f"{prefix}{name} is {values[name]!r:.100}, which is not a valid value"
        for name, is_right in fields.items()
        if name in values and not is_right(values[name])
    )
