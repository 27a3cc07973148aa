"""Check ``submission.json`` against its schema, and for contradictions that a schema cannot express."""

from __future__ import annotations

import datetime
import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.data import source_identity
from microbench_tasks.parsing.letters import strict_rule
from microbench_tasks.submissions.manifest_file import DATE_FORMAT, MANIFEST, UNKNOWN, find_precision
from microbench_tasks.util.text_safety import printable

# Of earlier versions, what a manifest lacks.
_OLDER_VERSIONS = {
    1: "has no record of the documents that were asked about (data.asked)",
    2: (
        "has bootstrap intervals for all scores, and neither the majority answer (majority) "
        "nor the numbers of images and datasets (counts)"
    ),
}

# The day on which the benchmark was published (arXiv 2407.01791): no run can be older.
FIRST_DAY = datetime.datetime(2024, 7, 1, tzinfo=datetime.UTC)

# Clocks and time zones go wrong.
_CLOCK_ERROR = datetime.timedelta(days=1)

_LONGEST_MESSAGE = 300

_FIRST_VERSION = (0, 1, 0)

_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def find_schema_problems(manifest: Mapping[str, Any]) -> list[str]:
    """List the fields in which a manifest violates the schema or contradicts itself."""
    version = manifest.get("schema_version")
    if type(version) is int and version in _OLDER_VERSIONS:
        return [
            f"{MANIFEST}, schema_version: {version} {_OLDER_VERSIONS[version]}. "
            "Run microbench submit again with this version on the folder of the run. "
            "If it refuses the run as one of an earlier version, repeat the run."
        ]
    errors = sorted(_validator().iter_errors(manifest), key=lambda error: error.json_path)
    problems = [f"{error.json_path.removeprefix('$.')}: {_shortened(error.message)}" for error in errors]
    problems = problems or [*_unprintable(manifest), *_contradictions(manifest)]
    return [f"{MANIFEST}, {problem.rstrip('.')}." for problem in problems]


@functools.cache
def read_schema() -> dict[str, Any]:
    """Read the JSON schema of the manifest."""
    return json.loads(Path(__file__).with_name("submission_schema.json").read_text(encoding="utf-8"))


@functools.cache
def _validator() -> Any:
    import jsonschema

    # JSON schema counts 1.0 as an integer, too.
    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)(read_schema())


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _unprintable(value: Any, field: str = "") -> Iterator[str]:
    """Name each field with an invisible character or one that changes the direction of text."""
    if isinstance(value, str):
        if printable(value) != value:
            yield f"{field}: contains a character that does not print: {_shortened(ascii(value))}"
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            if printable(key) != key:
                yield f"{field}: a key contains a character that does not print: {_shortened(ascii(key))}"
            yield from _unprintable(entry, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for position, entry in enumerate(value):
            yield from _unprintable(entry, f"{field}[{position}]")


def _contradictions(manifest: Mapping[str, Any]) -> Iterator[str]:
    tasks = manifest["num_samples"]
    yield from (
        f"num_samples: {task} is not a task of Micro-Bench" for task in sorted(tasks.keys() - catalog.TASKS.keys())
    )
    yield from _task_contradictions(manifest)
    yield from _identity_contradictions(manifest["data"]["sources"])
    yield from _date_problems(manifest["run"]["date"])
    yield from _version_problems(manifest["versions"]["microbench"])
    stated, expected = (
        manifest["model"]["precision"],
        find_precision(manifest["model"]["loaded_model"], manifest["model"]["model_args"]),
    )
    if stated != expected:
        yield f"model.precision: is {stated!r}, but loaded_model and model_args say {expected!r}"
    for name, figures in manifest["scores"].items():
        kinds = sorted(figures.get("unparsed_by_kind", {}).keys() - set(strict_rule.KINDS))
        yield from (f"scores.{name}.unparsed_by_kind: {kind} is not a kind of answer" for kind in kinds)


def _task_contradictions(manifest: Mapping[str, Any]) -> Iterator[str]:
    """List tasks without an entry in a table by task, and entries of other tasks."""
    tasks = manifest["num_samples"]
    tables = {
        "data.asked": manifest["data"]["asked"],
        "model.generation_kwargs": manifest["model"]["generation_kwargs"],
    }
    for field, table in tables.items():
        yield from (f"{field}: {task} is missing" for task in sorted(tasks.keys() - table.keys()))
        yield from (f"{field}: {task} has no samples" for task in sorted(table.keys() - tasks.keys()))
    if manifest["settings"]["boxes"] is not None and not any(
        catalog.TASKS[task].subject == "boxes" for task in tasks if task in catalog.TASKS
    ):
        yield "settings.boxes: no task asked for boxes"


def _identity_contradictions(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    # One source must not have two identities.
    for task, identity in sources.items():
        if "is_release" in identity and identity["is_release"] != (
            identity["sha256"] == source_identity.release_sha256()
        ):
            yield f"data.sources.{task}: is_release is {str(identity['is_release']).lower()}, which sha256 contradicts"


def _date_problems(date: str) -> Iterator[str]:
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


def _version_problems(version: str) -> Iterator[str]:
    from importlib.metadata import version as installed_version

    own = installed_version("microbench-lmms")
    release, own_release = _RELEASE.fullmatch(version), _RELEASE.match(own)
    if release is None or tuple(map(int, release.groups())) < _FIRST_VERSION:
        yield f"versions.microbench: microbench-lmms has no version {version}"
    elif own_release and tuple(map(int, release.groups())) > tuple(map(int, own_release.groups())):
        advice = f"Check it with microbench-lmms {version}, if there is one"
        yield f"versions.microbench: {version} is newer than this version, {own}. {advice}"
