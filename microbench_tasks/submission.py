"""A run as a folder that can be published: its scores, every answer behind them, and what they were obtained with.

``submission.json`` (``submission_schema.json`` documents it) names every other file with its SHA-256:
``samples/<task>.jsonl.gz`` (the harness's own samples, reduced to what scoring them again needs), the card
``README.md``, and of the release ``.eval_results/microbench.yaml``; of other data a text that says so.
`microbench_tasks.verification` checks one.
"""

from __future__ import annotations

import datetime
import functools
import gzip
import hashlib
import json
import math
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microbench_tasks import catalog, eligibility, files, hub_formats, privacy, rescoring, source
from microbench_tasks.eligibility import Examination, Progress, Sample, silently
from microbench_tasks.markdown import plain
from microbench_tasks.rescoring import LoggedRun, Rescored
from microbench_tasks.schema import DataError, without_repeats

SCHEMA_VERSION = 1
MANIFEST = "submission.json"
CARD = "README.md"
EVAL_RESULTS = ".eval_results/microbench.yaml"
SAMPLES_FOLDER = "samples"
# Data other than the release show in the names of the files, too.
MARKS = {"demo": "DEMO-DATA.txt", "local": "LOCAL-DATA.txt"}

# No manifest has more; beyond, readers and writers of JSON fail.
_MOST_DIGITS, _MOST_LEVELS = 18, 64

UNKNOWN = "unknown"
_SEEDS = ("random", "numpy", "torch", "fewshot")
_PRECISION_ARGUMENTS = ("precision", "dtype", "torch_dtype")
# What of an item scoring the response again needs (see `rescoring`).
_SAMPLE_FIELDS = ("doc_id", "target", "filtered_resps", "score", "input")
_QUESTION_FIELDS = ("image_id", "dataset", "kind", "options", "gold")
_BOXES_FIELDS = ("image_id", "dataset", "kind", "expression", "width", "height", "boxes", "convention", "model_input_size")


@dataclass(frozen=True)
class Submission:
    """A submission whose files are those that it names: ``manifest`` is its ``submission.json``, ``rescored`` what its samples give."""

    folder: Path
    manifest: dict[str, Any]
    rescored: Rescored


@dataclass(frozen=True)
class Description:
    """What the submitter says: what the model is called, where it is described, and where the submission will lie."""

    model_name: str
    model_url: str | None = None
    samples_url: str | None = None


@dataclass(frozen=True)
class Written:
    """A submission that has been written, and what its author should know."""

    folder: Path
    manifest: Mapping[str, Any]
    notes: tuple[str, ...]


# --- reading -------------------------------------------------------------------------


def load(folder: Path) -> Submission:
    """Read a submission and score its samples again.

    Raises:
        DataError: it is not as the schema says, a file is not the one that it names, or its samples cannot be scored.
    """
    manifest = read_manifest(folder)
    problems = schema_problems(manifest) or file_problems(folder, manifest) + digest_problems(manifest)
    if problems:
        raise DataError(f"{folder}: " + " ".join(map(plain, problems)))
    return Submission(folder, manifest, rescoring.rescore(logged_run(folder, manifest)))


