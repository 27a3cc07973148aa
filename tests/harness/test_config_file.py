"""Claims about the YAML file of ``--config``: what is refused before the harness reads it."""

from __future__ import annotations

import pytest

from microbench_tasks.harness import config_file
from microbench_tasks.util.errors import DataError

KNOWN = ("model", "model_args", "tasks", "limit", "gen_kwargs", "output_path")


@pytest.mark.parametrize(
    "text",
    ["model: demo_clip\ntasks: a,b\nlimit: 2\nenv: {A: 1}", "- {model: clip, tasks: a}\n- {model: plip, tasks: a}"],
)
def test_options_of_one_run_or_of_several_pass(text, tmp_path):
    (tmp_path / "runs.yaml").write_text(text)
    config_file.check(str(tmp_path / "runs.yaml"), KNOWN)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("taks: a", "1 problem.s.:\n  - taks is unknown. Did you mean tasks.$"),
        ("model-args: a=1", "model-args is unknown. Write model_args.$"),
        ("xyz: 1", "xyz is unknown. lmms_eval --help lists all options.$"),
        ("--run-name: a", "--run-name: type --run-name on the command line instead"),
        ("quiet: true", "quiet: type --quiet on the command line instead"),
        (
            "- tasks: a\n- limt: 2\n- 3",
            "2 problem.s.:\n  - run 2: limt is .* limit.*\n  - run 3: expected options .* got 3",
        ),
        ("tasks: [a, b]", "tasks: expected a text, got ..a., .b... Write tasks: NAME,NAME"),
        ("model_args: {a: 1}", "model_args: expected a text, got .* Write model_args: NAME=VALUE"),
        ("env: 3", "env: expected a mapping"),
        ("a: [", "runs.yaml, line 1: not valid YAML"),
        ("", "expected options such as tasks: microbench_coarse, got None"),
        ("[]", r"expected options such as tasks: microbench_coarse, got \[\]"),
    ],
)
def test_each_problem_is_named_with_what_to_write(text, problem, tmp_path):
    (tmp_path / "runs.yaml").write_text(text)
    with pytest.raises(DataError, match=problem):
        config_file.check(str(tmp_path / "runs.yaml"), KNOWN)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="--config nothing.yaml: cannot be read .No such file or directory.. Name a"):
        config_file.check("nothing.yaml", KNOWN)
