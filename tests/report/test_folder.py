"""Claims about the folder of a report: nothing of the user's is overwritten."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from microbench_tasks.render import plots
from microbench_tasks.report import (
    writing,
)
from microbench_tasks.report.sections import ReportSection
from microbench_tasks.util.errors import DataError
from tests.support.report_runs import (
    ALL_IN_ONE,
)


def test_an_earlier_report_is_replaced(briefest, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    writing.write([briefest], out, 1, 0, ALL_IN_ONE)
    (out / "report.html").unlink()
    assert any((out / "pictures").glob("example-*"))
    writing.write([briefest], out, 0, 0, ALL_IN_ONE)
    assert (out / "report.html").is_file() and not any((out / "pictures").glob("example-*"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _save_unless_killed(spec, folder):
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return spec.name.encode()


def test_a_drawing_process_that_is_killed_leaves_its_plots_to_this_one(tmp_path, monkeypatch):
    """Linux kills a process if memory is short."""
    shown = []
    monkeypatch.setattr(writing, "_save", _save_unless_killed)
    monkeypatch.setattr(writing, "_figure_specs", lambda sections: [SimpleNamespace(name=name) for name in "abc"])
    monkeypatch.setattr(writing, "_page_part", lambda part, drawn: shown.append(dict(drawn)))
    writing._draw(tmp_path, [ReportSection("title", ["part"])], ALL_IN_ONE)
    assert shown == [{"a": b"a", "b": b"b", "c": b"c"}]


@pytest.fixture(scope="module")
def earlier(briefest, folder):
    return writing.write([briefest], folder / "earlier", 0, 0, ALL_IN_ONE).folder


def changed_record(path):
    path.write_text(path.read_text().replace('"left_out": [', '"left_out": ["mine", ', 1))


@pytest.mark.parametrize(
    ("name", "add"),
    [
        ("my notes.txt", lambda path: path.write_text("mine")),
        ("pictures/my_own.png", lambda path: path.write_bytes(b"mine")),
        ("pictures/d.png", lambda path: path.mkdir()),
        ("folder", lambda path: path.mkdir()),
        ("pictures/link.png", lambda path: path.symlink_to("/dev/null")),
        ("report.html", lambda path: path.write_text(path.read_text() + "my notes")),
        ("report.json", changed_record),
    ],
)
def test_a_report_with_anything_of_the_users_own_is_left_alone_and_said_before_any_work(name, add, earlier, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(earlier, out)
    add(out / name)
    before = sorted(out.rglob("*"))
    with pytest.raises(DataError, match=f"exists and .*{re.escape(name)}.*Nothing is overwritten"):
        writing.write([tmp_path / "no such run"], out, 0, 0, ALL_IN_ONE)
    assert sorted(out.rglob("*")) == before


def test_what_comes_while_a_report_is_drawn_is_not_deleted(briefest, earlier, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(earlier, out)

    def progress(items, what):
        (out / "mine.txt").write_text("mine")
        return items

    with pytest.raises(DataError, match="contains mine.txt"):
        writing.write([briefest], out, 0, 0, progress)
    assert (out / "mine.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def taken(folder):
    (folder / "taken").write_text("mine")
    return folder / "taken"


def linked(folder):
    (folder / "empty").mkdir()
    (folder / "out").symlink_to("empty")
    return folder / "out"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (linked, "out: is a link"),
        (lambda folder: Path("."), r"--out .: is the current folder, or one that contains it"),
        (lambda folder: Path("new/.."), r"--out new/..: is the current folder, or one that contains it"),
        (lambda folder: Path(".."), r"--out ..: is the current folder, or one that contains it"),
        (lambda folder: Path("/proc/x/y"), "--out /proc/x/y: nothing can be written in /proc "),
        (lambda folder: taken(folder) / "out", "nothing can be written in .*taken"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(out, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        writing.write([tmp_path / "no such run"], out(tmp_path), 0, 0, ALL_IN_ONE)


def test_a_folder_that_is_no_report_is_refused_before_any_work(tmp_path):
    (tmp_path / "report.json").write_text('{"made_by": "someone else"}')
    with pytest.raises(DataError, match="contains no report.json of a report"):
        writing.write([tmp_path / "no such run"], tmp_path, 0, 0, ALL_IN_ONE)


def test_a_report_that_fails_half_way_leaves_the_earlier_one(briefest, tmp_path, monkeypatch):
    out = writing.write([briefest], tmp_path / "out", 0, 0, ALL_IN_ONE).folder
    before = (out / "report.html").read_bytes()
    monkeypatch.setattr(plots, "letters", lambda **arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        writing.write([briefest], out, 0, 0, ALL_IN_ONE)
    assert (out / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_negative_number_of_examples_is_refused(tmp_path):
    with pytest.raises(DataError, match="--examples -1: expected 0 or more"):
        writing.write([], tmp_path / "out", -1, 0, ALL_IN_ONE)
