"""Check ``submission.json`` against its typed records, and for contradictions that these cannot express."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from microbench_tasks import catalog
from microbench_tasks.data import source_identity
from microbench_tasks.parsing.letters import strict_rule
from microbench_tasks.submissions.manifest_file import DATE_FORMAT, MANIFEST, UNKNOWN, find_precision
from microbench_tasks.submissions.manifest_model import Manifest, ManifestCore
from microbench_tasks.submissions.manifest_types import KEY_PATTERNS, MEANING_OF_PATTERN
from microbench_tasks.util import validation
from microbench_tasks.util.text_safety import printable
from microbench_tasks.util.validation import quote, shorten

# What manifests of earlier schema versions lack.
_OLDER_VERSIONS = {
    1: "has no record of the documents that were asked about (data.asked)",
    2: (
        "has bootstrap intervals for all scores, and neither the majority answer (majority) "
        "nor the numbers of images and datasets (counts)"
    ),
}
# The day on which the benchmark was published (arXiv 2407.01791): no run can be older.
FIRST_DAY = datetime.datetime(2024, 7, 1, tzinfo=datetime.UTC)
# Tolerance for wrong clocks and time zones.
_CLOCK_ERROR = datetime.timedelta(days=1)
_FIRST_VERSION = (0, 1, 0)
_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def find_schema_problems(content: Mapping[str, Any], records: type[ManifestCore] = Manifest) -> list[str]:
    """List the fields in which the content of a manifest violates the schema or contradicts itself.

    Args:
        content: of ``submission.json``.
        records: the typed records that it must fit.
    """
    version = content.get("schema_version")
    if type(version) is int and version in _OLDER_VERSIONS:
        return [
            f"{MANIFEST}, schema_version: {version} {_OLDER_VERSIONS[version]}. "
            "Run microbench submit again with this version on the folder of the run. "
            "If it refuses the run as one of an earlier version, repeat the run."
        ]
    try:
        manifest = records.model_validate(content)
    except ValidationError as error:
        problems = _describe_errors(error)
    else:
        problems = [*_find_unprintable(content), *_find_contradictions(manifest)]
    return [f"{MANIFEST}, {problem.rstrip('.')}." for problem in problems]


# --- errors of the records, in words --------------------------------------------------

_SOURCE_KINDS = frozenset({"hub", "folder", "demo", "own"})


def _describe_errors(error: ValidationError) -> list[str]:
    """Describe what is wrong, in the order of the fields' names."""
    problems = []
    errors_of_fields: dict[str, list[ErrorDetails]] = {}
    for entry in error.errors(include_url=False):
        place = entry["loc"]
        expected = f"Expected {validation.expectation(entry, MEANING_OF_PATTERN)}"
        if entry["type"] == "extra_forbidden":
            problems.append(f"{_field_prefix(place[:-1])}unknown field {quote(place[-1])}. Leave it out")
        elif place[-1] == "[key]":
            problems.append(f"{_field_prefix(place[:-2])}unknown field {quote(place[-2])}. {expected}")
        elif validation.pattern_of(entry) in KEY_PATTERNS:
            problems.append(f"{_field_prefix(place[:-1])}unknown field {quote(place[-1])}. {expected}")
        else:
            errors_of_fields.setdefault(_field_prefix(place), []).append(entry)
    problems += [
        f"{field}{validation.describe_value(errors, MEANING_OF_PATTERN)}" for field, errors in errors_of_fields.items()
    ]
    return sorted(problems)


def _field_prefix(place: tuple[int | str, ...]) -> str:
    """Return the place of an error, without the kind by which pydantic tells sources apart."""
    parts = list(place)
    if parts[:2] == ["data", "sources"] and parts[3:4] and parts[3] in _SOURCE_KINDS:
        del parts[3]
    return validation.field_prefix(parts)


# --- what the records cannot express ---------------------------------------------------


