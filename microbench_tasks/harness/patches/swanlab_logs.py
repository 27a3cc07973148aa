"""Let ``--swanlab_args`` log all metrics of a run, once.

The harness's SwanLab logger is a copy of its Weights & Biases logger, and shares the faults that are fixed here.
"""

from __future__ import annotations

from microbench_tasks.harness.patches.patch import Patch, replace
from microbench_tasks.harness.patches.weights_and_biases import drop_unloggable, start_once

_SWANLAB = "lmms_eval.loggers.swanlab_logger:SwanLabLogger"

SINGLE_SWANLAB_RUN = Patch(
    name="SwanLab: one run for all processes",
    replacement=replace(f"{_SWANLAB}.__init__", "kwargs", start_once),
    why="The harness starts a SwanLab run in each process.",
    lost="With several processes, --swanlab_args starts several SwanLab runs.",
    removable="The harness starts SwanLab only in the first process.",
)

SWANLAB_METRICS = Patch(
    name="SwanLab: metrics without errors",
    replacement=replace(f"{_SWANLAB}.post_init", "results", drop_unloggable),
    why="SwanLab prints an error for each entry without a value, and the logger omits the model that was loaded.",
    lost="--swanlab_args prints errors about empty lists, and logs neither the loaded model nor numbers of samples.",
    removable="The harness's logger skips entries without a value.",
)
