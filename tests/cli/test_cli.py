"""Claims about the scripts, run as users run them."""

import contextlib
import dataclasses
import io
import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from microbench_tasks.cli import program, submit
from microbench_tasks.cli.progress import progress_bar
from microbench_tasks.harness.patches.table import PATCHES
from tests.support import commands
from tests.support.commands import SCRIPTS


def run(script, *arguments, **environment):
    return commands.run(SCRIPTS / script, *arguments, **environment)


def test_path_prints_the_folder_of_task_definitions():
    done = run("microbench", "path")
    assert (Path(done.stdout.strip()) / "microbench_coarse.yaml").is_file()


def test_a_reader_that_has_had_enough_ends_a_command_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = subprocess.run([SCRIPTS / "microbench", "path"], stdout=pipe, stderr=subprocess.PIPE)
    # 128 and SIGPIPE, 13.
    assert (done.returncode, done.stderr) == (141, b"")


def test_demo_data_writes_a_folder_that_is_a_source(tmp_path, use_source):
    from microbench_tasks.data import micrographs

    done = run("microbench", "demo-data", str(tmp_path / "demo"), "--seed", "5")
    assert done.returncode == 0, done.stderr
    use_source(tmp_path / "demo")
    assert len(micrographs.resolve().rows) >= 24 * 12


def test_demo_data_does_not_write_into_an_existing_folder(tmp_path):
    done = run("microbench", "demo-data", str(tmp_path))
    assert done.returncode == 1
    assert f"microbench: error: {tmp_path} exists already" in done.stderr


def test_a_seed_that_is_none_is_named(tmp_path):
    done = run("microbench", "demo-data", str(tmp_path / "demo"), "--seed", "-1")
    assert done.returncode == 1
    assert done.stderr == "microbench: error: Expected a seed of 0 or more, got -1\n"


def test_a_progress_bar_ends_before_the_message_even_if_the_exception_refers_to_itself(monkeypatch, capsys):
    def fail(options):
        bar = iter(progress_bar([1, 2], "Drawing"))
        next(bar)
        error = OSError("no space")
        # As an exception that another process raised: its traceback refers to the future that holds it.
        error.cycle = (error, bar)
        raise error

    options = SimpleNamespace(command=SimpleNamespace(run=fail))
    monkeypatch.setattr(program, "_parse", lambda arguments: options)
    with pytest.raises(SystemExit, match="microbench: error: no space"):
        program.main([])
    # Spaces have overwritten the bar, and the message begins the line.
    assert capsys.readouterr().err.endswith(" \r")


def test_a_harness_option_of_a_command_that_passes_it_on_is_no_typing_error(capsys):
    with pytest.raises(SystemExit):
        program.main(["run", "models.yaml", "--tasks", "microbench", "--limit", "3"])
    said = capsys.readouterr().err
    assert "--output_path" in said and "Did you mean" not in said


@pytest.mark.parametrize("command", [command.name for command in program.COMMANDS])
def test_every_command_has_help_with_an_example_as_it_is_typed(command):
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as exited:
        program.main([command, "--help"])
    assert exited.value.code == 0
    examples = said.getvalue()[said.getvalue().index("\nexample") :].splitlines()[2:]
    assert any(f"microbench {command} " in f"{line} " or "$(microbench path)" in line for line in examples)


def test_what_rescore_cannot_write_is_named_before_it_reads(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "scores.json"):
        done = run("microbench", "rescore", tmp_path, "--out", out)
        assert done.returncode == 1
        assert (
            done.stderr
            == f"microbench: error: --out {out}: expected a file in a folder. Name one that can be written.\n"
        )


def test_the_doctor_prints_versions_data_and_patches(demo_folder):
    done = run("microbench", "doctor", MICROBENCH_DATASET="demo")
    assert done.returncode == 0, done.stdout + done.stderr
    titles = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        *("Packages", "Devices", "Data", "Own datasets", "Patches of lmms-eval", "Models of this package"),
        "No problems found.",
    ]
    assert "  can run: open_clip, transformers_clip" in done.stdout
    assert f"lmms-eval {version('lmms-eval')}" in done.stdout
    assert "MICROBENCH_DATASET=demo (demo data, " in done.stdout
    said = " ".join(done.stdout.split())
    assert all(patch.name in said for patch in PATCHES) and "Can be removed when" not in said
    # Two screens.
    assert len(done.stdout.splitlines()) <= 60


def test_the_doctor_reports_data_that_are_missing(tmp_path):
    done = run("microbench", "doctor", MICROBENCH_DATASET=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "problem: MICROBENCH_DATASET=" in done.stdout and "no such folder" in done.stdout
    assert done.stderr == "microbench: 1 problem(s) found\n"


def test_the_harness_light_commands_work_through_our_script():
    for arguments in ([], ["--help"], ["version"]):
        done = run("lmms_eval", *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout == run("lmms-eval", *arguments).stdout


def test_tasks_list_knows_the_tasks():
    for action in ("list", "subtasks"):
        done = run("lmms_eval", "tasks", action)
        assert done.returncode == 0
        assert ("microbench_coarse_stain" if action == "subtasks" else "microbench_coarse") in done.stdout


def test_models_lists_ours_in_both_scripts():
    for script in ("lmms_eval", "lmms-eval"):
        listed = run(script, "models").stdout.split()
        assert {"open_clip", "demo_clip"} <= set(listed)


def test_power_knows_the_tasks(demo_folder):
    done = run("lmms_eval", "power", "--tasks", "microbench_coarse_stain", MICROBENCH_DATASET="demo")
    assert done.returncode == 0, done.stderr
    assert "microbench_coarse_stain:" in done.stdout
    assert "Sample size:" in done.stdout


def test_a_full_disk_is_reported_with_the_folder_that_was_written(monkeypatch):
    def write(options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(program, "COMMANDS", [dataclasses.replace(submit.COMMAND, run=write)])
    with pytest.raises(
        SystemExit, match="--out my_folder: cannot be written .No space left on device.. Name another place"
    ):
        program.main(["submit", "run", "--model-name", "m", "--out", "my_folder"])
