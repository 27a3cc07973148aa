"""Files that the plugin keeps for the user: where, and how they are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def cache_dir() -> Path:
    """The user's cache folder for Micro-Bench (``XDG_CACHE_HOME`` is honoured on Linux)."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("microbench"))


def write_dir_atomically(target: Path, fill: Callable[[Path], None]) -> Path:
    """Let ``fill`` write into a new folder that then appears as ``target`` in one step.

    A kill half-way leaves no ``target``; of several processes at once the first one wins
    and the others' folders are dropped, so the contents must depend on the name alone.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        fill(draft)
        draft.chmod(0o755)
        draft.rename(target)
    except OSError:
        # Renaming onto a filled folder fails: another process was first.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


class ChangedFileError(ValueError):
    """Report a cached file whose content has changed since it was written."""


def write_verified_file(target: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Write the file ``name`` in the folder ``target`` once, with ``write``, and verify it at each use.

    Raises:
        ChangedFileError: the file is not what was written.
    """

    def fill(draft: Path) -> None:
        write(draft / name)
        (draft / f"{name}.sha256").write_text(sha256(draft / name))

    table = write_dir_atomically(target, fill) / name
    stated = table.with_name(f"{name}.sha256")
    if not table.is_file() or not stated.is_file() or content_hashes([table]) != [stated.read_text()]:
        raise ChangedFileError(f"{target} has been changed since it was written. Delete that folder and run again")
    return table


def write_dir(target: Path, contents: Mapping[str, bytes]) -> Path:
    """Publish a folder with the given files (relative name to content); see `write_dir_atomically`."""

    def fill(draft: Path) -> None:
        for name, content in contents.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)

    return write_dir_atomically(target, fill)


def write_file(target: Path, content: bytes) -> None:
    """Write ``target`` in one step, readable as any new file: readers see the old content or the new, never a part."""
    write_files({target: content})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write each file in one step, and none unless there is room for all; what fails leaves nothing, nor a new folder."""
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
        for folder in created:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def why_unwritable(folder: Path) -> str:
    """Why nothing can be made in a folder (or, if it is not there, in the nearest one above it); nothing if something can.

    Found by trying: what permissions say is not the whole truth.
    """
    nearest = next(above for above in (folder.absolute(), *folder.absolute().parents) if above.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".microbench-", dir=nearest):
            return ""
    except OSError as error:
        return f"nothing can be written in {nearest} ({error.strerror})"


def content_hashes(paths: list[Path]) -> list[str]:
    """SHA-256 of each file; those of files unchanged in size and in times of content and inode are remembered."""
    memory = cache_dir() / "hashes" / f"{hashlib.sha256(str(paths[0].parent).encode()).hexdigest()[:16]}.json"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    stamps = {str(path): file_stamp(path) for path in paths}
    fresh = {
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
    # The last cannot be set back, as copying tools do with the second.
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def sha256(path: Path) -> str:
    """Of a file's content, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