def _find_unprintable(value: Any, field: str = "") -> Iterator[str]:
    """Name each field with an invisible character or one that changes the direction of text."""
    if isinstance(value, str):
        if printable(value) != value:
            yield f"{field}: contains a character that does not print: {shorten(ascii(value))}"
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            if printable(key) != key:
                yield f"{field}: a key contains a character that does not print: {shorten(ascii(key))}"
            yield from _find_unprintable(entry, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for position, entry in enumerate(value):
            yield from _find_unprintable(entry, f"{field}[{position}]")


def _find_contradictions(manifest: ManifestCore) -> Iterator[str]:
    unknown = sorted(task for task in manifest.num_samples if not catalog.is_submittable(task))
    yield from (f"num_samples: {task} is not a task of Micro-Bench" for task in unknown)
    yield from _find_task_mismatches(manifest)
    yield from _find_identity_contradictions(manifest.data.sources.identities())
    yield from _find_own_contradictions(manifest.data.sources.identities())
    yield from _find_date_problems(manifest.run.date)
    yield from _find_version_problems(manifest.versions.microbench)
    model = manifest.model
    recorded = None if model.loaded_model is None else model.loaded_model.precision
    expected = find_precision(recorded, model.model_args)
    if model.precision != expected:
        yield f"model.precision: is {model.precision!r}, but loaded_model and model_args say {expected!r}"
    for name, figures in manifest.scores.items():
        kinds = sorted((figures.unparsed_by_kind or {}).keys() - set(strict_rule.KINDS))
        yield from (f"scores.{name}.unparsed_by_kind: {kind} is not a kind of answer" for kind in kinds)


def _find_task_mismatches(manifest: ManifestCore) -> Iterator[str]:
    """List tasks without an entry in a table by task, and entries of other tasks."""
    tasks = manifest.num_samples.keys()
    tables: dict[str, Mapping[str, Any]] = {
        "data.asked": manifest.data.asked,
        "model.generation_kwargs": manifest.model.generation_kwargs,
    }
    for field, table in tables.items():
        yield from (f"{field}: {task} is missing" for task in sorted(tasks - table.keys()))
        yield from (f"{field}: {task} has no samples" for task in sorted(table.keys() - tasks))
    asks_for_boxes = any(catalog.task_of(task).subject == "boxes" for task in tasks if catalog.is_task(task))
    if manifest.settings.boxes is not None and not asks_for_boxes:
        yield "settings.boxes: no task asked for boxes"


def _find_identity_contradictions(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    # One source must not have two identities.
    release = source_identity.release_sha256()
    for task, identity in sources.items():
        if "is_release" in identity and identity["is_release"] != (identity["sha256"] == release):
            yield f"data.sources.{task}: is_release is {str(identity['is_release']).lower()}, which sha256 contradicts"


def _find_own_contradictions(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """List tasks of own datasets with the data of another dataset, and other tasks with data of an own one."""
    for task, identity in sources.items():
        asked = catalog.find_task(task)
        if asked is None:
            continue
        expected = asked.datasets[0] if catalog.is_own(task) else None
        stated = identity.get("name") if identity["source"] == source_identity.OWN else None
        if stated != expected:
            yield f"data.sources.{task}: expected {expected or 'data of the benchmark'}, got {stated or 'other data'}"


def _find_date_problems(date: str) -> Iterator[str]:
    if date == UNKNOWN:
        return
    try:
        started = datetime.datetime.strptime(date, DATE_FORMAT).replace(tzinfo=datetime.UTC)
    except ValueError:
        yield f"run.date: {date} does not exist"
        return
    if started < FIRST_DAY:
        yield f"run.date: {date} is before the benchmark was published ({FIRST_DAY.date()})"
    if started > datetime.datetime.now(datetime.UTC) + _CLOCK_ERROR:
        yield f"run.date: {date} is in the future. Check the clocks"


def _find_version_problems(version: str) -> Iterator[str]:
    from importlib.metadata import version as installed_version

    own = installed_version("microbench-lmms")
    release, own_release = _RELEASE.fullmatch(version), _RELEASE.match(own)
    if release is None or tuple(map(int, release.groups())) < _FIRST_VERSION:
        yield f"versions.microbench: microbench-lmms has no version {version}"
    elif own_release and tuple(map(int, release.groups())) > tuple(map(int, own_release.groups())):
        advice = f"Check it with microbench-lmms {version}, if there is one"
        yield f"versions.microbench: {version} is newer than this version, {own}. {advice}"
