"""How long a GPU waits for images, and what a further model costs.

Models with random weights answer all closed questions about release-shaped images through lmms-eval. Each is run
twice with images kept in memory (``pixel_store.shared``): the first run decodes and resizes them, the second finds
them, as a further model does in a sweep or in ``microbench run``. Beside both stand the bare encoders on the same
distinct images and texts, ready as tensors on the device, in the same process.

A second table compares reading on threads and in processes, without an encoder. A third compares answers with those
of the CPU, whose letters do not depend on the device unless two options are almost equally likely.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from contrastive import Timed, adapter, bare, counted, save_model, synchronize
from full_size import write
from result_pages import markdown_table
from timing import origin

from microbench_adapters import named_models
from microbench_adapters.models import choices as task_choices
from microbench_adapters.models import image_reading, pixel_store
from microbench_adapters.models.execution import num_cores, prefetch_map

MODELS = tuple(
    f"{architecture}:{precision}" for architecture in ("ViT-B-32", "ViT-L-14") for precision in ("fp32", "bf16")
)


def run_models(folder: Path, models: list[str], device: str) -> tuple[list[str], Any]:
    """Measure each model; return the section and the last run."""
    rows = []
    for name in models:
        architecture, precision = name.split(":")
        options: dict[str, Any] = {"architecture": architecture, "precision": precision, "device": device}
        weights = save_model(folder, architecture)
        with pixel_store.shared():
            # The first model of a process pays for what libraries prepare, too.
            model = adapter(weights, **options)
            with counted(model) as inputs:
                first = Timed(model)
            synchronize(model)
            bare(model, inputs)
            alone = sum(bare(model, inputs))
            del inputs
            again = Timed(adapter(weights, **options))
        rows.append(
            [
                f"{architecture} {precision}",
                str(model.batch_size),
                f"{alone:.2f}",
                f"{first.seconds:.2f}",
                f"{first.seconds / alone:.2f}",
                f"{again.seconds:.2f}",
                f"{again.seconds / alone:.2f}",
                "yes" if first.answers == again.answers else f"{100 * equal_letters(first, again):.2f} % of letters",
            ]
        )
        print(rows[-1], flush=True)
    header = [
        "model",
        "batch",
        "bare encoders, s",
        "first run, s",
        "ratio",
        "images resized before, s",
        "ratio",
        "answers equal",
    ]
    text = f"Generation phase: {len(first.requests):,} questions."
    return ["## Generation phase and bare encoders", text, markdown_table(header, rows)], first


def equal_letters(one: Timed, other: Timed) -> float:
    """Return the share of equal letters."""
    pairs = list(zip(one.letters(), other.letters(), strict=True))
    return sum(a == b for a, b in pairs) / len(pairs)


def read_alone(run: Timed, folder: Path) -> list[str]:
    """Measure reading without an encoder, and reading the questions."""
    weights = save_model(folder)
    model = adapter(weights, device="cpu")
    start = time.perf_counter()
    choices = task_choices.read_choices(run.requests)
    reading_choices = time.perf_counter() - start
    questions = list({choice.image.key: choice.image for choice in choices}.values())
    example = model.resize(questions[0].images.load(0))
    rows = []
    for workers in sorted({4, 8, num_cores() - 1}):
        seconds = []
        for start_reading in (
            lambda workers=workers: image_reading.ReadingProcesses(model.load_image, questions, example, 64, workers),
            lambda workers=workers: prefetch_map(model.load_image, questions, 128, workers),
        ):
            start = time.perf_counter()
            with contextlib.closing(start_reading()) as images:
                count = sum(1 for _ in images)
                seconds.append(time.perf_counter() - start)
        rows.append([str(workers), *(f"{count / each:,.0f}" for each in seconds)])
        print(rows[-1], flush=True)
    text = (
        f"{count:,} images, decoded and resized to 224 x 224 pixels; the start of the processes is included. "
        f"Reading the {len(choices):,} questions themselves takes {reading_choices:.2f} s."
    )
    return ["## Reading alone, images a second", text, markdown_table(["workers", "processes", "threads"], rows)]


def compare_answers(device: str) -> list[str]:
    """Compare the demo model's answers with those of the CPU."""
    os.environ["MICROBENCH_DATASET"] = "demo"
    on_cpu = Timed(named_models.demo_clip(device="cpu"))
    rows = []
    for precision in ("fp32", "bf16", "fp16", "amp", "amp_bf16"):
        if device == "cpu" and precision in ("fp16", "amp"):
            continue
        run = Timed(named_models.demo_clip(device=device, precision=precision))
        most = max(
            abs(p - q)
            for one, other in zip(probabilities(run), probabilities(on_cpu), strict=True)
            for p, q in zip(one, other, strict=True)
        )
        rows.append([precision, f"{100 * equal_letters(run, on_cpu):.2f}", f"{most:.1e}"])
        print(rows[-1], flush=True)
    text = f"The demo model on the demo set, {len(on_cpu.answers):,} answers, against the CPU in fp32."
    header = ["precision", "letters equal, %", "largest difference of a probability"]
    return ["## Answers", text, markdown_table(header, rows)]


def probabilities(run: Timed) -> list[list[float]]:
    """Return the probabilities in each answer."""
    import json

    return [list(json.loads(answer.split("\n")[1])["probabilities"].values()) for answer in run.answers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of benchmarks/full_size.py, written if it is not there")
    parser.add_argument("--rows", type=int, default=4000, help="with which it is written (default: %(default)s)")
    parser.add_argument("--device", default="cuda", help="default: %(default)s")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: all")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    os.environ["MICROBENCH_DATASET"] = str(write(args.data, args.rows))
    os.environ["HF_HUB_OFFLINE"] = "1"
    name = torch.cuda.get_device_name() if args.device.startswith("cuda") else "the CPU"
    command = f"python benchmarks/on_a_gpu.py DATA --rows {args.rows} --models {' '.join(args.models)}"
    parts = [
        "# A contrastive run on a GPU",
        origin(command, "open_clip_torch", "torch", "lmms-eval"),
        f"Device: {name}.",
        __doc__.strip(),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        section, run = run_models(Path(scratch), args.models, args.device)
        reading = read_alone(run, Path(scratch))
        parts += [*section, *reading, *compare_answers(args.device)]
    page = "\n\n".join(parts) + "\n"
    print(page)
    if args.out:
        args.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
