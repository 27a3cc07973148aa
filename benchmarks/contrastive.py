"""How far a contrastive run is from its encoders' limit.

ViT-B/32 with random weights answers all closed questions about release-shaped images through lmms-eval.
Beside the adapter's generation phase stand, in the same process and in turn: the bare encoders on the same
distinct images and texts, ready as tensors, in batches of the same size; and a loop that treats every question
by itself, timed on a sample and extrapolated to all questions. Then the same with embeddings kept on disk, and
with less precision or compiled, with the share of letters that agree: of these weights, and of
the demo model on the demo set.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
from full_size import write
from result_pages import markdown_table
from timing import origin

from microbench_adapters import named_models
from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_tasks.catalog import RELEASE_QUESTIONS

ARCHITECTURE = "ViT-B-32"
TASKS = "microbench_vqa"
PARTS = ("encoders", "kept", "precision")
# Closed questions of the release: coarse ones, and one fine one of each image.
QUESTIONS = 79_716 + RELEASE_QUESTIONS


def save_model(folder: Path, architecture: str = ARCHITECTURE, name: str | None = None, seed: int = 0) -> Path:
    """Random weights in open_clip's own layout, as one file that both programs load."""
    torch.manual_seed(seed)
    path = folder / f"{name or architecture}.pt"
    torch.save(open_clip.create_model(architecture).state_dict(), path)
    return path


def adapter(
    weights: Path, architecture: str = ARCHITECTURE, model_class: type[OpenClip] = OpenClip, **options: Any
) -> OpenClip:
    settings = open_clip.get_pretrained_cfg(architecture, "openai")
    preprocess = json.dumps(
        {"mean": settings["mean"], "std": settings["std"], "interpolation": "bicubic", "resize_mode": "shortest"}
    )
    return model_class(architecture, pretrained=str(weights), preprocess=preprocess, **options)


class Timed:
    """What one run of the harness asked a model, the answers, and how long the generation phase took."""

    def __init__(self, model: OpenClip) -> None:
        from lmms_eval.evaluator import simple_evaluate

        generate = model.generate_until

        def timed(requests):
            self.requests = requests
            self.start = time.perf_counter()
            self.answers = generate(requests)
            self.seconds = time.perf_counter() - self.start
            return self.answers

        model.generate_until = timed
        # As the command line does: what was imported is not scanned for garbage. Models before this one are.
        gc.collect()
        gc.freeze()
        # As the command line sets it.
        backend = "torchrun" if "TORCHELASTIC_RUN_ID" in os.environ else "accelerate"
        simple_evaluate(
            model=model, tasks=[TASKS], bootstrap_iters=0, log_samples=False, distributed_executor_backend=backend
        )

    def letters(self) -> list[str]:
        return [answer.split("\n")[0] for answer in self.answers]


@contextmanager
def counted(model: OpenClip):
    """Collect the inputs that reach the encoders."""
    inputs: dict[str, list[dict[str, torch.Tensor]]] = {"encode_images": [], "encode_texts": []}
    originals = {name: getattr(model, name) for name in inputs}
    for name, original in originals.items():
        setattr(
            model, name, lambda batch, name=name, original=original: (inputs[name].append(batch), original(batch))[1]
        )
    try:
        yield inputs
    finally:
        for name, original in originals.items():
            setattr(model, name, original)


def bare(model: OpenClip, inputs: dict[str, list[dict[str, torch.Tensor]]]) -> tuple[float, float]:
    """Seconds that the encoders alone take for the images and for the texts that the run gave them."""
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in inputs["encode_images"]:
            model.module.encode_image(batch["pixels"].to(model.input_dtype))
        synchronize(model)
        between = time.perf_counter()
        for batch in inputs["encode_texts"]:
            model.module.encode_text(batch["tokens"])
        synchronize(model)
    return between - start, time.perf_counter() - between


def synchronize(model: OpenClip) -> None:
    """Wait for what a GPU was given to do."""
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)


