"""Compare a copy of the release with the pinned one, file by file and task by task; or check an own dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import data_folder, micrographs, table_images
from microbench_tasks.data.own_datasets import setting
from microbench_tasks.data.resolved_data import ResolvedData
from microbench_tasks.harness import preflight
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError


@dataclass(frozen=True)
class Finding:
    """Say what was compared, and how it differs; ``problem`` is empty if it does not."""

    what: str
    problem: str = ""


def verify(folder: Path) -> Iterator[Finding]:
    """Check a folder of data completely, and compare it with the release unless it is an own dataset.

    Args:
        folder: a copy of the release, data in its columns, or a dataset of ``microbench new-dataset``.

    Raises:
        DataError: there are no data to check, files are missing, or a file cannot be read.
    """
    if setting.is_dataset(folder):
        yield from _verify_own(folder)
        return
    label = str(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Name the folder of a copy of the release.")
    yield from _compare_files(data_folder.data_files_of(folder, label, "name the folder of one"))
    data = micrographs.resolve_folder(str(folder), label)
    yield from _check_content(data, [task for task in catalog.TASKS.values() if task.source == catalog.MICROGRAPHS])


def _verify_own(folder: Path) -> Iterator[Finding]:
    dataset = setting.dataset_at(folder)
    data = setting.read_dataset(dataset)
    yield Finding(f"{len(data.rows):,} rows and SHA-256 as the description says")
    yield from _check_content(data, dataset.tasks)


def _compare_files(data_files: list[Path]) -> Iterator[Finding]:
    """Compare the hashes of the files with the release's, in order."""
    expected = dict(zip(pinned_release.RELEASE_FILES, pinned_release.RELEASE_SHARDS, strict=True))
    if len(data_files) != len(expected):
        yield Finding(
            "SHA-256 of the files",
            f"expected the release's {len(expected)} Arrow files, found {len(data_files)} ({data_files[0].name}, …). "
            "Other files cannot be verified as a copy: a run records them as local data.",
        )
        return
    hashes = files.content_hashes(data_files)
    for file, (name, sha256), found in zip(data_files, expected.items(), hashes, strict=True):
        problem = f"expected {sha256[:16]}… as {name} has, got {found[:16]}…. Download this file again."
        yield Finding(f"SHA-256 of {file.name}", "" if found == sha256 else problem)


def _check_content(data: ResolvedData, tasks: list[catalog.Task]) -> Iterator[Finding]:
    """Check every row and image, and the numbers of questions and rows."""
    counts: dict[str, int] = {}
    for task in tasks:
        try:
            counts[task.name] = len(data.documents(task))
        except DataError as error:
            yield Finding(f"rows of {task.name}", str(error))
        else:
            yield Finding(f"rows of {task.name}: {counts[task.name]:,} questions")
    try:
        table_images.check_images(data.rows.data.table, data.label)
    except DataError as error:
        yield Finding("images", str(error))
    else:
        yield Finding(f"images: all {len(data.rows):,} readable")
    if not all(catalog.is_own(name) for name in counts):
        differences = preflight.count_differences(data, counts)
        yield Finding("numbers of questions and rows, where public", "; ".join(differences))