def read_manifest(folder: Path) -> dict[str, Any]:
    """What ``submission.json`` holds; raises `DataError` where it is missing or no JSON object."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder}: holds no {MANIFEST}. Name the folder that microbench submit wrote.")
    try:
        manifest = json.loads(path.read_bytes(), object_pairs_hook=without_repeats, parse_constant=_refused_number, parse_int=_integer, parse_float=_finite)
        _check_depth(manifest)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON, got {error}.") from error
    if not isinstance(manifest, dict):
        raise DataError(f"{path}: expected a JSON object, got {type(manifest).__name__}.")
    return manifest


def schema_problems(manifest: Mapping[str, Any]) -> list[str]:
    """Where a manifest is not as the schema says, by field."""
    found = sorted(_validator().iter_errors(manifest), key=lambda error: error.json_path)
    problems = [f"{MANIFEST}, {error.json_path.removeprefix('$.')}: {_shortened(error.message)}." for error in found]
    if problems:
        return problems
    unknown = [f"{MANIFEST}, num_samples: {task} is no task of Micro-Bench." for task in sorted(manifest["num_samples"].keys() - catalog.TASKS.keys())]
    # One source must not have two identities.
    sources = {task: found for task, found in manifest["data"]["sources"].items() if "is_release" in found}
    wrong = [task for task, found in sources.items() if found["is_release"] != (found["sha256"] == eligibility.release_sha256())]
    return unknown + [f"{MANIFEST}, data.sources.{task}: is_release is {str(sources[task]['is_release']).lower()}, which sha256 contradicts." for task in wrong]


def file_problems(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Files that are missing, are not the named ones, are not named, or are none of a submission's."""
    expected = {CARD, *(f"{SAMPLES_FOLDER}/{task}.jsonl.gz" for task in manifest["num_samples"])}
    expected |= {MARKS[manifest["data"]["kind"]]} if manifest["data"]["kind"] in MARKS else {EVAL_RESULTS} if hub_formats.are_for_the_hub(manifest) else set()
    named = manifest["files"]
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    problems = [f"{name} is not named in {MANIFEST} (files)." for name in sorted(expected - named.keys())]
    problems += [f"{name} is named in {MANIFEST} (files), but is none of this submission's." for name in sorted(named.keys() - expected)]
    problems += [f"{name} is not of this submission: {MANIFEST} (files) does not name it." for name in sorted(present.keys() - named.keys() - {MANIFEST}) if not _is_of_a_download(name)]
    problems += [f"{MANIFEST} is a link: expected the file itself."] if (folder / MANIFEST).is_symlink() else []
    for name, digest in named.items():
        if name not in present:
            problems.append(f"{name} is missing.")
        elif present[name].is_symlink() or not present[name].is_file():
            problems.append(f"{name} is a link or no file: expected the file itself.")
        elif hashlib.sha256(present[name].read_bytes()).hexdigest() != digest:
            problems.append(f"{name} has been changed: its SHA-256 is not the one in {MANIFEST} (files).")
    return problems


def _is_of_a_download(name: str) -> bool:
    return name in (".git", ".gitattributes") or name.startswith((".git/", ".cache/"))


def digest_problems(manifest: Mapping[str, Any]) -> list[str]:
    """Whether the manifest is not the one that its digest was made of."""
    return [] if manifest["digest"] == digest_of(manifest) else [f"{MANIFEST} has been changed: its digest is not that of its content."]


def digest_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's content in a form that does not depend on how the file is laid out."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def logged_run(folder: Path, manifest: Mapping[str, Any]) -> LoggedRun:
    """A submission as a run of the harness whose samples can be scored again, with the record that the manifest keeps of it."""
    versions, settings = manifest["versions"], manifest["settings"]
    common = {"version": versions["task"], "microbench_version": versions["microbench"], "interval": settings["interval"], "boxes": settings["boxes"]}
    record = {
        "configs": {task: {"metadata": common | {"dataset": manifest["data"]["sources"].get(task)}} for task in manifest["num_samples"]},
        "n-samples": {task: {"original": count, "effective": count} for task, count in manifest["num_samples"].items()},
        "results": {name: {f"{metric},none": value for metric, value in figures.items()} for name, figures in manifest["scores"].items()},
    }
    samples = {task: folder / SAMPLES_FOLDER / f"{task}.jsonl.gz" for task in catalog.TASKS if task in manifest["num_samples"]}
    return LoggedRun(manifest["run"]["name"], samples, folder / MANIFEST, record=record)


def _refused_number(name: str) -> None:
    raise ValueError(f"{name}, which is no number of JSON")


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


