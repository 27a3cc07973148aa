"""Run the notebook of the documentation, and write its outputs into it: ``python scripts/run_notebook.py``.

The notebook in the repository has outputs, so that readers see what comes out. A test runs it again and compares them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nbformat

NOTEBOOK = Path(__file__).parents[1] / "docs" / "from-run-to-figure.ipynb"
_MOST_SECONDS = 300


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return the notebook at ``path`` with the outputs of a run in ``folder``.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised an error.
    """
    import nbclient
    import nbformat

    # Commands of the notebook are those of this environment.
    scripts = sysconfig.get_path("scripts")
    before = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join([scripts, before])
    try:
        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": str(folder)}}
        notebook = nbclient.NotebookClient(notebook, timeout=_MOST_SECONDS, resources=resources).execute()
    finally:
        os.environ["PATH"] = before
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        # Times of the run, which change each time.
        cell.metadata.pop("execution", None)
        # Warnings of libraries, which name folders of this machine.
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def texts(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return what each code cell printed or returned, as text; of a figure, its size."""
    return [
        [output.get("text") or output["data"]["text/plain"] for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def main() -> None:
    """Run the notebook in a new folder, and write it with its outputs."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(NOTEBOOK, Path(folder))
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.validate(notebook)
    nbformat.write(notebook, NOTEBOOK)
    sys.stdout.write(f"{NOTEBOOK}\n")


if __name__ == "__main__":
    main()
