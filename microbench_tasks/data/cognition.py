"""Resolve ``MICROBENCH_COGNITION``, the setting that says where the cognition questions are.

They are not in the public release. Set, the setting names a folder in the layout of the paper's evaluation code (see
`cognition_files`). Unset, they come with the data that ``MICROBENCH_DATASET`` names: the demo set and its copies have
them. If that is unset too, they come from a folder ``cognition`` of the release's repository on the Hub, should one
appear: as Arrow or Parquet files, or in the layout above.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from microbench_tasks.catalog import COGNITION, pinned_release, settings
from microbench_tasks.data import (
    cognition_files,
    cognition_table,
    dataset_setting,
    hub,
    micrographs,
    resolved_data,
    source_identity,
)
from microbench_tasks.data.cognition_files import LAYOUT
from microbench_tasks.data.micrographs import Identify
from microbench_tasks.data.resolved_data import ResolvedData
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

SETTING = settings.COGNITION
_NOT_PUBLIC = (
    f"The cognition questions are not in the public release. Set {SETTING} to a folder that contains them, or leave "
    f"microbench_cognition (and microbench_all) out. {LAYOUT}"
)


def resolve(download: bool = False) -> ResolvedData:
    """Return the cognition questions that the settings name now.

    Args:
        download: ask the Hub if the questions come from there; otherwise only its cache is searched.

    Raises:
        DataError: there are none, or they are not in the expected layout; says what to supply.
    """
    setting = os.environ.get(SETTING)
    images = os.environ.get(dataset_setting.SETTING)
    label = f"{dataset_setting.SETTING}={images}" if setting is None else f"{SETTING}={setting}"
    try:
        if setting is not None:
            return _resolve_folder(setting, label)
        return _resolve_on_hub(download) if images is None else _resolve_beside_images(images)
    # RuntimeError: a home folder (~) that does not exist.
    except (OSError, RuntimeError) as error:
        raise DataError(f"{label}: {str(error).rstrip('.')}. {dataset_setting.cache_hint()} {LAYOUT}.") from error


def _resolve_beside_images(images: str) -> ResolvedData:
    """Return the questions that come with the images of ``MICROBENCH_DATASET``."""
    label = f"{dataset_setting.SETTING}={images}, {COGNITION}"
    if images == dataset_setting.DEMO:
        return _resolve_folder(str(micrographs.demo_folder()), label, source_identity.demo_identity)
    folder = Path(images).expanduser()
    if not (folder / COGNITION).is_dir():
        problem = f"has no folder {COGNITION}" if images.strip() and folder.is_dir() else "no such folder"
        raise DataError(f"{dataset_setting.SETTING}={images}: {problem}. {_NOT_PUBLIC}.")
    return _resolve_folder(images, label)


def _resolve_on_hub(download: bool) -> ResolvedData:
    """Return the questions in the release's repository at its latest commit: no commit with questions is known yet."""
    snapshot = hub.snapshot(pinned_release.HUB_ID, f"{COGNITION}/**", download, _NOT_PUBLIC)
    folder, label = snapshot / COGNITION, f"{pinned_release.HUB_ID}, {COGNITION} (revision {snapshot.name[:8]})"
    if not folder.is_dir():
        raise DataError(
            f"{pinned_release.HUB_ID} (revision {snapshot.name[:8]}) has no folder {COGNITION!r}. {_NOT_PUBLIC}."
        )

    def identify(sha256: str) -> dict[str, Any]:
        return source_identity.hub_identity(COGNITION, snapshot.name) | {"sha256": sha256}

    resolve_layout = _resolve_folder if any(folder.rglob("*.json")) else micrographs.resolve_folder
    return resolve_layout(str(folder), label, identify)


def _resolve_folder(setting: str, label: str, identify: Identify | None = None) -> ResolvedData:
    """Resolve a folder with questions.

    Args:
        setting: the folder.
        label: names it in messages.
        identify: turns the content hash into the record for results files; by default with the folder's path.
    """
    folder = Path(setting).expanduser()
    if not setting.strip() or not folder.is_dir():
        raise DataError(f"{label}: no such folder. {LAYOUT}.")
    place = folder.resolve()
    return resolved_data.resolve_once(
        label,
        place,
        watched=lambda: [place, *cognition_files.questions_root(place).rglob("*")],
        resolve=lambda: _read_folder(folder, label, identify),
    )


def _read_folder(folder: Path, label: str, identify: Identify | None) -> ResolvedData:
    documents = cognition_files.json_files(folder, label)
    questions = cognition_files.read_questions(documents, label)
    for remark in cognition_files.remarks(questions, label):
        warn_once(remark)
    images = sorted({question.image for question in questions})
    sha256 = cognition_table.content_sha256([*documents, *images])
    table = cognition_table.write_once(questions, sha256, label)
    record = identify or micrographs.identify_folder(
        folder.resolve(), [*documents, *images], lambda content: {"sha256": content}
    )
    return micrographs.read_files(label, [table], lambda _: record(sha256))
