"""Check the code: ruff's format and rules, and the types of both packages. Exits with 1 if anything is found.

Usage: ``python scripts/check.py`` from the root of the repository; needs ``pip install -e ".[dev]"``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"microbench_tasks": ROOT / "microbench_tasks", "microbench_adapters": ROOT / "adapters"}


def main() -> int:
    """Run all checks, and return the exit status."""
    ruff = [sys.executable, "-m", "ruff"]
    commands = [[*ruff, "check", "."], [*ruff, "format", "--check", "."]]
    failed = [command for command in commands if subprocess.run(command, cwd=ROOT).returncode]
    with tempfile.TemporaryDirectory() as folder:
        # The folder of a package may have another name than the package, which mypy cannot be told otherwise.
        for package, place in PACKAGES.items():
            (Path(folder) / package).symlink_to(place)
        mypy = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
        names = [part for package in PACKAGES for part in ("-p", package)]
        done = subprocess.run([*mypy, *names], cwd=ROOT, env=os.environ | {"MYPYPATH": folder})
    return int(bool(failed) or done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
