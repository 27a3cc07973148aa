"""Runs the scripts as users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(sys.executable).parent


def run(*command, data="demo", **environment):
    """The finished process of a command on the data source ``data``."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, env=os.environ | {"MICROBENCH_DATASET": str(data)} | environment)


def results_in(folder):
    """The harness's one results file somewhere under ``folder``."""
    [path] = folder.rglob("*_results.json")
    return json.loads(path.read_text())
