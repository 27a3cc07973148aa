"""Claims about ``microbench sweep`` that ends early."""

from __future__ import annotations

import pytest

from microbench_adapters.commands import sweep
from microbench_tasks.cli import program

COMMAND = ["sweep", "--alpha", "0,0.5,1", "--model", "plip", "--model_args", "merge_with=clip", "--tasks", "a"]


@pytest.mark.parametrize("stop", [sweep.SweepInterrupted(130, [0.5, 1]), sweep.SweepFailedError("a failure", [0.5, 1])])
def test_a_sweep_that_ends_early_prints_the_command_that_goes_on_in_its_folder(stop, capsys, monkeypatch):
    def end(*arguments):
        raise stop

    monkeypatch.setattr(sweep, "run_sweep", end)
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    with pytest.raises(SystemExit) as left:
        program.main([*COMMAND, "--output_path", "my sweep", "--limit", "2"])
    assert left.value.code == (130 if isinstance(stop, SystemExit) else "microbench: error: a failure")
    said = capsys.readouterr().err
    assert "1 of 3 alphas are done, with results in my sweep." in said
    assert said.endswith(
        "MICROBENCH_DATASET=demo microbench sweep --alpha 0.5,1 --model plip --tasks a --limit 2 "
        "--model_args merge_with=clip --output_path 'my sweep'\n"
    )
