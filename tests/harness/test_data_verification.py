"""Claims about ``microbench verify-data``."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from microbench_tasks.catalog import pinned_release
from microbench_tasks.cli import program
from microbench_tasks.harness import data_verification
from microbench_tasks.util.errors import DataError
from tests.support import own_data, release

NAMES = tuple(f"ubench-test-{number:05d}-of-00002.arrow" for number in range(2))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of a release of two files with one row each, whose hashes are pinned."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        table = release.table([release.row(number)]).data.table
        with pa.ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(table)
    hashes = tuple(hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES)
    monkeypatch.setattr(pinned_release, "RELEASE_FILES", NAMES)
    monkeypatch.setattr(pinned_release, "RELEASE_SHARDS", hashes)
    return folder


def problems(folder):
    return {finding.what: finding.problem for finding in data_verification.verify(folder)}


def test_files_with_the_pinned_hashes_agree(copy):
    found = problems(copy)
    assert [found[f"SHA-256 of {name}"] for name in NAMES] == ["", ""]
    assert found["images: all 2 readable"] == ""


def test_a_changed_file_is_named(copy):
    (copy / NAMES[1]).write_bytes((copy / NAMES[0]).read_bytes())
    found = problems(copy)
    assert found[f"SHA-256 of {NAMES[0]}"] == ""
    assert "Download this file again" in found[f"SHA-256 of {NAMES[1]}"]


def test_a_missing_file_is_named(copy):
    (copy / NAMES[0]).unlink()
    with pytest.raises(DataError, match=r"missing number\(s\) 0"):
        problems(copy)


def test_numbers_that_are_not_the_releases_differ(copy):
    differing = problems(copy)["numbers of questions and rows, where public"]
    # docs/tasks.md: the release has 16,130 questions about the domain; this copy one for each of its two rows.
    assert "microbench_coarse_domain has 2 questions, in the release 16,130" in differing


def test_a_wrong_row_is_named_and_the_other_tasks_are_checked(tmp_path):
    wrong = release.row(1)
    wrong["questions"]["stain"] |= {"answer": "not an option"}
    found = problems(release.write_parquet(tmp_path / "data", [release.row(0), wrong]))
    [problem] = [text for what, text in found.items() if what == "rows of microbench_coarse_stain"]
    assert "row 1" in problem and "'not an option' is not among the options" in problem
    assert found["rows of microbench_coarse_domain: 2 questions"] == ""
    assert "cannot be verified as a copy" in found["SHA-256 of the files"]


def test_an_own_dataset_is_compared_with_its_description(tmp_path, capsys):
    folder = own_data.questions(tmp_path)
    program.main(["verify-data", str(folder)])
    assert capsys.readouterr().out.endswith("No differences found.\n")
    [table] = folder.rglob("*.parquet")
    table.write_bytes(table.read_bytes() + b"0")
    with pytest.raises(SystemExit, match="has been changed since"):
        program.main(["verify-data", str(folder)])
