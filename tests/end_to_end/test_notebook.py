"""The notebook and the page about Python, run as a reader runs them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import matplotlib
import pytest

nbclient = pytest.importorskip("nbclient", reason="the notebook needs nbclient and ipykernel: pip install -e .[test]")
nbformat = pytest.importorskip("nbformat")

from scripts import run_notebook  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, demo_folder):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def ran(folder):
    """The notebook, run in a new folder, in which its two runs are left."""
    with pytest.MonkeyPatch.context() as patch:
        for setting in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(setting, str(folder / "jupyter"))
        return run_notebook.executed(run_notebook.NOTEBOOK, folder)


def test_the_notebook_runs_and_prints_what_the_repository_shows(ran):
    shown = nbformat.read(run_notebook.NOTEBOOK, as_version=4)
    assert run_notebook.texts(ran) == run_notebook.texts(shown), "Type: python scripts/run_notebook.py"


def test_the_notebook_shows_a_figure_for_each_plot():
    shown = nbformat.read(run_notebook.NOTEBOOK, as_version=4)
    cells = [cell for cell in shown.cells if cell.cell_type == "code" and ".plot" in cell.source]
    assert cells and all("image/png" in cell.outputs[-1]["data"] for cell in cells)


def test_the_notebook_names_no_folder_of_the_machine_that_ran_it():
    text = run_notebook.NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"/(home|tmp|root|Users)/", text)


def test_the_code_of_the_page_about_python_runs(ran, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MICROBENCH_DATASET", os.environ.get("MICROBENCH_DATASET", "demo"))
    matplotlib.use("agg")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 7
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert (folder / "scores.pdf").stat().st_size > 0
    assert "\\toprule" in (folder / "table.tex").read_text()
