"""Wrong arguments of ``lmms_eval``: one message with the way out, no traceback, and nothing is read before."""

from __future__ import annotations

import pytest

from tests.support.commands import SCRIPTS, run

TASK = "microbench_coarse_stain"
# By what is wrong: the arguments, the data, and what the message says.
CASES = {
    "no model": ([], "demo", "--model is missing: type --model NAME"),
    "a mistyped model": (["--model", "demo_clop"], "demo", "Did you mean demo_clip"),
    "a path alone": (["--model", "open_clip", "--model_args", "/path"], "demo", "Write model=/path"),
    "a comma in a path": (["--model", "open_clip", "--model_args", "model=a,b"], "demo", "Commas separate arguments"),
    "a mistyped argument": (["--model", "clip", "--model_args", "precison=bf16"], "demo", "Did you mean precision"),
    "no such folder": (
        ["--model", "transformers_clip", "--model_args", "model=./plip"],
        "demo",
        "no such file or folder",
    ),
    "weights without a model": (
        ["--model", "transformers_clip", "--model_args", "pretrained=a.pt"],
        "demo",
        "needs model. Write model_args: model=…. pretrained= only adds weights to it",
    ),
    "no such device": (["--model", "demo_clip", "--device", "gpu"], "demo", "torch knows no such device. Use cpu"),
    "a setting in capitals": (["--model", "demo_clip"], "Demo", "Did you mean demo?"),
    "examples": (["--model", "demo_clip", "--num_fewshot", "3"], "demo", "--num_fewshot 3: Micro-Bench asks without"),
    "a mistyped task": (["--model", "demo_clip", "--tasks", f"{TASK}n"], "demo", f"Did you mean {TASK}"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_argument_gets_one_message_with_the_way_out(case):
    arguments, data, expected = CASES[case]
    tasks = [] if "--tasks" in arguments else ["--tasks", TASK]
    done = run(SCRIPTS / "lmms_eval", *arguments, *tasks, "--limit", "1", data=data)
    assert done.returncode == 1
    assert expected in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stdout + done.stderr
