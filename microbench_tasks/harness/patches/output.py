"""Patch how results and samples are saved; see `microbench_tasks.harness.saving`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from microbench_tasks.harness.patches.patch import Patch, bind_call, replace
from microbench_tasks.harness.patches.targets import TRACKER, Target


def prepare_folder(original: Callable) -> Callable:
    """Check the run's name and the output folder when the tracker is built, before the model is loaded."""

    def initialize(*args: Any, **kwargs: Any) -> None:
        from microbench_tasks.harness import output_folder, run_names

        output_path = bind_call(original, args, kwargs).arguments["output_path"]
        if output_path:
            # Other programs than the launcher start the harness, too, such as torchrun.
            run_names.run_name()
            output_folder.prepare(Path(output_path))
        original(*args, **kwargs)

    return initialize


OUTPUT_FOLDER = Patch(
    name="output folder before the model",
    replacement=replace(f"{TRACKER}.__init__", "output_path", prepare_folder),
    why="The harness notices only after the run that the output folder is not writable.",
    lost="An output folder that is not writable is noticed only at the end of the run.",
    removable="The harness tests the output folder before it loads the model.",
)


def check_free_space(original: Callable) -> Callable:
    """Check, before the model is loaded, that the output folder has enough free disk space for the run."""

    def simple_evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import output_folder, preflight

        call = bind_call(original, args, kwargs).arguments
        output_path = getattr(call["evaluation_tracker"], "output_path", None)
        if output_path:
            names = [name for name in call["tasks"] or () if isinstance(name, str)]
            logs_samples = call["log_samples"] or call["predict_only"]
            num_questions = preflight.num_questions(names, call["limit"]) if logs_samples else 0
            output_folder.check_free_space(Path(output_path), num_questions)
        return original(*args, **kwargs)

    return simple_evaluate


DISK_SPACE = Patch(
    name="disk space for the output",
    replacement=replace(
        "lmms_eval.evaluator:simple_evaluate",
        "tasks evaluation_tracker limit log_samples predict_only",
        check_free_space,
    ),
    why="The harness notices only after the run that the disk is full.",
    lost="A full disk is noticed only at the end of the run.",
    removable="The harness checks the free disk space before it loads the model.",
)


def name_folder(original: Callable) -> Callable:
    """Give every model a folder of its own, whatever its arguments."""

    def log_experiment_args(self: Any, *args: Any, **kwargs: Any) -> None:
        from microbench_tasks.harness import model_folder

        call = bind_call(original, (self, *args), kwargs).arguments
        original(self, *args, **kwargs)
        source, model_args = call["model_source"], call["model_args"]
        self.model_name_sanitized = model_folder.folder_name(
            source if isinstance(source, str) else type(source).__name__,
            model_args if isinstance(model_args, str) else "",
        )

    return log_experiment_args


MODEL_FOLDER = Patch(
    name="a folder for every model",
    replacement=replace(
        "lmms_eval.loggers.evaluation_tracker:GeneralConfigTracker.log_experiment_args",
        "model_source model_args",
        name_folder,
        Target("lmms_eval.utils:sanitize_model_name", ("model_name",)),
        Target("lmms_eval.utils:simple_parse_args_string", ("args_string",)),
    ),
    why="The harness names the folder after the last two parts of one of a few model arguments.",
    lost="Results of different checkpoints may be in one folder, or in --output_path itself.",
    removable="The harness gives different checkpoints different folders.",
)


def save_results(original: Callable) -> Callable:
    """Write the results file atomically, under a name that no other run uses."""

    def save_results_aggregated(self: Any, *args: Any, **kwargs: Any) -> None:
        from microbench_tasks.harness import saving

        call = bind_call(original, (self, *args), kwargs).arguments
        if not self.output_path:
            return original(self, *args, **kwargs)
        return saving.save_results(self, lambda: original(self, *args, **kwargs), call["results"])

    return save_results_aggregated


ATOMIC_RESULTS = Patch(
    name="atomic results files",
    replacement=replace(f"{TRACKER}.save_results_aggregated", "results samples datetime_str", save_results),
    why="The harness names files by the second, writes in place and swallows errors.",
    lost="Two runs may write to one file, and a failed write of the results file is not noticed.",
    removable="The harness writes results atomically, under unique names, and reports failed writes.",
)


def save_samples(original: Callable) -> Callable:
    """Write the samples file of a task atomically, and replace no file of another run."""

    def save_results_samples(self: Any, *args: Any, **kwargs: Any) -> None:
        from microbench_tasks.harness import saving

        call = bind_call(original, (self, *args), kwargs)
        if not self.output_path:
            return original(self, *args, **kwargs)
        samples = call.arguments["samples"]

        def write() -> None:
            # The harness removes fields from the samples while it writes; a second attempt needs them.
            call.arguments["samples"] = [dict(sample) for sample in samples]
            original(*call.args, **call.kwargs)

        return saving.save_samples(self, write, samples)

    return save_results_samples


ATOMIC_SAMPLES = Patch(
    name="atomic samples files",
    replacement=replace(f"{TRACKER}.save_results_samples", "task_name samples", save_samples),
    why="The harness appends to files in place and swallows errors.",
    lost="A missing or incomplete samples file is not noticed.",
    removable="The harness writes samples atomically, and reports failed writes.",
)
