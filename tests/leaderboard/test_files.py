"""Claims about the files of a leaderboard: written together, and never over the user's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from microbench_tasks.leaderboard import files
from microbench_tasks.util.errors import DataError
from tests.support.leaderboards import (
    board,
)


def test_files_are_written_for_readers_and_programs(tmp_path, three):
    written = files.write(board(three), tmp_path / "new" / "folder", with_paper=True)
    names = [
        "leaderboard.md",
        "leaderboard.csv",
        "leaderboard-pairs.csv",
        "leaderboard.tex",
        "leaderboard.html",
        "leaderboard.json",
    ]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(names)


@pytest.fixture(scope="module")
def earlier(three, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    files.write(board(three), folder, with_paper=False)
    return folder


def test_an_earlier_leaderboard_is_written_over_and_other_files_stay(earlier, tmp_path, three):
    out = shutil.copytree(earlier, tmp_path / "out")
    (out / "notes.txt").write_text("mine")
    (out / "leaderboard.csv").unlink()
    files.write(board(three), out, with_paper=True)
    assert (out / "notes.txt").read_text() == "mine" and "GPT-4o" in (out / "leaderboard.csv").read_text()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("leaderboard.md", lambda path: path.write_text("mine")),
        ("leaderboard.html", lambda path: path.unlink() or path.mkdir()),
        ("leaderboard.csv", lambda path: path.unlink() or path.symlink_to("elsewhere")),
        (
            "leaderboard.json",
            lambda path: path.write_text(path.read_text().replace('"notes": []', '"notes": ["mine"]')),
        ),
        ("leaderboard.json", lambda path: path.write_text("[" * 100_000)),
        (
            "leaderboard.md",
            lambda path: [other.unlink() for other in path.parent.iterdir()] and path.write_text("mine"),
        ),
    ],
)
def test_a_file_that_no_leaderboard_wrote_is_not_written_over_and_no_other_is_written(
    name, damage, earlier, tmp_path, three
):
    out = shutil.copytree(earlier, tmp_path / "out")
    damage(out / name)
    before = {path: path.read_bytes() if path.is_file() else None for path in out.iterdir()}
    with pytest.raises(DataError, match=f"{name}: exists, and is not an unchanged file of an earlier leaderboard"):
        files.write(board(three), out, with_paper=True)
    assert {path: path.read_bytes() if path.is_file() else None for path in out.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_refused():
    with pytest.raises(DataError, match="/proc/x/y: nothing can be written in /proc "):
        files.check_folder(Path("/proc/x/y"))


def test_a_file_is_no_folder_to_write_to(tmp_path, three):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(DataError, match="taken is a file"):
        files.write(board(three), tmp_path / "taken", with_paper=False)
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_latex_file_has_a_table_for_each_ranking_with_a_cell_for_each_column(earlier):
    lines = (earlier / "leaderboard.tex").read_text().splitlines()
    ends = [number for number, line in enumerate(lines) if line == r"\end{tabular}"]
    begins = [number for number, line in enumerate(lines) if line.startswith(r"\begin{tabular}")]
    assert len(begins) == len(ends) == sum(line.startswith("## ") for line in _rankings(earlier))
    for begin, end in zip(begins, ends, strict=True):
        num_columns = len(lines[begin].rpartition("{")[2].rstrip("}"))
        rows = [line for line in lines[begin:end] if line.endswith(r" \\")]
        # The header and three models.
        assert len(rows) == 4 and all(row.count(" & ") == num_columns - 1 for row in rows)


def _rankings(folder):
    page = (folder / "leaderboard.md").read_text()
    return page[: page.index("## How to read this")].splitlines()
