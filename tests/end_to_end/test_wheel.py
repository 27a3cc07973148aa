"""The wheel alone, outside the checkout, holds all that a run needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_BEHIND = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests", "benchmarks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy without tests and left-overs, with the build backend of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_BEHIND)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        folder / "source",
    ]
    subprocess.run(command, check=True, capture_output=True)
    [path] = folder.glob("microbench_lmms-*.whl")
    return path


def test_it_holds_code_tasks_and_the_demo_model(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    def shipped(path):
        return path.is_file() and not any(
            part == "__pycache__" or part.startswith(".") for part in path.relative_to(ROOT).parts
        )

    expected = {f"microbench_yaml/{path.name}" for path in (ROOT / "yaml").iterdir()}
    for source, package in (("microbench_tasks", "microbench_tasks"), ("adapters", "microbench_adapters")):
        files = filter(shipped, (ROOT / source).rglob("*"))
        expected |= {f"{package}/{path.relative_to(ROOT / source).as_posix()}" for path in files}
    assert "microbench_adapters/demo_clip/open_clip_model.safetensors" in held
    assert "microbench_yaml/_default_template_yaml" in held
    assert held == expected


def test_it_runs_outside_the_checkout(wheel, demo_folder, tmp_path):
    installed = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed, wheel],
        check=True,
        capture_output=True,
    )
    environment = os.environ | {"PYTHONPATH": str(installed), "MICROBENCH_DATASET": "demo"}
    where = [
        sys.executable,
        "-c",
        "import microbench_tasks, microbench_adapters, microbench_tasks.tasks.definitions as p; "
        "print(microbench_tasks.__file__, microbench_adapters.__file__, p.yaml_folder())",
    ]
    found = subprocess.run(where, env=environment, cwd=tmp_path, capture_output=True, text=True).stdout.split()
    assert all(path.startswith(str(installed)) for path in found) and len(found) == 3
    command = [
        sys.executable,
        "-m",
        "lmms_eval",
        "--model",
        "demo_clip",
        "--tasks",
        "microbench_coarse_stain",
        "--output_path",
        tmp_path / "out",
    ]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    [results] = (tmp_path / "out").rglob("*_results.json")
    assert json.loads(results.read_text())["results"]["microbench_coarse_stain"]["acc,none"] > 0.5, done.stdout


def test_the_demo_model_is_small(wheel):
    size = sum(
        entry.file_size
        for entry in zipfile.ZipFile(wheel).infolist()
        if entry.filename.startswith("microbench_adapters/demo_clip/")
    )
    assert size <= 3_000_000
