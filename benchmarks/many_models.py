"""Many models in one command against one command for each.

Models are `demo_clip` with noise of ten seeds on its weights. `microbench run` evaluates them on the demo set, and
writes submissions and the leaderboard; ten runs of `lmms_eval` write results and samples only. Both are fresh
processes, in turn. Samples and figures of both are compared.

With --full-size, also data of many rows and encoders that answer at once: what a further model costs beside its
encoders.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from full_size import write
from result_pages import markdown_table
from timing import origin, seconds_of_process

SCRIPTS = Path(sys.executable).parent
TASKS = "microbench_coarse"
_NOISE = 0.01
# Fields of a results file that must be the same.
_COMPARED = ("results", "groups", "n-samples")


def save_models(folder: Path, count: int) -> list[Path]:
    """Save copies of the demo model with noise on their weights."""
    import torch
    from safetensors.torch import load_file, save_file

    from microbench_adapters.checkpoints.registry import DEMO_CLIP

    weights = load_file(DEMO_CLIP / "open_clip_model.safetensors")
    saved = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        target = folder / f"model_{seed}"
        shutil.copytree(DEMO_CLIP, target)
        noisy = {
            name: values + _NOISE * values.std() * torch.randn(values.shape, generator=generator)
            if values.is_floating_point() and values.ndim > 1
            else values
            for name, values in weights.items()
        }
        save_file(noisy, target / "open_clip_model.safetensors")
        saved.append(target)
    return saved


def write_list(path: Path, models: list[Path]) -> Path:
    """Write a list of models, as JSON, which is YAML too."""
    entries = [
        {"name": model.name, "model": "open_clip", "model_args": {"model": f"local-dir:{model}", "context_length": 96}}
        for model in models
    ]
    path.write_text(json.dumps({"models": entries}))
    return path


def single_command(model: Path, out: Path) -> list[str | Path]:
    options = ["--tasks", TASKS, "--log_samples", "--output_path", out]
    return [
        SCRIPTS / "lmms_eval",
        *("--model", "open_clip", "--model_args", f"model=local-dir:{model},context_length=96"),
        *options,
    ]


def compared(one: Path, other: Path) -> int:
    """Return the number of samples of two runs of a model; end the process unless they and all figures are equal."""
    results = [json.loads(next(folder.rglob("*_results.json")).read_text()) for folder in (one, other)]
    samples = [sorted(samples_in(folder)) for folder in (one, other)]
    if samples[0] != samples[1] or any(results[0].get(key) != results[1].get(key) for key in _COMPARED):
        sys.exit(f"{one} and {other} differ")
    return len(samples[0])


def samples_in(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*_samples_*.jsonl")):
        for line in path.read_text().splitlines():
            sample = json.loads(line)
            yield json.dumps([path.name.partition("_samples_")[2], sample["doc_id"], sample], sort_keys=True)


def against_single_commands(count: int, repeats: int) -> list[str]:
    """Time one command for all models and one for each, in turn."""
    pairs = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models = save_models(folder, count)
        listed = write_list(folder / "models.yaml", models)
        environment = os.environ | {"MICROBENCH_DATASET": "demo", "HF_HUB_OFFLINE": "1"}
        # Draws the demo set and fills the caches of files.
        seconds_of_process(single_command(models[0], folder / "warm"), environment, folder)
        for repeat in range(repeats):
            many, singles = folder / f"many_{repeat}", folder / f"single_{repeat}"
            command = [SCRIPTS / "microbench", "run", listed, "--tasks", TASKS, "--output_path", many]
            together = seconds_of_process(command, environment, folder)
            alone = sum(
                seconds_of_process(single_command(model, singles / model.name), environment, folder) for model in models
            )
            pairs.append((together, alone))
        num_samples = sum(compared(many / model.name, singles / model.name) for model in models)
        own = [
            json.loads((many / model.name / "model.json").read_text())["complete"]["seconds"] for model in models[1:]
        ]
    together, alone = (statistics.median(column) for column in zip(*pairs, strict=True))
    rows = [
        [f"{count} commands `lmms_eval`", f"{alone:.1f}", f"{alone / count:.1f}", ""],
        ["`microbench run`, with leaderboard", f"{together:.1f}", f"{together / count:.1f}", _ratio(pairs)],
    ]
    return [
        "## The demo set",
        f"{count} models, `{TASKS}`; median of {repeats}. A further model takes {statistics.median(own):.1f} s "
        f"(median) within the command. All {num_samples:,} samples and all figures of both are equal.",
        markdown_table(["", "s", "s for each model", "times as fast"], rows),
    ]


def _ratio(pairs: list[tuple[float, float]]) -> str:
    ratios = [alone / together for together, alone in pairs]
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{spread}"


# --- full size -----------------------------------------------------------------------


def run_instantly(arguments: list[str]) -> None:
    """Run ``microbench`` with encoders that answer at once."""
    import torch

    from microbench_adapters.libraries.checkpoint_model import CheckpointModel
    from microbench_adapters.libraries.open_clip_adapter import OpenClip
    from microbench_tasks.cli import program

    def first_numbers(self, batch):
        values = next(iter(batch.values())).flatten(1)[:, :64].float() + 1
        return torch.nn.functional.normalize(values, dim=-1)

    OpenClip.encode_images = OpenClip.encode_texts = first_numbers
    CheckpointModel._smoke_test = lambda self: None
    program.main(arguments)


def beside_instant_encoders(data: Path, num_rows: int, count: int) -> list[str]:
    """Time the models of one command whose encoders take no time."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models = save_models(folder, count)
        listed = write_list(folder / "models.yaml", models)
        environment = os.environ | {"MICROBENCH_DATASET": str(write(data, num_rows)), "HF_HUB_OFFLINE": "1"}
        out = folder / "out"
        command = [sys.executable, __file__, "--instantly", "run", listed, "--tasks", TASKS, "--output_path", out]
        seconds = seconds_of_process(command, environment, folder)
        own = [json.loads((out / model.name / "model.json").read_text())["complete"]["seconds"] for model in models]
        num_samples = sum(1 for _ in samples_in(out / models[0].name))
    rows = [
        ["first model", f"{own[0]:.1f}"],
        ["a further model (median)", f"{statistics.median(own[1:]):.1f}"],
        ["the whole command, with leaderboard", f"{seconds:.1f}"],
    ]
    return [
        "## Data of many rows, encoders that answer at once",
        f"{count} models, {num_rows:,} rows, {num_samples:,} questions of `{TASKS}` for each.",
        markdown_table(["", "s"], rows),
    ]


def main() -> None:
    if sys.argv[1:2] == ["--instantly"]:
        run_instantly(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--full-size", type=Path, metavar="DATA", help="folder of full_size.py, written if missing")
    parser.add_argument("--rows", type=int, default=4_000, help="with which it is written (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    command = f"python benchmarks/many_models.py --models {args.models} --repeats {args.repeats}"
    sections = against_single_commands(args.models, args.repeats)
    if args.full_size:
        command += f" --full-size DATA --rows {args.rows}"
        sections += beside_instant_encoders(args.full_size, args.rows, min(args.models, 4))
    head = ["# Many models", origin(command, "lmms-eval", "torch", "open_clip_torch")]
    text = "\n\n".join([*head, __doc__.split("\n\n", 1)[1].strip(), *sections]) + "\n"
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