def per_question(model: OpenClip, requests: list, sample: int) -> tuple[float, float]:
    """Seconds for all questions, extrapolated from ``sample`` evenly spaced ones, and the time of the sample.

    Each question decodes its image, encodes it by itself, and encodes its captions.
    """
    chosen = requests[:: max(1, len(requests) // sample)][:sample]
    start = time.perf_counter()
    with torch.inference_mode():
        for request in chosen:
            _, _, doc_to_visual, doc_id, _, split = request.args
            document = doc_to_visual.__self__.dataset[split][doc_id]
            image = model.loaded.preprocess(doc_to_visual(document)[0])[None]
            texts = model.loaded.tokenizer(document["captions"])
            vectors = (
                torch.nn.functional.normalize(model.module.encode_image(image)),
                torch.nn.functional.normalize(model.module.encode_text(texts)),
            )
            (vectors[0] @ vectors[1].T).argmax().item()
    seconds = time.perf_counter() - start
    return seconds / len(chosen) * len(requests), seconds


def against_the_encoders(weights: Path, repeats: int, sample: int) -> list[str]:
    runs, bares = [], []
    for _ in range(repeats):
        model = adapter(weights)
        with counted(model) as inputs:
            run = Timed(model)
        runs.append(run.seconds)
        bares.append(bare(model, inputs))
    ratios = [seconds / sum(alone) for seconds, alone in zip(runs, bares, strict=False)]
    images, texts = (sum(len(next(iter(batch.values()))) for batch in inputs[name]) for name in inputs)
    looped, sampled = per_question(model, run.requests, sample)
    seconds, alone = statistics.median(runs), statistics.median(map(sum, bares))
    # Of the release: images are more, texts are not.
    of_texts = statistics.median(texts_alone / sum((images_alone, texts_alone)) for images_alone, texts_alone in bares)
    whole = seconds * ((1 - of_texts) * RELEASE_QUESTIONS / images + of_texts)
    whole_loop = looped / len(run.requests) * QUESTIONS
    rows = [
        [
            "adapter, generation phase",
            f"{seconds:.1f}",
            f"{1000 * seconds / images:.0f}",
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
        ],
        ["bare encoders, tensors ready", f"{alone:.1f}", f"{1000 * alone / images:.0f}", "1"],
        ["per-question loop, extrapolated", f"{looped:.0f}", f"{1000 * looped / images:.0f}", f"{looped / alone:.1f}"],
    ]
    text = (
        f"{len(run.requests):,} questions about {images:,} images with {texts:,} distinct texts; median of "
        f"{repeats}, ratios of neighbours in time. The adapter is {looped / seconds:.1f} times faster than the loop, "
        f"of which {sample} questions were timed ({sampled:.0f} s). That implies for the {QUESTIONS:,} questions "
        f"about {RELEASE_QUESTIONS:,} images of the release {whole / 60:.0f} minutes against {whole_loop / 3600:.1f} "
        f"hours, {whole_loop / whole:.1f} times less."
    )
    return [
        "## Against the encoders and the loop",
        text,
        markdown_table(["", "s", "ms per image", "to the bare encoders"], rows),
    ]


VARIANTS = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "amp_bf16": {"precision": "amp_bf16"},
    "fp32, compiled": {"compile": True},
    "bf16, compiled": {"precision": "bf16", "compile": True},
}


def kept(weights: Path, folder: Path) -> list[str]:
    rows, first = [], None
    for name, options in {
        "no cache_dir": {},
        "cache_dir, first run": {"cache_dir": folder},
        "cache_dir, second run": {"cache_dir": folder},
    }.items():
        model = adapter(weights, **options)
        with counted(model) as inputs:
            run = Timed(model)
        first = first or run
        encoded = (sum(len(next(iter(batch.values()))) for batch in batches) for batches in inputs.values())
        rows.append([name, *map(str, encoded), f"{run.seconds:.1f}", f"{100 * agreement(first, run):.2f}"])
    return [
        "## Kept embeddings",
        "One run each.",
        markdown_table(["", "images encoded", "texts encoded", "s", "letters equal, %"], rows),
    ]


def agreement(one: Timed, other: Timed) -> float:
    return sum(map(str.__eq__, one.letters(), other.letters())) / len(one.answers)


def less_precise(weights: Path) -> list[str]:
    random, trained = (
        {name: Timed(build(options)) for name, options in VARIANTS.items()}
        for build in (lambda options: adapter(weights, **options), demo_model)
    )
    rows = [
        [
            name,
            f"{random[name].seconds:.1f}",
            f"{random['fp32'].seconds / random[name].seconds:.2f}",
            f"{100 * agreement(random['fp32'], random[name]):.2f}",
            f"{100 * agreement(trained['fp32'], trained[name]):.2f}",
        ]
        for name in VARIANTS
    ]
    text = (
        "One run each; generation phase, without the time in which a compiled model is tried out. Random weights "
        "leave the options of a question almost equally likely: letters of a trained model, such as the demo model, "
        "agree more often."
    )
    return [
        "## Less precision, and compiled",
        text,
        markdown_table(["", "s", "times as fast as fp32", "letters equal, %", "of the demo model, %"], rows),
    ]


def demo_model(options: dict[str, Any]) -> OpenClip:
    """The demo model; what it is asked is the demo set from here on."""
    os.environ["MICROBENCH_DATASET"] = "demo"
    return named_models.demo_clip(**options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of benchmarks/full_size.py, written if it is not there")
    parser.add_argument("--rows", type=int, default=700, help="with which it is written (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument(
        "--sample", type=int, default=30, help="questions that the loop is timed on (default: %(default)s)"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="default: all of %(choices)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    os.environ["MICROBENCH_DATASET"] = str(write(args.data, args.rows))
    os.environ["HF_HUB_OFFLINE"] = "1"
    command = (
        f"python benchmarks/contrastive.py DATA --rows {args.rows} --repeats {args.repeats} --sample {args.sample}"
        + (f" --parts {' '.join(args.parts)}" if args.parts else "")
    )
    parts = [
        "# Contrastive runs at the encoder's limit",
        origin(command, "open_clip_torch", "torch", "lmms-eval"),
        __doc__.split("\n\n", 1)[1].strip(),
    ]
    print("\n\n".join(parts))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        weights = save_model(folder)
        measures = {
            "encoders": lambda: against_the_encoders(weights, args.repeats, args.sample),
            "kept": lambda: kept(weights, folder / "kept"),
            "precision": lambda: less_precise(weights),
        }
        for part in args.parts or measures:
            found = measures[part]()
            # As it comes: the whole takes half an hour.
            print("\n" + "\n\n".join(found), flush=True)
            parts += found
    if args.out:
        args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
