"""Show what of this package a version of lmms-eval would take away: every target of a patch, as it is there.

Usage: check_harness.py [FOLDER]

FOLDER holds a package ``lmms_eval``, such as a checkout of the harness; without it the installed one is compared. Its
dependencies are those that are installed here. Exits with status 1 if a patch is lost.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="holds a package lmms_eval; the installed one if left out")
    folder = parser.parse_args().folder
    if folder is not None:
        if not (folder / "lmms_eval" / "__init__.py").is_file():
            parser.error(f"{folder}: contains no package lmms_eval.")
        sys.path.insert(0, str(folder.absolute()))

    from microbench_tasks import patches

    # What is compared must be the harness as it is.
    patches.install = lambda: None
    rows = list(patches.examine())
    print(patches.as_table(rows))
    return 1 if patches.lost(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
