"""Record on disk what was asked of a model, and whether its results are complete.

Each model has a folder in ``--output_path``, with a file `RECORD` that is written in one step. A run with the same
plan skips models whose results are complete; a run with another plan never writes beside them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.catalog import settings
from microbench_tasks.data import source_identity, task_data
from microbench_tasks.harness import own_tasks
from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.runs import model_labels
from microbench_tasks.runs.result_keys import RESULTS_SUFFIX
from microbench_tasks.util import files, privacy
from microbench_tasks.util.errors import DataError

RECORD = "model.json"
# Folders for what an interrupted model has computed; removed when its results are complete.
EMBEDDINGS, ANSWERS = "embeddings", "answers"
# Model arguments that may name a checkpoint on disk.
_CHECKPOINTS = (*model_labels.CHECKPOINTS, "merge_with")
# Settings of the environment that change questions or scores, beside those that name the data.
_SETTINGS = (settings.BOXES, settings.INTERVAL, settings.SHRINK_IMAGES, settings.LOGPROBS)


@dataclass(frozen=True)
class Plan:
    """State all that the results of one model depend on.

    Attributes:
        model: as for ``lmms_eval --model``.
        model_args: as for ``lmms_eval --model_args``, without secrets.
        checkpoint: size and time of each file that ``model_args`` names.
        tasks: names of tasks and groups, without those that a larger one contains.
        options: of the harness, and settings of the environment.
        data: identity of the micrographs and of the cognition questions.
        task_version: of the benchmark's tasks.
    """

    model: str
    model_args: str
    checkpoint: Mapping[str, Any]
    tasks: Sequence[str]
    options: Mapping[str, str]
    data: Mapping[str, Any]
    task_version: float = catalog.TASK_VERSION

    def differences(self, earlier: Mapping[str, Any]) -> list[str]:
        """Describe in which parts an earlier plan, as JSON, differs from this one."""
        now = json.loads(json.dumps(asdict(self)))
        texts = []
        for part, value in now.items():
            if earlier.get(part) != value:
                if part in ("checkpoint", "data"):
                    what = {"checkpoint": "the checkpoint's files have", "data": "the data have"}[part]
                    texts.append(f"{what} changed ({', '.join(_changed_keys(earlier.get(part), value))})")
                else:
                    texts.append(f"{part} was {_shown(earlier.get(part))}, and is {_shown(value)}")
        return texts


@dataclass(frozen=True)
class Complete:
    """Describe complete results.

    Attributes:
        results: path of the results file in the model's folder.
        sizes: of all files of the run in bytes, by their paths in the model's folder.
        seconds: that the run took.
    """

    results: str
    sizes: Mapping[str, int]
    seconds: float

    @property
    def run(self) -> str:
        """Return the name of the run: the prefix of the names of its files."""
        return Path(self.results).name.removesuffix(RESULTS_SUFFIX)

    def is_intact(self, folder: Path) -> bool:
        """Tell whether all files are in the model's folder, with their sizes."""
        return all(_size(folder / name) == size for name, size in self.sizes.items())


