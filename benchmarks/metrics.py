"""How fast intervals, localization scores and parsers are, each beside a plain way to do the same."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from paper_intervals import markdown_table
from scipy import stats
from scipy.optimize import linear_sum_assignment
from timing import origin, shown, side_by_side

from microbench_tasks.answers import paper_letters, strict_answer
from microbench_tasks.boxes import parse_boxes
from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, bootstrap_interval
from microbench_tasks.metrics.grit import grit_score

NUM_ANSWERS = 79_716
ACCURACY = 0.6268
SCIPY_SEEDS = 10
# Resamples that scipy draws at once; all of them together would take 6 GB.
SCIPY_BATCH = 100
NUM_BOXES = (1, 10, 50, 200, 1_000)
OPTIONS = ["light microscopy", "electron microscopy", "fluorescence microscopy", "none of the above"]
ANSWERS = {
    "a letter": "B",
    "a sentence": "The answer is **B**, electron microscopy.",
    "a paragraph": "Looking at the picture, the resolution and the grey levels speak for an electron microscope. " * 5 + "\n\nAnswer: B",
}


def scipy_interval(scores: np.ndarray, seed: int) -> tuple[float, float]:
    interval = stats.bootstrap((scores,), np.mean, n_resamples=NUM_RESAMPLES, batch=SCIPY_BATCH, method="basic", random_state=np.random.default_rng(seed)).confidence_interval
    return float(interval.low), float(interval.high)


def bootstrap_section(repeats: int) -> str:
    scores = (np.arange(NUM_ANSWERS) < round(ACCURACY * NUM_ANSWERS)).astype(float)
    timings = side_by_side({"scipy.stats.bootstrap": lambda: scipy_interval(scores, 0), "bootstrap_interval": lambda: bootstrap_interval(scores)}, repeats)
    rows = [[name, shown(timing.seconds), f"{timing.megabytes:.1f} MB"] for name, timing in timings.items()]
    plain, ours = timings.values()
    drawn = [scipy_interval(scores, seed) for seed in range(SCIPY_SEEDS)]
    found = bootstrap_interval(scores)
    ends = [f"{name} {100 * value:.3f} (scipy, {SCIPY_SEEDS} seeds: {100 * min(of):.3f} to {100 * max(of):.3f})" for name, value, of in zip(("lower", "upper"), (found.low, found.high), zip(*drawn))]
    return "\n\n".join(
        [
            f"## 95 % interval of {NUM_ANSWERS:,} answers, {NUM_RESAMPLES:,} resamples",
            markdown_table(["", "time", "memory"], rows),
            f"Ratio: {plain.seconds / ours.seconds:,.0f}. Ends in percent: {'; '.join(ends)}.",
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
        loop, ours = side_by_side({"loop": lambda lists=lists: loop_score(*lists), "ours": lambda given=given: grit_score(*given)}, repeats).values()
        rows.append([f"{number:,}", shown(loop.seconds), shown(ours.seconds), f"{loop.seconds / ours.seconds:.1f}"])
    return "## GRIT, boxes on each side\n\n" + markdown_table(["boxes", "double loop", "`grit_score`", "ratio"], rows)


def parsing_section(repeats: int) -> str:
    boxes = "[" + ", ".join(f'{{"bbox_2d": [{x}, {x + 1}, {x + 20}, {x + 30}], "label": "nucleus"}}' for x in range(100)) + "]"
    calls = {}
    for name, text in ANSWERS.items():
        calls[f"`paper_letters`, {name}"] = lambda text=text: paper_letters(text, OPTIONS)
        calls[f"`strict_answer`, {name}"] = lambda text=text: strict_answer(text, OPTIONS)
    calls["`parse_boxes`, JSON of 100 boxes"] = lambda: parse_boxes(boxes, "pixels_xyxy", (512, 512))
    calls["`parse_boxes`, 100 boxes as `<loc>` tokens"] = lambda: parse_boxes("<loc0100><loc0100><loc0200><loc0200> nucleus ; " * 100, "loc1024_yxyx", (512, 512))
    rows = [[name, f"{1 / timing.seconds:,.0f}"] for name, timing in side_by_side(calls, repeats).items()]
    return "## Parsing, texts a second\n\n" + markdown_table(["", "a second"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="of which the median counts (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    sections = [section(args.repeats) for section in (bootstrap_section, grit_section, parsing_section)]
    text = "\n\n".join(["# Speed of the metrics", origin(f"python benchmarks/metrics.py --repeats {args.repeats}", "numpy", "scipy"), *sections]) + "\n"
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
