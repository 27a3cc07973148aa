"""What the script ``microbench`` does with checkpoints: merge them into a new one, evaluate along the line between two."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from microbench_adapters import loading, merging
from microbench_adapters.checkpoint_model import listed, merged
from microbench_adapters.checkpoints import CHECKPOINTS
from microbench_adapters.systems import ADAPTERS, adapter

# Beside a merged checkpoint: what it was made of.
MERGE_FILE = "merge.json"
# In the folder of a sweep: its table as data.
SWEEP_FILE = "sweep.json"
# More than that is a step that was mistyped.
_MOST_ALPHAS = 1001


def merge(
    names: Sequence[str],
    out: Path,
    method: str = "linear",
    alpha: float | None = None,
    density: float | None = None,
    library: str | None = None,
) -> dict[str, Any]:
    """Merge the checkpoints ``names`` (the base first, then the fine-tuned) and save the result as a new folder ``out``.

    Returns:
        What ``merge.json`` beside the checkpoint says: method, settings and the hashes of the parts and of the result.

    Raises:
        ValueError: the folder exists or cannot be written, a checkpoint cannot be loaded, or they cannot be merged.
    """
    if out.exists():
        raise ValueError(f"--out {out}: exists already. Name a folder that does not exist yet.")
    if len(names) < 2:
        raise ValueError("Expected at least two checkpoints: the base first, then what was fine-tuned from it.")
    libraries = {name: library or adapter_of(name) for name in names}
    if len(set(libraries.values())) > 1:
        raise ValueError(
            f"Checkpoints of different libraries cannot be merged: {', '.join(f'{name} ({found})' for name, found in libraries.items())}. Set --library if one was mistaken."
        )
    model = adapter(libraries[names[0]])
    merging.check_settings(method, alpha, density, len(names) - 1)
    # Before anything is loaded: a folder that cannot be written costs no work.
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out}: cannot be written: {error}") from error
    parts = [model.loaded_checkpoint(model.resolve(name, {"model": name})) for name in names]
    result, settings = merged(parts, method, alpha, density)
    settings["weights_sha256"] = loading.weights_sha256(result.module.state_dict())
    try:
        # Moved into place when whole.
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
            folder = Path(scratch) / "checkpoint"
            folder.mkdir()
            model.save(result, folder)
            (folder / MERGE_FILE).write_text(json.dumps(settings, indent=1) + "\n")
            shutil.move(folder, out)
    # The library of the format has an error of its own for a full disk.
    except (OSError, SafetensorError) as error:
        raise ValueError(f"--out {out}: cannot be written: {error}") from error
    return settings


def adapter_of(name: str) -> str:
    """The adapter that loads a checkpoint of this name, judged by the name and by the files in a folder.

    Raises:
        ValueError: neither says.
    """
    if name in CHECKPOINTS:
        return CHECKPOINTS[name].adapter
    if name.startswith(("hf-hub:", "local-dir:")):
        return "open_clip"
    folder = Path(name)
    if folder.is_dir():
        for library, file in (
            ("open_clip", "open_clip_config.json"),
            ("transformers_clip", "config.json"),
            ("conch", "pytorch_model.bin"),
        ):
            if (folder / file).is_file():
                return library
        raise ValueError(
            f"{name}: expected a folder with open_clip_config.json (open_clip) or config.json (transformers)."
        )
    if folder.exists():
        raise ValueError(
            f"{name}: a checkpoint file does not say its architecture. Write ARCHITECTURE:{name} for open_clip; for transformers save a folder with its configuration."
        )
    if ":" in name:
        return "open_clip"
    if name.count("/") == 1:
        return "transformers_clip"
    raise ValueError(
        f"{name}: no such folder, repository or model. Expected a folder, org/name, hf-hub:org/name, ARCHITECTURE:tag, or one of {', '.join(CHECKPOINTS)}. Set --library ({', '.join(ADAPTERS)}) if it is right."
    )


def alphas(text: str) -> list[float]:
    """The values of ``start:stop:step``, with the end if a step falls on it, or of a list ``0,0.5,1``.

    Raises:
        ValueError: it is neither, or it has no or too many values.

    >>> alphas("0:1:0.25")
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    try:
        if ":" in text:
            start, stop, step = (float(part) for part in text.split(":"))
            count = math.floor((stop - start) / step + 1e-9) + 1 if step > 0 else 0
            # Rounded, so that steps of 0.1 end at 1 and not beside it.
            found = [round(start + index * step, 10) for index in range(min(count, _MOST_ALPHAS + 1))]
        else:
            found = [float(part) for part in text.split(",")]
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"--alpha {text}: expected start:stop:step (0:1:0.1) or a list (0,0.5,1).") from error
    if (
        not 1 <= len(found) <= _MOST_ALPHAS
        or not all(math.isfinite(value) for value in found)
        or len(set(found)) < len(found)
    ):
        raise ValueError(f"--alpha {text}: expected 1 to {_MOST_ALPHAS} different numbers.")
    return found


