"""Find the image files of a folder, and read them."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from microbench_tasks.data.own_datasets.problems import Problems
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
# Images in formats that are not read. All other files are no images and are ignored.
_OTHER_IMAGES = re.compile(
    r"\.(avif|bmp|btf|czi|dcm|dng|gif|hei[cf]|ims|j2k|jp2|lif|lsm|mrc|mrxs|nd2|ndpi|nef|oib|oif|oir|qptiff|scn|stk|svs"
    r"|vms|vsi|webp|zvi)",
    re.IGNORECASE,
)
# Files and folders that operating systems write, besides those whose names begin with a dot.
_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir"})


@dataclass
class ImageFiles:
    """The files of a folder.

    Attributes:
        folder: where they are.
        images: path of each image file by its name: relative to ``folder``, with slashes, in Unicode form NFC.
        folders: names of the folders directly in ``folder``.
        ignored: names of hidden files and files of operating systems.
        others: names of files that are no images.
    """

    folder: Path
    images: dict[str, Path] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Describe which files were ignored."""
        return [
            f"{len(names)} {what} ignored, such as {names[0]}"
            for names, what in (
                (self.ignored, "hidden file(s) or file(s) of the operating system"),
                (self.others, "file(s) that are no images"),
            )
            if names
        ]

    def suggestion(self, name: str) -> str:
        """Return a sentence for the message that no image is called ``name``."""
        close = next((self._by_key[key] for key in _keys(name) if key in self._by_key), None)
        if close is not None:
            return f" Did you mean {close}?"
        if name in self.others:
            return f" That file is no image: expected {', '.join(ENDINGS)}."
        return " Correct the name, or add the file."

    @functools.cached_property
    def _by_key(self) -> dict[str, str]:
        return {key: name for name in self.images for key in _keys(name)}


def _keys(name: str) -> tuple[str, str, str]:
    """Return keys that names of the same file share although they are typed differently."""
    path = PurePosixPath("".join(name.casefold().split()))
    return str(path), path.name, path.stem


def find(folder: Path, problems: Problems) -> ImageFiles:
    """Find all image files in ``folder`` and the folders in it.

    Links that lead out of the folder, and images of other formats, are added to ``problems``.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        reason = "is a file. Unpack it, or name the folder" if folder.exists() else "no such folder"
        raise DataError(f"--images {folder}: {reason}.")
    found = ImageFiles(folder)
    root = folder.resolve()
    for parent, folders, names in os.walk(folder, onerror=lambda error: _unreadable(error, problems)):
        folders[:] = sorted(name for name in folders if _enters(Path(parent) / name, found, problems))
        if Path(parent) == folder:
            found.folders = [normalized(name) for name in folders]
        for name in sorted(names):
            _sort_in(Path(parent) / name, root, found, problems)
    return found


def normalized(name: str) -> str:
    """Return a name in Unicode form NFC. macOS stores names of files in another form."""
    return unicodedata.normalize("NFC", name)


def load(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file of at most ``max_bytes`` bytes.

    Raises:
        ValueError: there is none.
    """
    try:
        return untrusted.read_regular_file(path, max_bytes)
    except DataError as error:
        raise ValueError(str(error).removeprefix(f"{path}: ").rstrip(".")) from error


def check_unlisted(
    files: ImageFiles, listed: Collection[str], source: Path, only_listed: bool, problems: Problems
) -> list[str]:
    """Refuse images that ``source`` does not list; with ``only_listed`` return a note about them instead."""
    unlisted = [name for name in files.images if name not in listed]
    if only_listed:
        return [f"{len(unlisted)} image(s) not in {source.name} left out, such as {unlisted[0]}"] if unlisted else []
    for name in unlisted:
        problems.add(name, f"is not in {source.name}. Add it there, or type --only-listed to leave such images out")
    return []


def _unreadable(error: OSError, problems: Problems) -> None:
    problems.add(str(error.filename), f"cannot be opened ({error.strerror}). Give yourself the right to read it")


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _OF_SYSTEMS


def _enters(path: Path, found: ImageFiles, problems: Problems) -> bool:
    """Tell whether to look into a folder."""
    if _is_of_system(path.name):
        found.ignored.append(_name(path, found))
        return False
    if path.is_symlink():
        problems.add(_name(path, found), "is a link to a folder. Put a copy of that folder in its place")
        return False
    return True


def _sort_in(path: Path, root: Path, found: ImageFiles, problems: Problems) -> None:
    name = _name(path, found)
    if _is_of_system(path.name):
        found.ignored.append(name)
    elif _OTHER_IMAGES.fullmatch(path.suffix):
        problems.add(
            name, f"{path.suffix} files are not read. Export the image as TIFF, PNG or JPEG, or remove the file"
        )
    elif path.suffix.lower() not in ENDINGS:
        found.others.append(name)
    elif path.is_symlink() and not path.exists():
        problems.add(name, "is a link to a file that does not exist. Put the image in its place, or remove the link")
    elif path.is_symlink() and not path.resolve().is_relative_to(root):
        problems.add(name, f"is a link that leads out of {root.name}. Put a copy of the image in its place")
    elif name in found.images:
        problems.add(name, "two files have this name in different Unicode forms. Rename one of them")
    else:
        found.images[name] = path


def _name(path: Path, found: ImageFiles) -> str:
    return normalized(path.relative_to(found.folder).as_posix())
