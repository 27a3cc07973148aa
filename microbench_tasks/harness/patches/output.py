"""Patch how results and samples are saved; see `microbench_tasks.harness.saving`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from microbench_tasks.harness.patches.patch import bind


def prepare_folder(original: Callable) -> Callable:
    """Create the output folder and test writing to it when the tracker is built, before the model is loaded."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        from microbench_tasks.harness import saving

        output_path = bind(original, args, kwargs).arguments["output_path"]
        if output_path:
            saving.prepare_folder(Path(output_path))
        original(*args, **kwargs)

    return __init__


def check_room(original: Callable) -> Callable:
    """Check, before the model is loaded, that the output folder has enough free disk space for the run."""

    def simple_evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import preflight, saving

        call = bind(original, args, kwargs).arguments
        output_path = getattr(call["evaluation_tracker"], "output_path", None)
        if output_path:
            names = [name for name in call["tasks"] or () if isinstance(name, str)]
            logs_samples = call["log_samples"] or call["predict_only"]
            number = preflight.num_questions(names, call["limit"]) if logs_samples else 0
            saving.check_room(Path(output_path), number)
        return original(*args, **kwargs)

    return simple_evaluate


def name_folder(original: Callable) -> Callable:
    """Give every model a folder: for some model arguments the harness finds no name and writes to the parent folder."""

    def log_experiment_args(self: Any, *args: Any, **kwargs: Any) -> None:
        from lmms_eval.utils import sanitize_model_name

        original(self, *args, **kwargs)
        source = self.model_source if isinstance(self.model_source, str) else type(self.model_source).__name__
        self.model_name_sanitized = self.model_name_sanitized or sanitize_model_name(source)

    return log_experiment_args


def save_results(original: Callable) -> Callable:
    """Write the results file atomically, under a name that no other run uses."""

    def save_results_aggregated(self: Any, *args: Any, **kwargs: Any) -> None:
        from microbench_tasks.harness import saving

        call = bind(original, (self, *args), kwargs).arguments
        if not self.output_path:
            return original(self, *args, **kwargs)
        return saving.save_results(self, lambda: original(self, *args, **kwargs), call["results"])

    return save_results_aggregated


def save_samples(original: Callable) -> Callable:
    """Write the samples file of a task atomically."""

    def save_results_samples(self: Any, *args: Any, **kwargs: Any) -> None:
        from microbench_tasks.harness import saving

        call = bind(original, (self, *args), kwargs)
        if not self.output_path:
            return original(self, *args, **kwargs)
        samples = call.arguments["samples"]

        def write() -> None:
            # The harness removes fields from the samples while it writes; a second attempt needs them.
            call.arguments["samples"] = [dict(sample) for sample in samples]
            original(*call.args, **call.kwargs)

        return saving.save_samples(self, write, samples)

    return save_results_samples
