"""Read a folder with one folder per class, and in it, if there are groups, one folder per group."""

from __future__ import annotations

import functools
from pathlib import Path, PurePosixPath

from microbench_tasks.data.own_datasets import image_files
from microbench_tasks.data.own_datasets.entries import Collected, Entry, Labels
from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.util.errors import DataError

_SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})


def read(folder: Path, has_groups: bool, problems: Problems) -> Collected:
    """Return the images of ``folder``; the name of a folder in it is the class of all images in that folder.

    Args:
        folder: with one folder per class.
        has_groups: whether the folders in a class are groups, such as patients.
        problems: gets images without a class or group, and classes without images.

    Raises:
        DataError: there is no such folder, or its folders are splits.
    """
    files = image_files.find(folder, problems)
    if files.folders and {name.casefold() for name in files.folders} <= _SPLITS:
        raise DataError(
            f"--images {folder}: contains {', '.join(files.folders)}, which are splits and not classes. Name one of "
            f"them: --images {folder / files.folders[0]}."
        )
    entries = [
        entry for name, path in files.images.items() if (entry := _entry(name, path, has_groups, problems)) is not None
    ]
    with_images = {PurePosixPath(name).parts[0] for name in files.images}
    for name in files.folders:
        if name not in with_images:
            problems.add(
                f"{name}/", "a class without images. Remove the folder, or put TIFF, PNG or JPEG files into it"
            )
    return Collected("a folder per class", entries, None, [*files.notes(), *_inner_folders(files, has_groups)])


def _entry(name: str, path: Path, has_groups: bool, problems: Problems) -> Entry | None:
    class_name, *inner = PurePosixPath(name).parts
    if not inner:
        problems.add(name, "an image without a class. Move it into the folder of its class, or use --labels")
        return None
    if has_groups and len(inner) == 1:
        problems.add(
            name,
            f"an image without a group. With --groups, expected {class_name}/GROUP/{inner[0]}: "
            "the first folder is read as the class",
        )
        return None
    labels = Labels(class_name=class_name, group=inner[0] if has_groups else None)
    return Entry(name, functools.partial(image_files.load, path), labels)


def _inner_folders(files: image_files.ImageFiles, has_groups: bool) -> list[str]:
    inner = [name for name in files.images if len(PurePosixPath(name).parts) > 2]
    if has_groups or not inner:
        return []
    return [
        f"{len(inner)} image(s) are in folders within a class, such as {inner[0]}. If these folders are patients, "
        "slides or wells, type --groups patient (or slide, or well)"
    ]
