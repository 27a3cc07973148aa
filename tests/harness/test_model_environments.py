"""Models of the harness that cannot run with the installed transformers are refused first, with the way out."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

from microbench_tasks.harness import model_environments
from microbench_tasks.util.errors import DataError
from tests.support.commands import SCRIPTS, run

ROOT = Path(__file__).parents[2]
RELEASES = {
    "qwen_vl": ("4.51.3", "4.52.0", "--model qwen_vl_chat"),
    "cogvlm2": ("4.41.2", "4.42.0", "constraints/cogvlm.txt"),
    "huggingface": ("4.57.1", "5.0.0", "--model transformers_vlm"),
    "async_hf_model": ("4.57.1", "5.0.0", "--model transformers_vlm"),
    "transformers_vlm": ("5.24.0", "4.57.1", "pip install -U transformers"),
    "paligemma": ("5.24.0", "4.51.3", "pip install -U transformers"),
}


@pytest.mark.parametrize("model", RELEASES)
def test_a_model_is_refused_with_releases_that_it_was_seen_to_fail_with(model, monkeypatch):
    works, fails, way_out = RELEASES[model]
    monkeypatch.setattr(metadata, "version", lambda package: works)
    model_environments.check(model)
    monkeypatch.setattr(metadata, "version", lambda package: fails)
    with pytest.raises(DataError, match=f"--model {model} .*{fails} is installed.*{way_out}"):
        model_environments.check(model)


def test_every_requirement_is_tried_here_and_others_are_not_refused():
    assert model_environments.REQUIREMENTS.keys() == RELEASES.keys()
    for model in (None, "openai", "qwen2_5_vl", "transformers_vlm"):
        model_environments.check(model)


def test_constraint_files_that_messages_name_pin_a_release_that_works():
    pins = (ROOT / "constraints" / "cogvlm.txt").read_text()
    assert "\ntransformers==4.41.2\n" in pins


@pytest.mark.skipif(Version(metadata.version("transformers")) < Version("5"), reason="this release runs it")
def test_the_command_refuses_it_before_data_are_read():
    done = run(SCRIPTS / "lmms_eval", "--model", "huggingface", "--tasks", "microbench_coarse", data="/no/such/folder")
    assert done.returncode == 1
    assert "Use --model transformers_vlm" in done.stderr
    assert "no such folder" not in done.stdout + done.stderr