def _check_depth(manifest: Any) -> None:
    """What is nested deeper than any manifest makes writers of JSON and YAML fail."""
    level = [manifest]
    for _ in range(_MOST_LEVELS):
        level = [entry for value in level if isinstance(value, (dict, list)) for entry in (value.values() if isinstance(value, dict) else value)]
    if level:
        raise ValueError(f"more than {_MOST_LEVELS} levels of objects and lists")


@functools.cache
def _validator() -> Any:
    import jsonschema

    schema = json.loads(Path(__file__).with_name("submission_schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _shortened(text: str, length: int = 300) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


# --- writing -------------------------------------------------------------------------


def submit(run: LoggedRun, description: Description, target: Path, progress: Progress = silently) -> Written:
    """Write the submission of a run as the new folder ``target``, whole or not at all; ``progress`` wraps what takes long.

    Raises:
        DataError: ``target`` exists; the run cannot be a submission (all reasons are given); or a text holds a secret or a local path.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"{target} exists already. Name a folder that does not exist yet.")
    examination = eligibility.examine(run, progress)
    if examination.reasons:
        listed = "".join(f"\n  - {reason}" for reason in examination.reasons)
        raise DataError(f"{run.name} cannot be a submission, for {len(examination.reasons)} reason(s):{listed}")
    samples = {task: [_reduced(task, sample) for sample in found] for task, found in examination.samples.items()}
    manifest = _described(examination, description)
    texts = texts_of(manifest)
    contents = {name: text.encode() for name, text in texts.items()} | {f"{SAMPLES_FOLDER}/{task}.jsonl.gz": _compressed(found) for task, found in samples.items()}
    manifest |= {"files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}}
    manifest |= {"digest": digest_of(manifest)}
    # The schema's messages show values.
    _refuse([*_leaks(manifest, texts, samples)] or schema_problems(manifest))
    files.write_folder(target, contents | {MANIFEST: as_text(manifest).encode()})
    return Written(target, manifest, examination.notes)


def texts_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The texts that say what the manifest says, by file name."""
    kind = manifest["data"]["kind"]
    texts = {CARD: hub_formats.card(manifest)}
    if kind in MARKS:
        return texts | {MARKS[kind]: f"{hub_formats.warning(manifest)}\n"}
    entries = hub_formats.eval_results(manifest)
    return texts | ({EVAL_RESULTS: entries} if entries else {})


def as_text(manifest: Mapping[str, Any]) -> str:
    """A manifest as it stands in ``submission.json``."""
    return json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise DataError(f"nothing was written, for {len(problems)} reason(s):" + "".join(f"\n  - {problem}" for problem in problems))


def _reduced(task: str, sample: Sample) -> dict[str, Any]:
    metric, fields = ("grit", _BOXES_FIELDS) if catalog.TASKS[task].subject == "boxes" else ("acc", _QUESTION_FIELDS)
    return {name: sample[name] for name in _SAMPLE_FIELDS} | {metric: {name: sample[metric][name] for name in fields}}


def _compressed(samples: Iterable[Sample]) -> bytes:
    lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    # JSON can hold halves of characters, which UTF-8 cannot.
    return gzip.compress(lines.encode("utf-8", "surrogatepass"), mtime=0)


def _described(examination: Examination, description: Description) -> dict[str, Any]:
    """The manifest, but for the files and the digest."""
    run, rescored = examination.run, examination.rescored
    first = run.metadata(next(iter(run.samples)))
    boxes = next((record for task in run.samples if (record := run.metadata(task).get("boxes"))), None)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": _model(run, description),
        "data": {"kind": eligibility.kind_of_run(run), "sources": {task: source.without_path(run.metadata(task)["dataset"]) for task in run.samples}},
        "versions": _versions(first),
        "settings": {"interval": first["interval"], "boxes": boxes},
        "seeds": {name: (run.recorded().get("config") or {}).get(f"{name}_seed") for name in _SEEDS},
        "run": {"name": run.name, "date": _date(run.recorded())} | ({} if description.samples_url is None else {"samples_url": description.samples_url}),
        "num_samples": dict(rescored.num_samples),
        "num_in_total": {task: count for task, count in rescored.num_in_total.items() if catalog.TASKS[task].subject != "boxes"},
        "chance": dict(rescored.chance),
        "scores": {name: as_json(figures) for name, figures in rescored.scores.items()},
    }


def as_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as plain JSON values; what is no number (no question counts) is null."""
    return {metric: None if isinstance(value, float) and math.isnan(value) else dict(value) if isinstance(value, Mapping) else float(value) if isinstance(value, float) else value for metric, value in figures.items()}


def _model(run: LoggedRun, description: Description) -> dict[str, Any]:
    recorded = run.recorded()
    config, loaded = recorded.get("config") or {}, recorded.get("loaded_model")
    arguments = _cleaned(config.get("model_args") or "")
    return {
        "name": description.model_name,
        **({} if description.model_url is None else {"url": description.model_url}),
        "harness_model": str(config.get("model") or recorded.get("model_source") or UNKNOWN),
        "backend": str(config.get("model_backend") or UNKNOWN),
        "model_args": arguments,
        "loaded_model": _cleaned(loaded),
        "precision": _precision(loaded, arguments),
        "gen_kwargs": _cleaned(config.get("gen_kwargs")),
        "generation_kwargs": {task: _cleaned(recorded["configs"][task].get("generation_kwargs") or {}) for task in run.samples},
    }


def _cleaned(value: Any) -> Any:
    return privacy.without_paths(privacy.without_secrets(value))


def _precision(loaded: Mapping[str, Any] | None, arguments: Any) -> str:
    typed = arguments if isinstance(arguments, Mapping) else dict(part.partition("=")[::2] for part in arguments.split(","))
    return str((loaded or {}).get("precision") or next((typed[name] for name in _PRECISION_ARGUMENTS if typed.get(name)), UNKNOWN))


def _versions(metadata: Mapping[str, Any]) -> dict[str, Any]:
    # The run's alone: those of the machine that submits say nothing about it.
    recorded = metadata.get("packages") or {}
    packages = {name: str(recorded.get(name) or UNKNOWN) for name in source.PACKAGES}
    return {"microbench": metadata["microbench_version"], "task": metadata["version"], "lmms_eval": packages.pop("lmms-eval"), "packages": packages}


def _date(recorded: Mapping[str, Any]) -> str:
    """When the run started, in UTC; the harness writes it in a time zone that it records elsewhere."""
    zone = ((recorded.get("config") or {}).get("resolved_cli_args") or {}).get("timezone")
    try:
        started = datetime.datetime.strptime(recorded["date"], "%Y%m%d_%H%M%S").replace(tzinfo=zoneinfo.ZoneInfo(zone))
    # ZoneInfo raises a KeyError for a name that it does not know.
    except (KeyError, TypeError, ValueError):
        return UNKNOWN
    return started.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- what must not be in it ----------------------------------------------------------


def _leaks(manifest: Mapping[str, Any], texts: Mapping[str, str], samples: Mapping[str, Sequence[Sample]]) -> Iterator[str]:
    """Each secret and local path, by file and field."""
    folders = privacy.user_folders()

    def found(text: str, *, metadata: bool) -> list[str]:
        return list(dict.fromkeys([*privacy.secrets(text), *privacy.personal_paths(text, folders), *([*privacy.any_path(text), *privacy.url_secrets(text)] if metadata else ())]))

    for field, text in _fields(manifest):
        yield from (f"{MANIFEST}, {field}: holds {kind}." for kind in found(text, metadata=True))
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            yield from (f"{name}, line {number}: holds {kind}." for kind in found(line, metadata=True))
    for task, rows in samples.items():
        # All at once first: a hundred thousand samples take seconds instead of minutes.
        if found("\n".join(text for row in rows for _, text in _fields(row)), metadata=False):
            for number, row in enumerate(rows, start=1):
                yield from (f"{SAMPLES_FOLDER}/{task}.jsonl.gz, line {number}, {field}: holds {kind}." for field, text in _fields(row) for kind in found(text, metadata=False))


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
