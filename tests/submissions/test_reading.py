"""Claims about reading a submission: only what was written is loaded."""

import os
import shutil

import pytest

from microbench_tasks.submissions import manifest_file, reading
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError
from tests.support import tiny_runs
from tests.support.tiny_runs import COGNITION


@pytest.fixture
def copy(written, tmp_path):
    contents = {
        path.relative_to(written.folder).as_posix(): path.read_bytes()
        for path in written.folder.rglob("*")
        if path.is_file()
    }
    return files.write_dir(tmp_path / "copy", contents)


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (
            lambda folder: (folder / "README.md").write_text("Best model."),
            "README.md has been changed: its SHA-256 is not the one in submission.json",
        ),
        (lambda folder: (folder / "README.md").unlink(), "README.md is missing"),
        (
            lambda folder: (
                (folder / "README.md").rename(folder.parent / "card")
                and (folder / "README.md").symlink_to(folder.parent / "card")
            ),
            "README.md is a link",
        ),
        (
            lambda folder: (
                (folder / "submission.json").rename(folder.parent / "manifest")
                and (folder / "submission.json").symlink_to(folder.parent / "manifest")
            ),
            "submission.json: is a link, expected a regular file",
        ),
        (
            lambda folder: (folder / "README.md").unlink() or os.mkfifo(folder / "README.md"),
            "README.md is a named pipe",
        ),
        (lambda folder: (folder / "more").symlink_to("/nowhere"), "more does not belong to this submission"),
        (lambda folder: (folder / ".gitignored").write_text(""), ".gitignored does not belong to this submission"),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json", lambda manifest: manifest["files"].pop("LOCAL-DATA.txt")
            ),
            "LOCAL-DATA.txt is not named in",
        ),
        (
            lambda folder: (
                (folder / "DEMO-DATA.txt").write_text("")
                or tiny_runs.edited(
                    folder / "submission.json", lambda manifest: manifest["files"].update({"DEMO-DATA.txt": "0" * 64})
                )
            ),
            "DEMO-DATA.txt is named in submission.json .files., but does not belong to",
        ),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json",
                lambda manifest: manifest["files"].update({"samples/microbench_other.jsonl.gz": "0" * 64}),
            ),
            "samples/microbench_other.jsonl.gz is named in",
        ),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json", lambda manifest: manifest["files"].update({"README.md\n": "0" * 64})
            ),
            r"submission.json, files: unknown field 'README.md\\n'",
        ),
        (
            lambda folder: (folder / "samples" / "more.txt").write_text(""),
            "samples/more.txt does not belong to this submission",
        ),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json", lambda manifest: manifest["model"].update(name="Other")
            ),
            "submission.json has been changed: its digest",
        ),
        (
            lambda folder: tiny_runs.edited(folder / "submission.json", lambda manifest: manifest.pop("seeds")),
            "submission.json, seeds: is missing",
        ),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json", lambda manifest: manifest["data"].update(kind="best")
            ),
            "submission.json, data.kind: expected 'release', 'demo', 'local' or 'own', got 'best'",
        ),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json", lambda manifest: manifest["files"].update({"../x": "0" * 64})
            ),
            r"submission.json, files: unknown field '../x'. Expected README.md",
        ),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json",
                lambda manifest: manifest["files"].pop("samples/microbench_cognition.jsonl.gz"),
            ),
            "samples/microbench_cognition.jsonl.gz is not named",
        ),
        (
            lambda folder: tiny_runs.edited(
                folder / "submission.json", lambda manifest: manifest["num_samples"].update(microbench_other=1)
            ),
            "microbench_other is not a task of Micro-Bench",
        ),
        (lambda folder: (folder / "submission.json").write_text("{"), "submission.json: expected JSON"),
        (lambda folder: (folder / "submission.json").write_text('{"model": 1, "model": 2}'), "a key occurs twice"),
        (lambda folder: (folder / "submission.json").write_text('{"chance": NaN}'), "NaN, which is not a JSON number"),
        (lambda folder: (folder / "submission.json").write_text('{"chance": 1e999}'), "got a number that is too large"),
        (
            lambda folder: (folder / "submission.json").write_text(f'{{"chance": {"9" * 400}}}'),
            "got a number of 400 digits",
        ),
        (lambda folder: (folder / "submission.json").write_text("[" * 900 + "]" * 900), "got more than 64 levels"),
        (lambda folder: (folder / "submission.json").write_text("[" * 200_000), "submission.json: expected JSON"),
        (lambda folder: (folder / "submission.json").write_text("[]"), "expected a JSON object, got list"),
        (lambda folder: (folder / "submission.json").unlink(), "contains no submission.json"),
        (shutil.rmtree, "no such folder. Name the folder that microbench submit wrote"),
        (
            lambda folder: (
                tiny_runs.refreshed(folder)
                and (folder / "samples" / f"{COGNITION}.jsonl.gz").write_bytes(b"\x1f\x8b")
                and tiny_runs.refreshed(folder)
            ),
            "cannot be decompressed",
        ),
    ],
)
def test_what_is_not_what_was_written_is_not_loaded(tamper, message, copy):
    tamper(copy)
    with pytest.raises(DataError, match=message):
        reading.load(copy)


def test_files_of_a_download_do_no_harm(copy):
    for name in (".gitattributes", ".git/config", ".cache/huggingface/x.metadata"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    assert reading.load(copy).manifest.model.name == "My CLIP"


def test_the_layout_of_the_json_does_not_matter(copy):
    tiny_runs.edited(copy / "submission.json", lambda manifest: None)
    assert reading.load(copy).manifest.digest == manifest_file.compute_digest(manifest_file.read_manifest(copy))
