"""Analyse runs from Python: load them, read their samples as a table, compare, slice and plot them.

>>> from microbench_tasks import api
>>> api.load("no such folder")
Traceback (most recent call last):
microbench_tasks.util.errors.DataError: no such folder: no such file or folder.

`docs/python.md` shows each function, and `docs/from-run-to-figure.ipynb` goes from a run to a figure and a table.
Bad input raises `DataError`, whose message says what to do. Tables need pandas, which `datasets` installs.
"""

from microbench_tasks.api.comparisons import Comparison, compare
from microbench_tasks.api.plotting import plot_calibration, plot_confusion, plot_scores, plot_slices
from microbench_tasks.api.runs import Run, load
from microbench_tasks.api.score import Score
from microbench_tasks.util.errors import DataError

__all__ = [
    "Comparison",
    "DataError",
    "Run",
    "Score",
    "compare",
    "load",
    "plot_calibration",
    "plot_confusion",
    "plot_scores",
    "plot_slices",
]
