"""Evaluate merges of checkpoints for several values of alpha (``microbench sweep``)."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_adapters.checkpoints import loading, merging
from microbench_adapters.libraries.options import parse_merge_with
from microbench_adapters.models import pixel_store
from microbench_adapters.models.embeddings import write_atomically

# The table of a sweep as data, in the sweep's folder.
SWEEP_FILE = "sweep.json"
# Exit statuses above it tell of a signal, such as Ctrl-C.
_LEAST_OF_SIGNALS = 128
# Options of the harness and arguments of models that change no figure, so that a sweep may go on with others.
_TECHNICAL_OPTIONS = frozenset({"--batch_size", "--max_batch_size", "--device", "--use_cache", "--verbosity"})
_TECHNICAL_ARGUMENTS = frozenset({"batch_size", "device", "cache_dir", "pixels_dir"})
# A longer list results from a mistyped step.
_MAX_ALPHAS = 1001


class SweepInterrupted(SystemExit):
    """End the process after a signal ended a run.

    Attributes:
        remaining: the alphas without results.
    """

    def __init__(self, status: int, remaining: Sequence[float]) -> None:
        super().__init__(status)
        self.remaining = list(remaining)


class SweepFailedError(ValueError):
    """Report that a run of a sweep failed.

    Attributes:
        remaining: the alphas without results.
    """

    def __init__(self, message: str, remaining: Sequence[float]) -> None:
        super().__init__(message)
        self.remaining = list(remaining)


def parse_alphas(text: str) -> list[float]:
    """Parse ``start:stop:step``, which includes the end if a step falls on it, or a list ``0,0.5,1``.

    Raises:
        ValueError: the text is neither, or gives no, too many or equal values.

    >>> parse_alphas("0:1:0.25")
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    try:
        if ":" in text:
            start, stop, step = (float(part) for part in text.split(":"))
            count = math.floor((stop - start) / step + 1e-9) + 1 if step > 0 else 0
            # Rounded, so that steps of 0.1 end at exactly 1.
            values = [round(start + index * step, 10) for index in range(min(count, _MAX_ALPHAS + 1))]
        else:
            values = [float(part) for part in text.split(",")]
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"--alpha {text}: expected start:stop:step (0:1:0.1) or a list (0,0.5,1).") from error
    is_finite = all(math.isfinite(value) for value in values)
    if not 1 <= len(values) <= _MAX_ALPHAS or not is_finite or len(set(values)) < len(values):
        raise ValueError(f"--alpha {text}: expected 1 to {_MAX_ALPHAS} different numbers.")
    return values


