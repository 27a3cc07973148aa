"""Check which patches fit a version of lmms-eval: print every function that a patch replaces, and whether it fits.

Usage: check_harness.py [FOLDER]

FOLDER contains a package ``lmms_eval``, such as a checkout of the harness. Without FOLDER, the installed package is
checked. Dependencies of lmms-eval are taken from this environment. Exits with status 1 if a patch cannot be installed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", nargs="?", type=Path, help="contains a package lmms_eval (default: the installed package)"
    )
    folder = parser.parse_args().folder
    if folder is not None:
        if not (folder / "lmms_eval" / "__init__.py").is_file():
            parser.error(f"{folder}: contains no package lmms_eval. Name the folder of a checkout.")
        sys.path.insert(0, str(folder.absolute()))

    from microbench_tasks.harness.patches import installation

    # Importing the harness would install the patches; the check needs the harness without them.
    installation.install = lambda: None
    rows = list(installation.examine())
    print(installation.as_table(rows))
    return 1 if installation.lost_patches(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
