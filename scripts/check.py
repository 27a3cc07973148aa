"""Check the code: ruff (rules, format), mypy (types), Sphinx (pages). Exits with status 1 if anything is found.

    python scripts/check.py               # all checks
    python scripts/check.py --only types  # one of them

Needs ``pip install -e ".[dev]"``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"microbench_tasks": ROOT / "microbench_tasks", "microbench_adapters": ROOT / "adapters"}
# mypy finds a package by the name of its folder; here lie links with the packages' names.
LINKS = ROOT / ".mypy_cache" / "packages"
COMMANDS = {
    "rules": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy", "--config-file", "pyproject.toml", *(part for name in PACKAGES for part in ("-p", name))],
    # A warning, such as a link to a page that is not there, fails.
    "pages": ["sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-c", "docs", ".", "build/docs"],
}


def main() -> int:
    """Run the checks, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=COMMANDS, help="default: all of %(choices)s")
    only = parser.parse_args().only
    LINKS.mkdir(parents=True, exist_ok=True)
    for name, folder in PACKAGES.items():
        (LINKS / name).unlink(missing_ok=True)
        (LINKS / name).symlink_to(folder)
    failed = [name for name in COMMANDS if only in (None, name) and not _passes(name)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _passes(name: str) -> bool:
    print(f"{name}: {' '.join(COMMANDS[name])}", flush=True)
    command = [sys.executable, "-m", *COMMANDS[name]]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"MYPYPATH": str(LINKS)}).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
