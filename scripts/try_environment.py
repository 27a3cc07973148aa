"""Try a model of the paper in the environment that its constraint file makes, on a stand-in checkpoint.

    python scripts/try_environment.py qwen_vl_chat
    python scripts/try_environment.py cogvlm

A fresh virtual environment is made in a temporary folder (about 7 GB) and deleted at the end. In it run the tests of
the model, and the model on the demo set through ``lmms_eval``. Exits with status 1 if either fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Stand-ins are slow, as they keep nothing between two tokens.
_SHORT = ("--gen_kwargs", "max_new_tokens=8")


@dataclass(frozen=True)
class Trial:
    """Say how a model is tried.

    Attributes:
        model: its name in the harness.
        tests: the file with its tests.
        stand_in: the module of tests/support that saves a checkpoint.
        arguments: of the model, with a place for the checkpoint's folder.
    """

    model: str
    tests: str
    stand_in: str
    arguments: str


# By constraint file.
TRIALS = {
    "qwen_vl_chat": Trial(
        "qwen_vl_chat", "tests/adapters/test_qwen_vl_chat.py", "tiny_qwen", "model={},trust_remote_code=True"
    ),
    # xformers is left out: it needs a GPU, and only the published checkpoint's code uses it.
    "cogvlm": Trial("cogvlm2", "tests/end_to_end/test_cogvlm.py", "tiny_cogvlm", "pretrained={},device=cpu"),
}


def main() -> int:
    """Make the environment, try the model in it, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", choices=TRIALS)
    environment = parser.parse_args().environment
    trial, constraints = TRIALS[environment], ROOT / "constraints" / f"{environment}.txt"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder) / "venv", with_pip=True)
        scripts, checkpoint = Path(folder) / "venv" / "bin", Path(folder) / "checkpoint"
        python = str(scripts / "python")
        settings = {"HF_HUB_OFFLINE": "1", "MICROBENCH_DATASET": "demo", "PYTHONPATH": str(ROOT)}
        save = f"import sys; from tests.support import {trial.stand_in} as tiny; tiny.save(sys.argv[1])"
        run = [str(scripts / "lmms_eval"), "--tasks", "microbench_coarse_modality", "--limit", "8"]
        commands = [
            [python, "-m", "pip", "install", "--quiet", f"{ROOT}[test]", "-c", str(constraints)],
            [python, "-m", "pip", "list"],
            [python, "-m", "pytest", "--numprocesses", "0", trial.tests],
            [python, "-c", save, str(checkpoint)],
            [*run, "--model", trial.model, "--model_args", trial.arguments.format(checkpoint), *_SHORT],
        ]
        for command in commands:
            print(" ".join(command), flush=True)
            done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=False)
            if done.returncode:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
