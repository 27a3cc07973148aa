"""A whole run, from start to end, beside clip-benchmark.

ViT-B/32 with random weights sorts release-shaped images into the classes of one task: as zero-shot classification
by `clip-benchmark`, as questions of the task by this project's command line. Same weights, same images, batches
of 64 in both; every run is a fresh process, and they take turns. What is done once for new images is not timed:
clip-benchmark's archives, and here the hash of the data and a look at every image.

With --models, several sets of weights in one command of each: clip-benchmark takes a list, too.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import datasets
from contrastive import ARCHITECTURE, adapter, save_model
from full_size import write
from result_pages import markdown_table
from timing import origin, seconds_of_process

from microbench_tasks import catalog
from microbench_tasks.data import micrographs

TASK = "microbench_coarse_domain"
SCRIPTS = Path(sys.executable).parent
BATCH_SIZE = "64"
SHARDS = 4  # clip-benchmark reads with as many workers, each of which needs a shard
# clip-benchmark in each precision: its name here, its options, and the run beside it with the model's arguments.
COMPARED = (
    ("clip-benchmark, --no_amp", ["--no_amp"], {"lmms_eval": ""}),
    (
        "clip-benchmark (its default: bfloat16 by autocast)",
        [],
        {"lmms_eval, precision=amp_bf16": ",precision=amp_bf16", "lmms_eval, precision=bf16": ",precision=bf16"},
    ),
)


def questions() -> datasets.Dataset:
    """Those of the task, their images as they are stored."""
    found = micrographs.resolve()
    return found.documents(catalog.TASKS[TASK]).cast_column("image", datasets.Image(decode=False))


def webdataset(asked: datasets.Dataset, folder: Path) -> None:
    """Questions as clip-benchmark reads them: a tar of images with a class each."""
    classes = sorted({option for options in asked["options"] for option in options})
    (folder / "test").mkdir(parents=True)
    (folder / "classnames.txt").write_text("\n".join(classes))
    (folder / "zeroshot_classification_templates.txt").write_text("a micrograph of {c}")
    (folder / "test" / "nshards.txt").write_text(str(SHARDS))
    for shard in range(SHARDS):
        with tarfile.open(folder / "test" / f"{shard}.tar", "w") as tar:
            for index in range(shard, len(asked), SHARDS):
                document = asked[index]
                label = classes.index(document["options"][document["answer_idx"]])
                for suffix, content in (("png", document["image"]["bytes"]), ("cls", str(label).encode())):
                    entry = tarfile.TarInfo(f"{index:06d}.{suffix}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))


def their_command(folder: Path, weights: list[Path]) -> list[str | Path]:
    """Return the command of clip-benchmark for one set of weights or several."""
    return [
        *(sys.executable, "-m", "clip_benchmark.cli", "eval", "--dataset", "wds/microbench"),
        *("--dataset_root", folder / "wds", "--task", "zeroshot_classification", "--model", ARCHITECTURE),
        *("--pretrained", *weights, "--batch_size", BATCH_SIZE, "--output", "{pretrained}.json"),
    ]


def table(asked: datasets.Dataset, weights: Path, checkpoint: Path, folder: Path, repeats: int) -> str:
    images = len(asked)
    webdataset(asked, folder / "wds")
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    theirs = their_command(folder, [weights])
    ours = [SCRIPTS / "lmms_eval", "--model", "open_clip", "--tasks", TASK, "--limit", str(images), "--model_args"]
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for baseline, flags, beside in COMPARED:
            found[baseline].append(seconds_of_process([*theirs, *flags], environment, folder))
            for name, options in beside.items():
                found[name].append(
                    seconds_of_process(
                        [*ours, f"model=local-dir:{checkpoint},batch_size={BATCH_SIZE}{options}"], environment, folder
                    )
                )
    rows = []
    for baseline, _, beside in COMPARED:
        for name in (baseline, *beside):
            median = statistics.median(found[name])
            ratios = [one / other for one, other in zip(found[name], found[baseline], strict=False)]
            ratio = (
                "1" if name == baseline else f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            )
            rows.append([name, f"{median:.1f}", f"{1000 * median / images:.1f}", ratio])
    return f"## {images:,} images\n\nMedian of {repeats}; ratios of neighbours in time.\n\n" + markdown_table(
        ["", "s", "ms per image", "to clip-benchmark"], rows
    )


def list_table(asked: datasets.Dataset, count: int, folder: Path, repeats: int) -> str:
    """Compare one command of each for several models, on all images of the data."""
    webdataset(asked, folder / "wds")
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    weights = [save_model(folder, name=f"model_{seed}", seed=seed) for seed in range(count)]
    entries = []
    for path in weights:
        checkpoint = folder / path.stem
        checkpoint.mkdir()
        model = adapter(path)
        model.save(model.loaded, checkpoint)
        arguments = {"model": f"local-dir:{checkpoint}", "batch_size": int(BATCH_SIZE)}
        entries.append({"name": path.stem, "model": "open_clip", "model_args": arguments})
    listed = folder / "models.yaml"
    # JSON is YAML, too.
    listed.write_text(json.dumps({"models": entries}))
    theirs, _, _ = COMPARED[0]
    found: dict[str, list[float]] = defaultdict(list)
    for repeat in range(repeats):
        found[theirs].append(seconds_of_process([*their_command(folder, weights), "--no_amp"], environment, folder))
        ours = [SCRIPTS / "microbench", "run", listed, "--tasks", TASK, "--output_path", folder / f"runs_{repeat}"]
        found["microbench run, with leaderboard"].append(seconds_of_process(ours, environment, folder))
    rows = []
    for name, seconds in found.items():
        ratios = [one / other for one, other in zip(seconds, found[theirs], strict=True)]
        median = statistics.median(seconds)
        ratio = "1" if name == theirs else f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        rows.append([name, f"{median:.1f}", f"{median / count:.1f}", ratio])
    return f"## A list of {count} models, {len(asked):,} images\n\nMedian of {repeats}.\n\n" + markdown_table(
        ["", "s", "s for each model", "to clip-benchmark"], rows
    )


def head(args: argparse.Namespace) -> str:
    """Render the first lines of the page: how it was made, and what is measured."""
    command = (
        f"python benchmarks/beside_clip_benchmark.py DATA --rows {args.rows} --images "
        f"{' '.join(map(str, args.images))} --repeats {args.repeats}"
        + (f" --models {args.models}" if args.models else "")
    )
    made = origin(
        f'pip install clip-benchmark "numpy<2.4" && {command}',
        "open_clip_torch",
        "torch",
        "lmms-eval",
        "clip-benchmark",
    )
    return "\n\n".join(["# Beside clip-benchmark", made, __doc__.split("\n\n", 1)[1].strip()])


def tables(asked: datasets.Dataset, args: argparse.Namespace) -> Iterator[str]:
    """Measure, and yield each table once it is done."""
    with tempfile.TemporaryDirectory() as scratch:
        weights = save_model(Path(scratch))
        checkpoint = Path(scratch) / "checkpoint"
        checkpoint.mkdir()
        model = adapter(weights)
        model.save(model.loaded, checkpoint)
        for images in args.images:
            folder = Path(scratch) / str(images)
            folder.mkdir()
            yield table(asked.select(range(images)), weights, checkpoint, folder, args.repeats)
        if args.models:
            folder = Path(scratch) / "list"
            folder.mkdir()
            yield list_table(asked, args.models, folder, args.repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of benchmarks/full_size.py, written if it is not there")
    parser.add_argument("--rows", type=int, default=2800, help="with which it is written (default: %(default)s)")
    parser.add_argument(
        "--images", type=int, nargs="*", default=[650, 2500], help="how many are sorted (default: %(default)s)"
    )
    parser.add_argument("--models", type=int, help="also so many models in one command, about all images of the data")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    os.environ["MICROBENCH_DATASET"] = str(write(args.data, args.rows))
    os.environ["HF_HUB_OFFLINE"] = "1"
    asked = questions()
    if max(args.images, default=0) > len(asked):
        parser.error(
            f"--images {max(args.images)}: {args.data} has {len(asked)} images for {TASK}; write it with more --rows."
        )
    parts = [head(args)]
    print(parts[0])
    for part in tables(asked, args):
        # As it comes: the whole takes half an hour.
        print(f"\n{part}", flush=True)
        parts.append(part)
    if args.out:
        args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
