"""Forgetting and merging on the demo set: the paper's Figure 5 in small.

A generalist (``demo_clip``), a pathology specialist fine-tuned from it (``scripts/finetune_demo_clip.py``) and the
models on the line between their weights, each evaluated by ``microbench sweep``. Writes a page and a picture.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from result_pages import markdown_table, page

from microbench_tasks.catalog import COARSE_GROUP, FINE_GROUP, PATHOLOGY_DATASETS
from microbench_tasks.metrics.intervals import accuracy_interval

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sys.executable).parent
# Colours that the colour-blind tell apart (Okabe and Ito).
COLOURS = {"coarse": "#0072B2", "pathology": "#D55E00", "other fine": "#009E73"}
LABELS = {
    "coarse": "coarse questions, all images",
    "pathology": "fine questions, pathology datasets",
    "other fine": "fine questions, other datasets",
}

READING = """\
The paper's finding with PLIP and QuiltNet, here with synthetic images. A model that is fine-tuned on pathology alone
forgets what the rest of microscopy looks like. Interpolating its weights with those of its base,
(1 - alpha) * base + alpha * specialist, needs no training. It brings most of the rest back, and the speciality stays.
alpha 0 is `demo_clip`, alpha 1 the specialist. Accuracy with its 95 % interval; all answers about an image are kept
together. The figures show that forgetting and merging are measured. They say nothing about microscopy."""


@dataclass(frozen=True)
class Score:
    """Accuracy of one part of the questions with its interval, all as fractions."""

    accuracy: float
    low: float
    high: float
    questions: int


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--specialist", type=Path, default=None, help="folder of a fine-tuned demo_clip (default: fine-tune one now)"
    )
    parser.add_argument("--alpha", default="0:1:0.1", help="as of microbench sweep (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_suffix(".md"),
        help="page to write; the picture lies beside it (default: %(default)s)",
    )
    return parser.parse_args()


def sweep(specialist: Path, alpha: str, folder: Path) -> dict[float, dict[str, Score]]:
    """Evaluate along the line; the scores of each part by alpha."""
    model_args = f"model=local-dir:{specialist},merge_with=demo_clip"
    command = [
        SCRIPTS / "microbench",
        "sweep",
        "--alpha",
        alpha,
        "--model",
        "open_clip",
        "--model_args",
        model_args,
        "--tasks",
        "microbench_vqa",
        "--log_samples",
        "--output_path",
        folder,
    ]
    subprocess.run(
        [str(part) for part in command],
        check=True,
        env=os.environ | {"MICROBENCH_DATASET": "demo"},
        stdout=subprocess.DEVNULL,
    )
    rows = json.loads((folder / "sweep.json").read_text())
    return {row["alpha"]: scores((folder / row["results"]).parent) for row in rows}


def scores(folder: Path) -> dict[str, Score]:
    """The score of each part from the logged samples of one run."""
    answers: dict[str, list[tuple[str, float]]] = {part: [] for part in LABELS}
    for task, sample in samples(folder):
        item = sample["acc"]
        is_pathology = item["dataset"] in PATHOLOGY_DATASETS
        part = "coarse" if task.startswith(COARSE_GROUP) else "pathology" if is_pathology else "other fine"
        answers[part].append((f"{item['dataset']} {item['image_id']}", item["acc"]))
    found = {}
    for part, pairs in answers.items():
        images, right = zip(*pairs, strict=False)
        interval = accuracy_interval(right, images)
        found[part] = Score(float(np.mean(right)), interval.low, interval.high, len(right))
    return found


def samples(folder: Path) -> Iterator[tuple[str, dict]]:
    """Every logged sample of the closed questions, with its task's name."""
    for path in sorted(folder.rglob("*_samples_*.jsonl")):
        task = path.stem.partition("_samples_")[2]
        if task.startswith((COARSE_GROUP, FINE_GROUP)):
            for line in path.read_text().splitlines():
                yield task, json.loads(line)


def draw(by_alpha: dict[float, dict[str, Score]], path: Path) -> None:
    """The curve of each part over alpha, with its interval as a band."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    alphas = sorted(by_alpha)
    for part, marker in zip(LABELS, "osD", strict=False):
        row = [by_alpha[alpha][part] for alpha in alphas]
        axes.fill_between(
            alphas,
            [100 * score.low for score in row],
            [100 * score.high for score in row],
            color=COLOURS[part],
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(
            alphas,
            [100 * score.accuracy for score in row],
            marker=marker,
            clip_on=False,
            color=COLOURS[part],
            label=LABELS[part],
        )
    axes.set(xlabel="alpha: weight of the specialist against its base", ylabel="accuracy (%)", xlim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def table(by_alpha: dict[float, dict[str, Score]]) -> str:
    """Accuracy in percent with its interval, a row for each alpha."""
    questions = next(iter(by_alpha.values()))
    head = ["alpha", *(f"{LABELS[part]} (n = {questions[part].questions:,})" for part in LABELS)]
    rows = [
        [
            f"{alpha:g}",
            *(
                f"{100 * score.accuracy:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"
                for score in (found[part] for part in LABELS)
            ),
        ]
        for alpha, found in sorted(by_alpha.items())
    ]
    return markdown_table(head, rows)


def main() -> None:
    """Fine-tune if no specialist is given, sweep, print the table, write page and picture."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        specialist = args.specialist or Path(scratch) / "specialist"
        if args.specialist is None:
            subprocess.run(
                [sys.executable, str(REPOSITORY / "scripts" / "finetune_demo_clip.py"), "--out", str(specialist)],
                check=True,
            )
        by_alpha = sweep(specialist, args.alpha, Path(scratch) / "sweep")
    picture = args.out.with_suffix(".png")
    draw(by_alpha, picture)
    found = table(by_alpha)
    args.out.write_text(
        page(
            "Forgetting and merging on the demo set",
            "python benchmarks/merging.py",
            READING,
            [found, f"![Accuracy over alpha]({picture.name})"],
        )
    )
    print(found)


if __name__ == "__main__":
    main()
