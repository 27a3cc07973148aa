"""Claims about what a user is told to resume a run."""

import shlex
import sqlite3

import huggingface_hub
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from microbench_tasks.harness import resume_advice, run_state

ARGUMENTS = ["--model", "openai", "--tasks", "microbench_coarse_stain", "--output_path", "my results"]


@pytest.fixture(autouse=True)
def new_run(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    run_state.reset_answers()
    run_state.current.unsaved_files.clear()


def test_a_key_in_the_arguments_is_not_printed():
    text = resume_advice.shell_command(["--model_args", "model=m,api_key=sk-abcdefghijklmnopqrstuvwxyz0123456789"])
    assert "model=m" in text and "sk-" not in text


def test_kept_answers_are_counted_in_the_cache_and_in_runs_that_did_not_end(tmp_path):
    for name, number in (("cache.db", 2), ("runs/killed/rank_0.db", 3), ("runs/merged/rank_0.db", 2)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE responses (cache_key TEXT)")
            database.executemany("INSERT INTO responses VALUES (?)", [(str(key),) for key in range(number)])
    (tmp_path / "runs" / "merged" / ".merged").touch()
    assert resume_advice.count_stored_answers(tmp_path) == 2 + 3


def test_a_run_that_was_interrupted_before_its_first_answer_asks_all_again(tmp_path):
    arguments = [*ARGUMENTS, "--use_cache", str(tmp_path)]
    text, command = resume_advice.resume_hint(arguments).splitlines()
    assert text == f"No answers are kept in {tmp_path} yet. This asks all again:"
    assert shlex.split(command)[1:] == ["lmms_eval", *arguments]


@pytest.mark.parametrize("setting", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_the_setting_that_forbids_the_hub_is_named(monkeypatch, setting):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(setting, "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    text = resume_advice.describe_failure(OfflineModeIsEnabled("cannot reach the Hub"), ARGUMENTS)
    assert f"{setting} is set: unset it" in text