def run_sweep(
    values: Sequence[float],
    arguments: Sequence[str],
    model_args: str,
    out: Path,
    evaluate: Callable[[], None],
    data_settings: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Run the harness once for each alpha, in this process; checkpoints are read and images decoded once.

    Other alphas that ``out`` has of the same model, tasks and options are kept, so that a sweep can go on.

    Args:
        values: the alphas.
        arguments: of the harness, without ``--model_args`` and ``--output_path``.
        model_args: with ``merge_with`` and without ``alpha``.
        out: folder that gets a folder for each alpha, and ``sweep.json``.
        evaluate: runs the harness's command line on ``sys.argv``; `SystemExit` with a status means that it failed.
        data_settings: what else decides figures, such as settings that name the data.

    Returns:
        For each alpha, in order: ``alpha``, ``results`` (its results file), ``groups`` (their names), ``figures``,
        those of groups and tasks by name, and ``settings``, equal where all that decides figures is equal.

    Raises:
        ValueError: the arguments name no merge.
        SweepFailedError: a run failed; results of earlier runs stay on disk.
        SweepInterrupted: at Ctrl-C or SIGTERM.
    """
    _check_sweep(values, arguments, model_args)
    _check_place(out)
    settings = loading.json_sha256([*_deciding(arguments, model_args), *data_settings])
    rows = _kept_rows(out, settings)
    with loading.cache_checkpoints(), pixel_store.shared():
        for position, value in enumerate(values):
            folder = out / f"alpha_{format_alpha(value)}"
            options = ("--model_args", f"{model_args},alpha={format_alpha(value)}", "--output_path", str(folder))
            before = set(folder.rglob("*_results.json"))
            with _command_line(["lmms_eval", *arguments, *options]):
                try:
                    evaluate()
                except SystemExit as error:
                    if isinstance(error.code, int) and error.code > _LEAST_OF_SIGNALS:
                        raise SweepInterrupted(error.code, values[position:]) from error
                    if error.code:
                        raise SweepFailedError(
                            f"The run with alpha={format_alpha(value)} failed; see above. "
                            f"{position} of {len(values)} are done: {out}",
                            values[position:],
                        ) from error
            new = sorted(set(folder.rglob("*_results.json")) - before)
            if not new:
                raise SweepFailedError(
                    f"The run with alpha={format_alpha(value)} wrote no results file to {folder}; see above.",
                    values[position:],
                )
            # Another one of this alpha is replaced only now: the run may be stopped before.
            others = [row for row in rows if row["alpha"] != value]
            rows = sorted([*others, _row(value, new[-1], out) | {"settings": settings}], key=lambda row: row["alpha"])
            write_atomically(out / SWEEP_FILE, f"{json.dumps(rows, indent=1)}\n".encode())
    return rows


def _deciding(arguments: Sequence[str], model_args: str) -> list[str]:
    """Return the arguments that decide figures."""
    kept, is_value = [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if name in _TECHNICAL_OPTIONS:
            is_value = not equals
        elif is_value and not argument.startswith("-"):
            is_value = False
        else:
            is_value = False
            kept.append(argument)
    of_model = [part for part in model_args.split(",") if part.partition("=")[0] not in _TECHNICAL_ARGUMENTS]
    return [*kept, ",".join(of_model)]


def _kept_rows(out: Path, settings: str) -> list[dict[str, Any]]:
    """Return the rows of an earlier sweep with the same settings."""
    try:
        rows = json.loads((out / SWEEP_FILE).read_text())
        kept = [row for row in rows if row.get("settings") == settings and (out / row["results"]).is_file()]
    # The file is missing, or something else.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    if len(kept) < len(rows):
        logger.warning(
            f"{out / SWEEP_FILE}: {len(rows) - len(kept)} alphas of other options or data are left out of the table; "
            "their results files stay. Type another --output_path to keep both."
        )
    return kept


def _check_sweep(values: Sequence[float], arguments: Sequence[str], model_args: str) -> None:
    from lmms_eval.utils import simple_parse_args_string

    options = simple_parse_args_string(model_args)
    if "merge_with" not in options or "alpha" in options:
        raise ValueError(
            f"--model_args {model_args or '(none)'}: a sweep needs merge_with=<base> in it, and sets alpha itself."
        )
    if "--predict_only" in arguments:
        raise ValueError("--predict_only: a sweep compares scores, and such runs compute none.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("A sweep runs in one process. Run single alphas under torchrun with lmms_eval.")
    num_others = len(parse_merge_with(options["merge_with"]))
    for value in values:
        merging.check_settings(options.get("merge", "linear"), value, options.get("density"), num_others)


def _check_place(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--output_path {out}: cannot be written ({error.strerror}). Name another folder.") from error


def _row(alpha: float, results_file: Path, out: Path) -> dict[str, Any]:
    results = json.loads(results_file.read_text())
    return {
        "alpha": alpha,
        "results": str(results_file.relative_to(out)),
        "groups": list(results.get("groups", {})),
        "figures": _figures(results),
    }


def format_alpha(value: float) -> str:
    """Return the shortest text that parses to exactly this number: ``0.5``, ``1``."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


@contextlib.contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = arguments
    try:
        yield
    finally:
        sys.argv = before


def _figures(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the metrics of each task and group, without the filter's name behind theirs."""
    return {
        name: {
            metric.removesuffix(",none"): value
            for metric, value in figures.items()
            if metric.endswith(",none") and isinstance(value, float)
        }
        for name, figures in (results["results"] | results.get("groups", {})).items()
    }


def format_sweep_table(rows: Sequence[dict[str, Any]]) -> str:
    """Format accuracy and its interval along alpha as a Markdown table, of groups if there are any, else of tasks."""
    names = [name for name in rows[0]["groups"] or rows[0]["figures"] if "acc" in rows[0]["figures"][name]]
    lines = ["| alpha | " + " | ".join(names) + " |", "| ---: |" + " ---: |" * len(names)]
    for row in rows:
        cells = [_cell(row["figures"].get(name, {})) for name in names]
        lines.append(f"| {format_alpha(row['alpha'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figures: dict[str, float]) -> str:
    if "acc" not in figures:
        return ""
    low, high = (figures.get(f"acc_image_ci_{end}") for end in ("low", "high"))
    interval = "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
    return f"{figures['acc']:.4f}{interval}"
