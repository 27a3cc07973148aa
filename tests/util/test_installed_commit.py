"""Claims about the commit that results files record."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from microbench_tasks.util import installed_commit


def installation(monkeypatch, **origin):
    """Let pip have recorded where the package was installed from."""

    class Installed:
        def read_text(self, name):
            return {"direct_url.json": json.dumps(origin)}[name]

    monkeypatch.setattr(installed_commit, "distribution", lambda name: Installed())


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """Return a repository with one commit, and a folder ``inside`` it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    folder = tmp_path / "clone"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "file").write_text("a")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "--message", "first")
    return folder


def editable(monkeypatch, folder):
    installation(monkeypatch, url=folder.as_uri(), dir_info={"editable": True})


def test_an_installation_from_git_has_the_commit_that_pip_recorded(monkeypatch):
    installation(monkeypatch, url="https://example.org/b.git", vcs_info={"commit_id": "abc123"})
    assert installed_commit.commit() == "abc123"


def test_a_clone_has_its_commit_and_says_whether_a_file_was_changed(clone, monkeypatch):
    editable(monkeypatch, clone)
    head = git(clone, "rev-parse", "HEAD")
    assert installed_commit.commit() == head and len(head) == 40
    (clone / "inside" / "file").write_text("b")
    assert installed_commit.commit() == f"{head}-dirty"


def test_the_commit_of_another_repository_around_the_source_is_not_taken(clone, monkeypatch):
    editable(monkeypatch, clone / "inside")
    assert installed_commit.commit() == ""


def test_a_repository_that_the_environment_names_is_not_taken(clone, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(clone / ".git"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    editable(monkeypatch, elsewhere)
    assert installed_commit.commit() == ""


def test_an_installation_of_an_archive_has_no_commit(clone, monkeypatch):
    installation(monkeypatch, url=clone.as_uri(), dir_info={})
    assert installed_commit.commit() == ""
