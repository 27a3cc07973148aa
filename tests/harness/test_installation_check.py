"""Claims about the check of an installation."""

from __future__ import annotations

import pytest

from microbench_tasks.harness import installation_check
from microbench_tasks.harness.patches import installation
from microbench_tasks.harness.patches.table import PATCHES
from tests.support import own_data


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("numpy", None),
        ("no-such-package>=2", "no-such-package is not installed. Install it: pip install 'no-such-package>=2'"),
        ("numpy<0.1", "does not fit <0.1. Install another version: pip install 'numpy<0.1'"),
        ("no-such-package; extra == 'test'", None),
    ],
)
def test_a_package_that_is_missing_or_does_not_fit_is_a_problem(requirement, problem, monkeypatch):
    monkeypatch.setattr(installation_check, "requires", lambda name: [requirement])
    part = installation_check.check_packages()
    problems = part.problems
    assert len(problems) == (problem is not None)
    assert not problems or problem in problems[0]
    assert ("numpy==" in part.lines[-1]) is (requirement == "numpy")


def test_cognition_questions_that_are_missing_are_no_problem(demo_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("MICROBENCH_COGNITION", str(tmp_path / "nowhere"))
    part = installation_check.check_data()
    assert part.problems == []
    assert "Cognition questions: not available." in part.lines[1]


def test_a_patch_that_cannot_be_installed_is_a_problem(monkeypatch):
    monkeypatch.setattr(installation, "lost_patches", lambda rows: [PATCHES[0]])
    part = installation_check.check_patches()
    [problem] = part.problems
    assert PATCHES[0].name in problem and PATCHES[0].lost in problem
    assert part.lines[1].startswith(f"fit this version ({len(PATCHES) - 1} of {len(PATCHES)}): {PATCHES[1].name}; ")
    assert part.lines[2:] == [f"cannot be installed: {PATCHES[0].name}"]


def test_patches_are_described_if_asked():
    assert f"  Why: {PATCHES[0].why}" in installation_check.check_patches(describes_each=True).lines


def test_own_datasets_are_listed_and_one_that_has_been_changed_is_a_problem(tmp_path, monkeypatch):
    folder = own_data.questions(tmp_path / "cells")
    monkeypatch.setenv("MICROBENCH_OWN", str(folder))
    [line] = installation_check.check_own_data().lines
    assert line == f"microbench_own_cells: 8 images, {folder}"
    (folder / "data" / "test-00000-of-00001.parquet").write_bytes(b"")
    [problem] = installation_check.check_own_data().problems
    assert "has been changed" in problem


def test_a_release_that_is_not_downloaded_says_how_many_files_are_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("MICROBENCH_DATASET", raising=False)
    monkeypatch.setattr(installation_check.hub, "missing", lambda pinned: list(pinned.hashes)[:3])
    assert "3 of 7 files not downloaded" in installation_check.check_data().lines[0]
