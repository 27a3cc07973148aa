"""Draw plots: numbers in, matplotlib figures out.

Colour-blind readers and gray prints are served: each series has a colour of Okabe and Ito's palette, and also its own
marker, hatch or line style. No function uses pyplot or changes global settings. The user's matplotlib settings have no
effect, so that the same numbers always give the same files.

All arguments are JSON values: sequences, mappings, numbers and texts; None is a missing number. Values, interval ends
and levels are fractions from 0 to 1, differences from -1 to 1. They are drawn in percent.
"""

from microbench_tasks.render.plots.confusion_matrix import confusion
from microbench_tasks.render.plots.count_plots import histograms, letters, reliability
from microbench_tasks.render.plots.difference_plots import differences
from microbench_tasks.render.plots.interval_plots import interval_bars, interval_points
from microbench_tasks.render.plots.labels import HARD_SPACE
from microbench_tasks.render.plots.line_plots import curves, radar
from microbench_tasks.render.plots.saving import lighter, png, save

__all__ = [
    "HARD_SPACE",
    "confusion",
    "curves",
    "differences",
    "histograms",
    "interval_bars",
    "interval_points",
    "letters",
    "lighter",
    "png",
    "radar",
    "reliability",
    "save",
]
