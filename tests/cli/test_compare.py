"""Claims about the command ``microbench compare``."""

from __future__ import annotations

import csv
import json

import pytest

from microbench_tasks.cli import program
from tests.support.compared_runs import MODALITY, NAME, answered, write


@pytest.fixture
def folders(tmp_path):
    return [
        str(write(tmp_path / name, {MODALITY: answered(letters)}, name))
        for name, letters in (("one", "AAAB"), ("two", "ABBB"))
    ]


def refused(*arguments):
    with pytest.raises(SystemExit) as ended:
        program.main(["compare", *map(str, arguments)])
    return str(ended.value)


def test_it_prints_the_tables_and_writes_each_form_that_is_asked_for(folders, tmp_path, capsys):
    outs = [tmp_path / "new" / name for name in ("table.csv", "table.json", "table.tex")]
    options = [option for out in outs for option in ("--out", str(out))]
    program.main(["compare", *folders, *options, "--changes", str(tmp_path / "changes.csv")])
    printed = capsys.readouterr().out
    assert printed.startswith(f"A (reference): one, run {NAME}\nB: two, run {NAME}\n")
    assert f"| {MODALITY} | 4 | 4      | 75.00 | 25.00 | -50.00 [" in printed
    assert [row["difference"] for row in csv.DictReader(outs[0].open())] == ["-0.5", "-0.5"]
    assert json.loads(outs[1].read_text())["differences"][0]["num_worse"] == 2
    assert outs[2].read_text().endswith("\\bottomrule\n\\end{tabular}\n")
    assert len(list(csv.DictReader((tmp_path / "changes.csv").open()))) == 2


def test_runs_of_one_folder_are_compared_by_name(tmp_path, capsys):
    write(tmp_path, {MODALITY: answered("AAAB")}, "one", "first")
    write(tmp_path, {MODALITY: answered("ABBB")}, "two", "second")
    program.main(["compare", str(tmp_path), "--run", "second", "--run", "first"])
    assert capsys.readouterr().out.startswith("A (reference): two, run second\nB: one, run first\n")


def test_a_file_of_another_form_is_refused_before_runs_are_read(tmp_path):
    assert refused(tmp_path / "nowhere", "--out", "table.xlsx") == (
        "microbench: error: --out table.xlsx: expected a file that ends in .csv, .json, .tex."
    )
    assert refused("nowhere", "--changes", tmp_path) == (
        f"microbench: error: --changes {tmp_path}: expected a file in a folder. Name one that can be written."
    )


def test_a_single_run_is_refused(folders):
    assert refused(folders[0]) == (
        "microbench: error: Expected two or more runs to compare, got 1. Name more folders, or several runs of one "
        "folder (--run NAME; in Python api.load(folder, run=NAME))."
    )
