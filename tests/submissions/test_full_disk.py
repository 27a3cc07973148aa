"""Claims about a disk that gets full while a submission or a leaderboard is written: the path is named, nothing stays.

The disk is full from the second file on: writing into it raises what the system does.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from microbench_tasks.cli import program


@pytest.fixture
def full_disk(monkeypatch, tmp_path):
    """Let only one file be written below the test's folder."""
    write, written = Path.write_bytes, []

    def write_bytes(path, content):
        if path.is_relative_to(tmp_path):
            if written:
                with path.open("wb"):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written.append(path)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    yield tmp_path
    assert written, "nothing was written, so the disk was not full"


@pytest.mark.parametrize("command", ["submit", "leaderboard"])
def test_a_full_disk_is_named_with_the_place_and_nothing_is_left(command, run, written, full_disk, monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", str(run.parent / "data"))
    out = full_disk / "new" / "out"
    arguments = {
        "submit": ["submit", str(run), "--model-name", "My CLIP"],
        "leaderboard": ["leaderboard", str(written.folder)],
    }[command]
    with pytest.raises(SystemExit) as left:
        program.main([*arguments, "--out", str(out)])
    assert left.value.code == (
        f"microbench: error: --out {out}: cannot be written (No space left on device). Name another place."
    )
    assert list(full_disk.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "is_of_out"),
    [
        ("/a/.out-x1y2/samples/file", True),
        ("/a/out/file", True),
        ("/a", True),
        ("/a/run/file", False),
        ("/b/out/file", False),
    ],
)
def test_only_files_of_the_output_are_taken_for_it(file, is_of_out):
    error = OSError(errno.ENOSPC, "No space left on device", file)
    said = program._message(error, Path("/a/out"))
    assert said.startswith("--out /a/out: cannot be written") == is_of_out
    assert is_of_out or file in said
