"""Try a model of the paper in the environment that its constraint file makes, on a stand-in checkpoint.

    python scripts/try_environment.py qwen_vl_chat

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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# By constraint file: the tests of the model.
TESTS = {"qwen_vl_chat": "tests/adapters/test_qwen_vl_chat.py"}
SAVE = "import sys; from tests.support import tiny_qwen; tiny_qwen.save(sys.argv[1])"


def main() -> int:
    """Make the environment, try the model in it, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=TESTS)
    model = parser.parse_args().model
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder) / "venv", with_pip=True)
        scripts, checkpoint = Path(folder) / "venv" / "bin", Path(folder) / "checkpoint"
        python = str(scripts / "python")
        settings = {"HF_HUB_OFFLINE": "1", "MICROBENCH_DATASET": "demo", "PYTHONPATH": str(ROOT)}
        constraints = ROOT / "constraints" / f"{model}.txt"
        arguments = f"model={checkpoint},trust_remote_code=True"
        run = [str(scripts / "lmms_eval"), "--tasks", "microbench_coarse_modality", "--limit", "8"]
        commands = [
            [python, "-m", "pip", "install", "--quiet", f"{ROOT}[test]", "-c", str(constraints)],
            [python, "-m", "pip", "list"],
            [python, "-m", "pytest", "--numprocesses", "0", TESTS[model]],
            [python, "-c", SAVE, str(checkpoint)],
            [*run, "--model", model, "--model_args", arguments, "--gen_kwargs", "max_new_tokens=8"],
        ]
        for command in commands:
            print(" ".join(command), flush=True)
            done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=False)
            if done.returncode:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
