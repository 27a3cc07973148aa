"""Claims about ``microbench new-dataset``, run as users run it."""

from __future__ import annotations

import pytest

from microbench_tasks.cli import program
from microbench_tasks.data.own_datasets.description import read_description
from tests.support import commands, own_images
from tests.support.commands import SCRIPTS

WORDS = ("--question", "What is shown?", "--captions", "A micrograph of a {class}.")


def test_a_folder_of_images_becomes_a_dataset_in_one_command(tmp_path):
    photos, out = own_images.class_folders(tmp_path / "photos"), tmp_path / "out"
    done = commands.run(
        SCRIPTS / "microbench", "new-dataset", "mine", "--images", photos, *WORDS, "--license", "CC0-1.0", "--out", out
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "mine: 6 images of 2 classes, from a folder per class"
    assert f"wrote {out}. Next, type:" in lines
    assert [line.split("=")[0] for line in lines[-2:]] == ["  MICROBENCH_OWN"] * 2
    assert read_description(out).licence == "CC0-1.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photos"]


def test_a_dry_run_shows_the_same_and_writes_nothing(tmp_path, capsys):
    photos = own_images.class_folders(tmp_path / "photos")
    arguments = ["new-dataset", "mine", "--images", str(photos), *WORDS, "--out", str(tmp_path / "out")]
    program.main([*arguments, "--dry-run"])
    shown = capsys.readouterr().out
    assert shown.endswith("nothing written (--dry-run)\n")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    program.main(arguments)
    assert capsys.readouterr().out.startswith(shown.removesuffix("nothing written (--dry-run)\n"))


def test_problems_are_listed_one_a_line_and_nothing_is_written(tmp_path):
    photos = own_images.class_folders(tmp_path / "photos")
    (photos / "empty class").mkdir()
    (photos / "lost.png").write_bytes(b"")
    with pytest.raises(SystemExit) as left:
        program.main(["new-dataset", "mine", "--images", str(photos), *WORDS, "--out", str(tmp_path / "out")])
    assert str(left.value).split("\n") == [
        f"microbench: error: --images {photos}: 2 problems. Nothing was written.",
        "  - lost.png: an image without a class. Move it into the folder of its class, or use --labels",
        "  - empty class/: a class without images. Remove the folder, or put TIFF, PNG or JPEG files into it",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--imgaes", "x"], "unrecognized arguments: --imgaes x"),
        (["--max-megapixels", "many"], "argument --max-megapixels: invalid float value: 'many'"),
    ],
)
def test_options_with_typing_errors_are_named(capsys, arguments, message):
    with pytest.raises(SystemExit) as left:
        program.main(["new-dataset", "mine", "--out", "out", *arguments])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_names_of_files_cannot_control_the_terminal(tmp_path):
    photos = own_images.class_folders(tmp_path / "photos")
    (photos / "\x1b[2J.png").write_bytes(b"")
    with pytest.raises(SystemExit) as left:
        program.main(["new-dataset", "mine", "--images", str(photos), *WORDS, "--out", str(tmp_path / "out")])
    assert "\x1b" not in str(left.value) and "\ufffd[2J.png" in str(left.value)