def sweep(
    values: Sequence[float], arguments: Sequence[str], model_args: str, out: Path, evaluate: Callable[[], None]
) -> list[dict[str, Any]]:
    """Run the harness once for each alpha, in this process; checkpoints are read from disk once.

    Args:
        values: the alphas.
        arguments: of the harness, without ``--model_args`` and ``--output_path``.
        model_args: with ``merge_with`` and without ``alpha``.
        out: folder that gets a folder for each alpha, and ``sweep.json``.
        evaluate: runs the harness's command line on ``sys.argv``; `SystemExit` with a status means that it failed.

    Returns:
        For each alpha: ``alpha``, ``results`` (its results file), ``groups`` (their names) and
        ``figures``, those of groups and tasks by name.

    Raises:
        ValueError: the arguments name no merge, or a run failed; the results of those before stay.
    """
    from lmms_eval.utils import simple_parse_args_string

    options = simple_parse_args_string(model_args)
    if "merge_with" not in options or "alpha" in options:
        raise ValueError(
            f"--model_args {model_args or '(none)'}: a sweep needs merge_with=<base> in it, and sets alpha itself."
        )
    if "--predict_only" in arguments:
        raise ValueError("--predict_only: a sweep compares scores, which such runs have none of.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("A sweep runs in one process. Run single alphas under torchrun with lmms_eval.")
    for value in values:
        merging.check_settings(
            options.get("merge", "linear"), value, options.get("density"), len(listed(options["merge_with"]))
        )
    rows: list[dict[str, Any]] = []
    with loading.kept_in_memory():
        for value in values:
            folder = out / f"alpha_{_written(value)}"
            before = set(folder.rglob("*_results.json"))
            with _command_line(
                [
                    "lmms_eval",
                    *arguments,
                    "--model_args",
                    f"{model_args},alpha={_written(value)}",
                    "--output_path",
                    str(folder),
                ]
            ):
                try:
                    evaluate()
                except SystemExit as error:
                    if error.code:
                        raise ValueError(
                            f"The run with alpha={_written(value)} failed; see above. {len(rows)} of {len(values)} are done: {out}"
                        ) from error
            written = sorted(set(folder.rglob("*_results.json")) - before)
            if not written:
                raise ValueError(f"The run with alpha={_written(value)} wrote no results file to {folder}; see above.")
            results = json.loads(written[-1].read_text())
            rows.append(
                {
                    "alpha": value,
                    "results": str(written[-1].relative_to(out)),
                    "groups": list(results.get("groups", {})),
                    "figures": _figures(results),
                }
            )
            (out / SWEEP_FILE).write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def _written(value: float) -> str:
    """The shortest text that is read as this very number: ``0.5``, ``1``."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


@contextlib.contextmanager
def _command_line(arguments: list[str]):
    before = sys.argv
    sys.argv = arguments
    try:
        yield
    finally:
        sys.argv = before


def _figures(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    found = results["results"] | results.get("groups", {})
    return {
        name: {
            metric.removesuffix(",none"): value
            for metric, value in figures.items()
            if metric.endswith(",none") and isinstance(value, float)
        }
        for name, figures in found.items()
    }


def sweep_table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of accuracy along alpha, with its interval: of the groups, or if there are none of the tasks."""
    names = [name for name in rows[0]["groups"] or rows[0]["figures"] if "acc" in rows[0]["figures"][name]]
    lines = ["| alpha | " + " | ".join(names) + " |", "| ---: |" + " ---: |" * len(names)]
    for row in rows:
        cells = [_cell(row["figures"].get(name, {})) for name in names]
        lines.append(f"| {_written(row['alpha'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figures: dict[str, float]) -> str:
    if "acc" not in figures:
        return ""
    ends = [figures.get(f"acc_image_ci_{end}") for end in ("low", "high")]
    interval = "" if None in ends else f" [{ends[0]:.4f}, {ends[1]:.4f}]"
    return f"{figures['acc']:.4f}{interval}"
