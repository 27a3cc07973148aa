"""Claims about ``microbench``, ``models``, ``tasks`` and ``--version``, run in this process."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from microbench_adapters.checkpoints.registry import CHECKPOINTS
from microbench_adapters.manifests import class_paths
from microbench_tasks import catalog
from microbench_tasks.cli import columns, models, program
from tests.support import own_data


def shown(capsys, *arguments):
    program.main(list(arguments))
    return capsys.readouterr().out


def test_without_arguments_the_help_is_printed_by_steps(capsys):
    with pytest.raises(SystemExit) as exited:
        program.main([])
    said = capsys.readouterr().err
    assert exited.value.code == 2
    positions = [said.index(f"\n{step}:\n") for step in program.STEPS]
    assert positions == sorted(positions)
    assert all(f"\n    {command.name} " in said for command in program.COMMANDS)


def test_the_versions_are_those_of_the_installed_packages(capsys):
    with pytest.raises(SystemExit) as exited:
        program.main(["--version"])
    said = capsys.readouterr().out
    assert exited.value.code == 0
    assert said.startswith(f"microbench-lmms {version('microbench-lmms')}")
    assert said.endswith(f", lmms-eval {version('lmms-eval')}\n")


def test_every_model_is_listed_with_what_it_loads(capsys):
    listed = {model["name"]: model for model in json.loads(shown(capsys, "models", "--json"))}
    assert list(listed) == list(class_paths())
    assert all(listed[name]["loaded_by"] == row.adapter for name, row in CHECKPOINTS.items())
    assert {name for name, model in listed.items() if model["kind"] == "contrastive"} == {
        "open_clip",
        "transformers_clip",
        *CHECKPOINTS,
    }
    assert listed["microbench_random"]["kind"] == "random"
    assert listed["plip"]["loads"] == "vinid/plip"
    assert listed["open_clip"]["arguments"]["model"] == "" and listed["plip"]["arguments"]["padding"] == "longest"


def test_a_model_that_cannot_run_is_left_out_and_says_what_to_install(capsys, monkeypatch):
    description = next(model for model in models.describe_models() if model.name == "conch")
    lacking = dataclasses.replace(description, missing=("conch-fork",))
    monkeypatch.setattr(models, "describe_models", lambda: [lacking])
    assert "[not installed: pip install conch-fork]" in shown(capsys, "models")
    assert json.loads(shown(capsys, "models", "--installed", "--json")) == []


@pytest.mark.parametrize("arguments", [["models"], ["models", "biomedclip"], ["tasks"], ["tasks", "pollen"]])
def test_overviews_fit_80_columns_but_for_what_is_to_be_copied(arguments, capsys):
    lines = shown(capsys, *arguments).splitlines()
    # A command, and a name or address that alone is wider than the column of texts.
    to_copy = [line for line in lines if " lmms_eval --model " in line or max(map(len, line.split()), default=0) >= 60]
    assert max(len(line) for line in lines if line not in to_copy) <= 80


def test_commands_and_addresses_stand_on_one_line(capsys):
    lines = shown(capsys, "models", "transformers_clip").splitlines()
    command = "lmms_eval --model transformers_clip --model_args model=… --tasks microbench_vqa"
    assert f"  type          {command}" in lines
    assert f"  described at  {CHECKPOINTS['biomedclip'].source}" in shown(capsys, "models", "biomedclip").splitlines()
    task = "microbench_localization_fluorescence_nuclei_cropped_at_the_border"
    row = next(columns.two_columns([("type", f"lmms_eval --tasks {task}")], unwrapped=["type"]))
    assert row == f"  type  lmms_eval --tasks {task}"


def test_the_overview_states_the_libraries_and_kinds_of_the_classes():
    for model in models.describe_models():
        module, attribute = class_paths()[model.name].rsplit(".", 1)
        of_class = getattr(importlib.import_module(module), attribute)
        assert model.packages == tuple(getattr(of_class, "libraries", ())), model.name
        assert (model.kind == "contrastive") == getattr(of_class, "needs_choices", False), model.name


def test_the_overview_of_models_imports_no_library_of_a_model():
    code = (
        "import sys; from microbench_tasks.cli import program; program.main(['models']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_every_task_is_listed_with_its_groups_and_public_numbers(capsys):
    listed = {task["name"]: task for task in json.loads(shown(capsys, "tasks", "--json"))}
    assert list(listed) == list(catalog.ALL_TASKS)
    stain = listed["microbench_coarse_stain"]
    # docs/tasks.md: 934 of 16,130 images have no stain question.
    assert (stain["questions"], stain["images"]) == (16_130 - 934, 16_130 - 934)
    assert stain["groups"] == ["microbench_coarse", "microbench_vqa", "microbench", "microbench_all"]
    assert listed["microbench_fine_pollen"]["questions"] is None
    assert listed["microbench_cognition"]["needs"] == "MICROBENCH_COGNITION"
    assert {listed[name]["level"] for name in listed} == {"perception", "cognition"}


def test_what_tasks_need_stands_once_for_all_of_a_kind_and_with_each_where_they_differ(capsys, tmp_path, monkeypatch):
    own_data.slides(tmp_path / "slides")
    own_data.questions(tmp_path / "cells")
    monkeypatch.setenv("MICROBENCH_OWN", str(tmp_path))
    said = shown(capsys, "tasks", "--kind", "boxes")
    assert said.count("needs") == 1 and "; needs a model that writes boxes" in " ".join(said.split())
    assert "needs" not in shown(capsys, "tasks", "--kind", "fine")
    described = {task["name"]: task["needs"] for task in json.loads(shown(capsys, "tasks", "--kind", "own", "--json"))}
    assert described == {
        "microbench_own_cells": "MICROBENCH_OWN",
        "microbench_own_slides": "MICROBENCH_OWN",
        "microbench_own_slides_boxes": "a model that writes boxes",
    }
    said = " ".join(shown(capsys, "tasks", "--kind", "own").split())
    assert said.count("needs MICROBENCH_OWN") == 2 and said.count("needs a model that writes boxes") == 1


def test_the_page_of_commands_lists_all_with_their_lines_of_help():
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| `microbench ")]
    assert rows == [[f"| `microbench {command.name}`", command.summary] for command in program.COMMANDS]


def options_by_command():
    """Return the long options of each command but ``--help``, which each command has."""
    parser = program.build_parser(lists_commands=True)
    [commands] = [action for action in parser._actions if isinstance(action.choices, dict)]
    return {
        name: {
            option
            for action in command._actions
            for option in action.option_strings
            if option.startswith("--") and option != "--help"
        }
        for name, command in commands.choices.items()
    }


def test_the_script_for_bash_completes_the_options_of_each_command(capsys):
    script = shown(capsys, "completion", "bash")
    [names] = re.findall(r"^_shtab_microbench_subparsers=\((.*)\)$", script, re.MULTILINE)
    assert names.split() == [command.name for command in program.COMMANDS]
    for name, options in options_by_command().items():
        prefix = f"_shtab_microbench_{name.replace('-', '_')}"
        [listed] = re.findall(rf"^{prefix}_option_strings=\((.*)\)$", script, re.MULTILINE)
        assert set(listed.split()) - {"-h", "--help"} == options


def test_the_script_for_bash_completes_names_of_tasks_and_models_and_files(capsys):
    script = shown(capsys, "completion", "bash")

    def choices(place):
        [listed] = re.findall(rf"^_shtab_microbench_{place}_choices=\((.*)\)$", script, re.MULTILINE)
        return listed.split()

    for place in ("run___tasks", "sweep___tasks"):
        assert set(choices(place)) == {*catalog.ALL_TASKS, *catalog.GROUPS, *catalog.TAGS, catalog.OWN_TAG}
    assert choices("models_pos_0") == choices("sweep___model") == list(class_paths())
    assert choices("tasks_pos_0") == list(catalog.ALL_TASKS) and "microbench_vqa" in choices("tasks___group")
    assert "_shtab_microbench_run_pos_0_COMPGEN=_shtab_compgen_files" in script


def test_the_script_for_zsh_completes_the_options_of_each_command(capsys):
    script = shown(capsys, "completion", "zsh")
    for name, options in options_by_command().items():
        [block] = re.findall(rf"^_shtab_microbench_{name.replace('-', '_')}_options=\((.*?)^\)$", script, re.M | re.S)
        # One line an option, with the help in brackets.
        listed = {option for spec in re.findall(r"^  (.*?)\[", block, re.M) for option in re.findall(r"--[\w-]+", spec)}
        assert listed - {"--help"} == options


def test_the_script_for_tcsh_completes_the_options_of_all_commands_together(capsys):
    script = shown(capsys, "completion", "tcsh")
    [listed] = re.findall(r"'c/--/\((.*)\)/'", script)
    assert {f"--{name}" for name in listed.split()} == {"--help", "--version"}.union(*options_by_command().values())


def test_filters_choose_tasks(capsys):
    fine = json.loads(shown(capsys, "tasks", "--kind", "fine", "--json"))
    assert [task["name"] for task in fine] == list(catalog.GROUPS["microbench_fine"])
    in_group = json.loads(shown(capsys, "tasks", "--group", "microbench_localization", "--json"))
    assert {task["subject"] for task in in_group} == {"boxes"}
    assert "microbench_coarse_stain (perception)" in shown(capsys, "tasks", "coarse_stain")


def test_questions_of_the_data_at_hand_are_counted(capsys, demo_folder, monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    [task] = json.loads(shown(capsys, "tasks", "microbench_fine_pollen", "--count", "--json"))
    # docs/tasks.md shows 12 questions of this task in the demo set, one about each image.
    assert (task["questions"], task["images"]) == (12, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "pilp"], "pilp: no model of this package"),
        (["tasks", "--group", "coarse"], "--group coarse: no such group. There are microbench_coarse"),
        (["tasks", "unheard"], "No task matches"),
    ],
)
def test_a_name_that_is_none_is_refused_with_those_there_are(arguments, message):
    with pytest.raises(SystemExit, match=message):
        program.main(arguments)
