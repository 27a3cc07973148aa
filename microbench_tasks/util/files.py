"""Write files and folders atomically in the user's cache, and hash files once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


def cache_dir() -> Path:
    """Return the user's cache folder for Micro-Bench (on Linux ``XDG_CACHE_HOME`` moves it)."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("microbench"))


def write_dir_atomically(target: Path, fill: Callable[[Path], None], *, must_be_new: bool = False) -> Path:
    """Let ``fill`` write into a new folder that then appears as ``target`` in one step.

    An existing ``target`` is kept. If the process is killed, no ``target`` is left. If several processes write at
    once, the first one wins and the others' folders are deleted, so the contents must depend on the name alone.

    Args:
        target: the folder to write.
        fill: writes the contents into the folder that it is given.
        must_be_new: refuse a ``target`` that exists, also one that appears while ``fill`` writes.

    Returns:
        ``target``.

    Raises:
        FileExistsError: ``must_be_new``, and ``target`` exists.
    """
    if target.is_dir() and not must_be_new:
        return target
    created = [folder for folder in target.parents if not folder.exists()]
    try:
        _write_new_dir(target, fill, must_be_new)
    finally:
        # After a failure. Otherwise they contain the target.
        _remove_empty(created)
    return target


def _write_new_dir(target: Path, fill: Callable[[Path], None], must_be_new: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        fill(draft)
        draft.chmod(0o755)
        draft.rename(target)
    except OSError as error:
        # Renaming onto a filled folder fails: another process was first.
        if not target.is_dir():
            raise
        if must_be_new:
            raise FileExistsError(f"{target} has appeared meanwhile, and was left as it is") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class ChangedFileError(ValueError):
    """Report a cached file whose content has changed since it was written."""


def write_verified_file(target: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Write one file in a folder of its own once, and verify it by its hash at each use.

    Args:
        target: the folder.
        name: of the file.
        write: writes the file at the path that it is given.

    Returns:
        The path of the file.

    Raises:
        ChangedFileError: the file has changed since it was written.
    """

    def fill(draft: Path) -> None:
        write(draft / name)
        (draft / f"{name}.sha256").write_text(sha256(draft / name))

    table = write_dir_atomically(target, fill) / name
    expected = table.with_name(f"{name}.sha256")
    if not table.is_file() or not expected.is_file() or content_hashes([table]) != [expected.read_text()]:
        raise ChangedFileError(f"{target} has been changed since it was written. Delete that folder and run again")
    return table


def write_dir(target: Path, contents: Mapping[str, bytes]) -> Path:
    """Write a folder with the given files (relative path to content); see `write_dir_atomically`."""

    def fill(draft: Path) -> None:
        for name, content in contents.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)

    return write_dir_atomically(target, fill)


def existing_path(text: str) -> Path | None:
    """Return the file or folder that a user's text names, with ``~`` expanded; None if there is none that can be seen.

    Any text is allowed, also an empty one, one that is too long for a path, and ``~`` before an unknown user.
    """
    try:
        path = Path(text).expanduser()
        return path if text and path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def write_file(target: Path, content: bytes) -> None:
    """Write ``target`` in one step: readers see the old content or the new content, never a part.

    The file has the permissions of any new file.
    """
    write_files({target: content})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write each file in one step, and none unless there is space for all.

    A failure leaves the old files, and no new files or folders.
    """
    above = {folder for target in contents for folder in target.parents}
    created = sorted((folder for folder in above if not folder.exists()), reverse=True)
    drafts = {target.with_name(f".{target.name}-{uuid.uuid4().hex}"): target for target in contents}
    try:
        for draft, target in drafts.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(contents[target])
        for draft, target in drafts.items():
            os.replace(draft, target)
    except BaseException:
        for draft in drafts:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        _remove_empty(created)
        raise


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that are empty, the inner ones first."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def why_unwritable(folder: Path) -> str:
    """Return why nothing can be written in a folder, or an empty text if it can.

    For a folder that does not exist, the nearest folder above it counts. A temporary folder is created there, since
    permissions alone do not tell.
    """
    nearest = next(above for above in (folder.absolute(), *folder.absolute().parents) if above.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".microbench-", dir=nearest):
            return ""
    except OSError as error:
        return f"nothing can be written in {nearest} ({error.strerror})"


def content_hashes(paths: list[Path]) -> list[str]:
    """Return the SHA-256 of each file; a file is read again only if its size or times have changed."""
    memory = cache_dir() / "hashes" / f"{hashlib.sha256(str(paths[0].parent).encode()).hexdigest()[:16]}.json"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    stamps = {str(path): file_stamp(path) for path in paths}
    fresh: dict[str, dict[str, Any]] = {
        name: known[name] if known.get(name, {}).get("stamp") == now else {"stamp": now, "sha256": sha256(Path(name))}
        for name, now in stamps.items()
    }
    if fresh != known:
        # A cache that cannot be written costs time, not the run.
        with contextlib.suppress(OSError):
            write_file(memory, json.dumps(fresh).encode())
    return [fresh[str(path)]["sha256"] for path in paths]


def file_stamp(path: Path) -> list[int]:
    """Return a file's size and times, which change with its content."""
    # Copying tools set the time of modification back; the time of the last change of the inode cannot be set.
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