@dataclass(frozen=True)
class ModelFolder:
    """The folder of one model in ``--output_path``."""

    path: Path
    plan: Mapping[str, Any] = field(default_factory=dict)
    complete: Complete | None = None

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read the record of a folder, which need not exist.

        Raises:
            DataError: the record is not one that this version writes.
        """
        try:
            content = json.loads((path / RECORD).read_text(encoding="utf-8"))
            complete = content["complete"]
            return cls(path, dict(content["plan"]), None if complete is None else Complete(**complete))
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path / RECORD}: cannot be read ({type(error).__name__}: {error}). "
                f"Delete the folder {path} to evaluate this model again, or choose another --output_path."
            ) from error

    def write(self, plan: Plan, complete: Complete | None) -> None:
        """Write the record in one step."""
        content = {"plan": asdict(plan), "complete": None if complete is None else asdict(complete)}
        files.write_file(self.path / RECORD, (json.dumps(content, indent=1) + "\n").encode())

    @property
    def is_done(self) -> bool:
        """Tell whether there are complete results with all of their files."""
        return self.complete is not None and self.complete.is_intact(self.path)

    def results_files(self) -> set[Path]:
        """Return the results files of all runs in the folder."""
        return set(self.path.rglob(f"*{RESULTS_SUFFIX}"))

    def refusal(self, plan: Plan) -> str:
        """Return why a run with this plan must not write here; empty if it may."""
        if not self.plan:
            others = [entry.name for entry in self.path.iterdir()] if self.path.is_dir() else []
            if not [name for name in others if not name.startswith(".")]:
                return ""
            what = "contains files of another command"
        elif not self.results_files() or not (differences := plan.differences(self.plan)):
            return ""
        else:
            what = f"has results of another run: {'; '.join(differences)}"
        return f"{self.path} {what}. Choose another --output_path, or delete that folder to evaluate the model again."


def completed_run(folder: Path, before: set[Path], seconds: float) -> Complete | None:
    """Describe the run that has written results to a model's folder.

    Args:
        folder: of the model.
        before: the results files that were there before.
        seconds: that the run took.

    Returns:
        The run; None if it wrote no results file.
    """
    new = sorted(set(folder.rglob(f"*{RESULTS_SUFFIX}")) - before)
    if not new:
        return None
    run = new[-1].name.removesuffix(RESULTS_SUFFIX)
    written = [new[-1], *sorted(new[-1].parent.glob(f"{run}_samples_*.jsonl"))]
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in written}
    return Complete(str(new[-1].relative_to(folder)), sizes, round(seconds, 1))


def make_plan(entry: Entry, tasks: Sequence[str], options: Mapping[str, str], data: Mapping[str, Any]) -> Plan:
    """Return the plan of an entry."""
    chosen = {name: value for name in _SETTINGS if (value := os.environ.get(name))}
    return Plan(
        model=entry.model,
        model_args=privacy.redact_secrets(entry.model_args),
        checkpoint=dict(_stamps(entry.model_args)),
        tasks=catalog.without_covered(list(tasks)),
        options=dict(options) | chosen,
        data=data,
    )


def data_identity(tasks: Sequence[str]) -> dict[str, Any]:
    """Return the identity of the data that the Micro-Bench tasks among ``tasks`` ask about, without their place."""
    task_of_source = {(task := catalog.task_of(name)).source: task for name in own_tasks.tasks_named(tasks)}
    return {
        source: source_identity.content_of(task_data.resolve(task).identity) for source, task in task_of_source.items()
    }


def _stamps(model_args: str) -> Iterator[tuple[str, list[int]]]:
    """Yield size and time of change of each checkpoint file that model arguments name, and of those in a folder."""
    from lmms_eval.utils import simple_parse_args_string

    for name, value in simple_parse_args_string(model_args).items():
        for part in str(value).strip("[]").split(",") if name in _CHECKPOINTS else ():
            # A checkpoint may have a prefix: local-dir:FOLDER or ARCHITECTURE:FILE.
            places = [files.existing_path(place) for place in (part, part.partition(":")[2])]
            for path in next((_files_at(place) for place in places if place is not None), []):
                status = path.stat()
                yield str(path), [status.st_size, status.st_mtime_ns]


def _files_at(place: Path) -> list[Path]:
    """Return a file, or the files of a folder and of its subfolders, such as that of a text tower."""
    if not place.is_dir():
        return [place]
    return sorted(path for pattern in ("*", "*/*") for path in place.glob(pattern) if path.is_file())


def _changed_keys(earlier: Any, now: Any) -> list[str]:
    before, after = earlier or {}, now or {}
    return [str(key) for key in sorted({*before, *after}) if before.get(key) != after.get(key)][:3]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={part}" for name, part in value.items()) or "none"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value if value != "" else "none")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
