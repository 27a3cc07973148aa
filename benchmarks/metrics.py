"""How fast intervals, localization scores and parsers are, each beside a plain way to do the same."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from result_pages import markdown_table
from scipy import stats
from scipy.optimize import linear_sum_assignment
from timing import origin, shown, side_by_side

from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, bootstrap_interval
from microbench_tasks.metrics.grit import grit_score
from microbench_tasks.metrics.intervals import accuracy_interval, macro_interval, score_interval
from microbench_tasks.parsing.boxes.parser import parse_boxes
from microbench_tasks.parsing.letters.paper_rule import paper_letters
from microbench_tasks.parsing.letters.strict_rule import strict_answer

NUM_ANSWERS = 79_716
ACCURACY = 0.6268
# The release: images that five coarse tasks ask about, and questions of each of the other 19 tasks.
COARSE_IMAGES, COARSE_TASKS = 16_130, 5
FINE_SIZES = (4_000, 3_000, 2_000, 1_500, 1_200, 900, 700, 500, 300, 200, 144, 100, 60, 40)
LOCALIZATION_SIZES = (600, 300, 150, 55)
COGNITION = 121
NUM_DATASETS = 23
SCIPY_SEEDS = 10
# Resamples that scipy draws at once; all of them together would take 6 GB.
SCIPY_BATCH = 100
NUM_BOXES = (1, 10, 50, 200, 1_000)
OPTIONS = ["light microscopy", "electron microscopy", "fluorescence microscopy", "none of the above"]
ANSWERS = {
    "a letter": "B",
    "a sentence": "The answer is **B**, electron microscopy.",
    "a paragraph": "Looking at the picture, the resolution and the grey levels speak for an electron microscope. " * 5
    + "\n\nAnswer: B",
}


def scipy_interval(scores: np.ndarray, seed: int) -> tuple[float, float]:
    interval = stats.bootstrap(
        (scores,),
        np.mean,
        n_resamples=NUM_RESAMPLES,
        batch=SCIPY_BATCH,
        method="basic",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def bootstrap_section(repeats: int) -> str:
    scores = (np.arange(NUM_ANSWERS) < round(ACCURACY * NUM_ANSWERS)).astype(float)
    calls = {
        "scipy.stats.bootstrap": lambda: scipy_interval(scores, 0),
        "bootstrap_interval": lambda: bootstrap_interval(scores),
        "accuracy_interval": lambda: accuracy_interval(scores, range(NUM_ANSWERS)),
    }
    timings = side_by_side(calls, repeats)
    rows = [[name, shown(timing.seconds), f"{timing.megabytes:.1f} MB"] for name, timing in timings.items()]
    plain, ours, _ = timings.values()
    drawn = [scipy_interval(scores, seed) for seed in range(SCIPY_SEEDS)]
    found = bootstrap_interval(scores)
    ends = [
        f"{name} {100 * value:.3f} (scipy, {SCIPY_SEEDS} seeds: {100 * min(of):.3f} to {100 * max(of):.3f})"
        for name, value, of in zip(("lower", "upper"), (found.low, found.high), zip(*drawn, strict=False), strict=False)
    ]
    return "\n\n".join(
        [
            f"## 95 % interval of {NUM_ANSWERS:,} answers, {NUM_RESAMPLES:,} resamples",
            markdown_table(["", "time", "memory"], rows),
            f"Ratio: {plain.seconds / ours.seconds:,.0f}. Ends in percent: {'; '.join(ends)}.",
        ]
    )


@dataclass(frozen=True)
class Run:
    """Scores of a run at the release's size, with each question's task, image and dataset."""

    scores: np.ndarray
    tasks: np.ndarray
    images: list[str]
    datasets: np.ndarray

    def only(self, chosen: np.ndarray) -> Run:
        images = [image for image, is_chosen in zip(self.images, chosen.tolist(), strict=False) if is_chosen]
        return Run(self.scores[chosen], self.tasks[chosen], images, self.datasets[chosen])

    def means(self) -> list[Run]:
        """Return the questions of each task."""
        return [self.only(self.tasks == task) for task in np.unique(self.tasks)]


def release_run() -> tuple[Run, Run, Run, Run]:
    """Answers to coarse, fine and cognition questions, and localization scores."""
    rng = np.random.default_rng(0)

    def run(sizes: tuple[int, ...], first_task: int) -> Run:
        tasks = np.repeat(np.arange(len(sizes)), sizes) + first_task
        index = np.concatenate([np.arange(size) for size in sizes])
        images = [f"dataset_{number % NUM_DATASETS}/train/image_{number:06d}.png" for number in index.tolist()]
        return Run((rng.random(len(tasks)) < ACCURACY).astype(float), tasks, images, index % NUM_DATASETS)

    coarse = run((COARSE_IMAGES,) * COARSE_TASKS, 0)
    # As many as the release: some images lack a question.
    coarse = coarse.only(rng.permutation(len(coarse.scores)) < NUM_ANSWERS)
    fine = run(FINE_SIZES, COARSE_TASKS)
    boxes = run(LOCALIZATION_SIZES, COARSE_TASKS + len(FINE_SIZES))
    boxes = replace(boxes, scores=rng.beta(0.5, 1, len(boxes.scores)))
    return coarse, fine, run((COGNITION,), COARSE_TASKS + len(FINE_SIZES) + len(LOCALIZATION_SIZES)), boxes


def all_intervals(coarse: Run, fine: Run, cognition: Run, boxes: Run) -> int:
    """Compute what a run prints: of every task by image, of every group by image and by dataset, and macro means."""
    computed = 0
    for group in (coarse, fine, cognition):
        for run in (*group.means(), group):
            accuracy_interval(run.scores, run.images)
            computed += 1
        accuracy_interval(group.scores, group.datasets)
        macro_interval(group.scores, group.tasks, group.images)
        macro_interval(group.scores, group.tasks, group.datasets)
        computed += 3
    for run in (*boxes.means(), boxes):
        score_interval(run.scores, run.images)
        computed += 1
    return computed


def intervals_section(repeats: int) -> str:
    runs = release_run()
    coarse = runs[0]
    calls = {
        "all intervals of a run": lambda: all_intervals(*runs),
        "of these: all coarse answers by image": lambda: accuracy_interval(coarse.scores, coarse.images),
        "of these: the macro mean of the coarse tasks": lambda: macro_interval(
            coarse.scores, coarse.tasks, coarse.images
        ),
        "for comparison: `numpy.unique` of the coarse image names": lambda: np.unique(coarse.images),
    }
    timings = side_by_side(calls, repeats)
    rows = [[name, shown(timing.seconds), f"{timing.megabytes:.1f} MB"] for name, timing in timings.items()]
    tasks = sum(len(np.unique(run.tasks)) for run in runs)
    return "\n\n".join(
        [
            f"## Intervals that cover: {len(coarse.scores):,} coarse and {sum(FINE_SIZES):,} fine questions, "
            f"{tasks} tasks",
            f"{all_intervals(*runs)} intervals: of tasks and groups, by image and by dataset, and macro means.",
            markdown_table(["", "time", "memory"], rows),
        ]
    )


def loop_score(predicted: list[list[float]], gold: list[list[float]]) -> float:
    """The localization score by a double loop over plain numbers."""
    ious = np.zeros((len(predicted), len(gold)))
    for i, (ax1, ay1, ax2, ay2) in enumerate(predicted):
        for j, (bx1, by1, bx2, by2) in enumerate(gold):
            inside = max(0.0, min(ax2, bx2) - max(ax1, bx1)) * max(0.0, min(ay2, by2) - max(ay1, by1))
            union = max(0.0, ax2 - ax1) * max(0.0, ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inside
            ious[i, j] = inside / (union + 1e-6)
    pairs = linear_sum_assignment(1 - ious)
    matched = ious[pairs][ious[pairs] > 0]
    return matched.sum() / (len(predicted) + len(gold) - len(matched))


def grit_section(repeats: int) -> str:
    rows = []
    for number in NUM_BOXES:
        rng = np.random.default_rng(number)
        corner = rng.random((number, 2)) * 1_000
        gold = np.hstack([corner, corner + 10 + 20 * rng.random((number, 2))])
        predicted = gold + rng.normal(0, 3, gold.shape)
        lists = predicted.tolist(), gold.tolist()
        # A model's answer arrives as an array, the gold boxes as lists.
        given = predicted, lists[1]
        if abs(loop_score(*lists) - grit_score(*given)) > 1e-9:
            raise AssertionError(f"The two ways differ at {number} boxes.")
        loop, ours = side_by_side(
            {"loop": lambda lists=lists: loop_score(*lists), "ours": lambda given=given: grit_score(*given)}, repeats
        ).values()
        rows.append([f"{number:,}", shown(loop.seconds), shown(ours.seconds), f"{loop.seconds / ours.seconds:.1f}"])
    return "## GRIT, boxes on each side\n\n" + markdown_table(["boxes", "double loop", "`grit_score`", "ratio"], rows)


def parsing_section(repeats: int) -> str:
    boxes = (
        "["
        + ", ".join(f'{{"bbox_2d": [{x}, {x + 1}, {x + 20}, {x + 30}], "label": "nucleus"}}' for x in range(100))
        + "]"
    )
    calls = {}
    for name, text in ANSWERS.items():
        calls[f"`paper_letters`, {name}"] = lambda text=text: paper_letters(text, OPTIONS)
        calls[f"`strict_answer`, {name}"] = lambda text=text: strict_answer(text, OPTIONS)
    calls["`parse_boxes`, JSON of 100 boxes"] = lambda: parse_boxes(boxes, "pixels_xyxy", (512, 512))
    calls["`parse_boxes`, 100 boxes as `<loc>` tokens"] = lambda: parse_boxes(
        "<loc0100><loc0100><loc0200><loc0200> nucleus ; " * 100, "loc1024_yxyx", (512, 512)
    )
    rows = [[name, f"{1 / timing.seconds:,.0f}"] for name, timing in side_by_side(calls, repeats).items()]
    return "## Parsing, texts a second\n\n" + markdown_table(["", "a second"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="of which the median counts (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    sections = [
        section(args.repeats) for section in (bootstrap_section, intervals_section, grit_section, parsing_section)
    ]
    text = (
        "\n\n".join(
            [
                "# Speed of the metrics",
                origin(f"python benchmarks/metrics.py --repeats {args.repeats}", "numpy", "scipy"),
                *sections,
            ]
        )
        + "\n"
    )
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
