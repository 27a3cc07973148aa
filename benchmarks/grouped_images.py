"""Measure coverage and width of intervals by image and by slide, where images come in groups such as slides.

Each slide has a true score of its own, drawn from a beta distribution, and the images of a slide are independent given
that score. The intraclass correlation is the share of the variance of single scores that lies between slides.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from result_pages import markdown_table, page

from microbench_tasks.metrics.bootstrap import SEED
from microbench_tasks.metrics.intervals import (
    CONFIDENCE_LEVEL,
    Interval,
    accuracy_interval,
    score_interval,
    share_interval,
)

Rng = np.random.Generator
# Draws a data set and returns its intervals by image and by slide.
Draw = Callable[[Rng], tuple[Interval, Interval]]

NUM_SLIDES, IMAGES_PER_SLIDE = 20, 50
CORRELATIONS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5)
ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SCORES = (0.2, 0.5, 0.8)
SHARES = (0.5, 0.8, 0.95)
# Concentration of the scores of the images of one slide: the lower, the more they differ.
CONCENTRATION = 3
# Mean number of boxes that a model predicts in an image.
MEAN_BOXES = 10
# Numbers of slides, and of images of each.
DESIGNS = ((20, 50), (20, 10), (20, 200), (50, 20), (100, 10), (200, 5), (1_000, 1))
DESIGN_CORRELATION, DESIGN_ACCURACY = 0.1, 0.8
# Boxes by image: numbers of images, and distributions of the number of boxes of an image.
BOX_IMAGES = (20, 54, 315, 1_105)
BOX_NUMBERS: dict[str, Callable[[int, Rng], np.ndarray]] = {
    "0 to 5 boxes": lambda images, rng: rng.poisson(1.5, images),
    "about 10 boxes": lambda images, rng: rng.geometric(1 / MEAN_BOXES, images),
    "1 to 1,000 boxes": lambda images, rng: np.ceil(rng.lognormal(2, 1.5, images)).astype(int),
}
BOX_SHARES = (0.02, 0.2, 0.5, 0.9, 0.98)
BOX_CORRELATIONS = (0.0, 0.3, 0.8)
# Surplus predicted boxes for each gold box.
FALSE_BOXES = 0.5
# Coverage below this is shown in bold.
TARGET = 0.94
# An end of an interval that equals the truth up to this covers it.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Result:
    """Hold coverage and mean width of the intervals by image and by slide."""

    coverage: tuple[float, float]
    width: tuple[float, float]

    def cells(self) -> list[str]:
        return [
            *(percent(share) for share in self.coverage),
            *(f"{100 * width:.1f}" for width in self.width),
        ]


def simulate(draw: Draw, truth: float, data_sets: int, rng: Rng) -> Result:
    held, width = np.zeros(2), np.zeros(2)
    for _ in range(data_sets):
        for index, interval in enumerate(draw(rng)):
            held[index] += interval.low - TOLERANCE <= truth <= interval.high + TOLERANCE
            width[index] += interval.high - interval.low
    return Result(tuple(held / data_sets), tuple(width / data_sets))


def slide_means(mean: float, share: float, slides: int, rng: Rng) -> np.ndarray:
    """Draw the slides' true scores; their variance is a share of the largest possible one, mean * (1 - mean)."""
    if share == 0:
        return np.full(slides, mean)
    return rng.beta(mean * (1 - share) / share, (1 - mean) * (1 - share) / share, slides)


@functools.cache
def interval_by_image(right: int, number: int) -> Interval:
    """Compute the interval of answers about as many images, which depends on the number of right ones alone."""
    return accuracy_interval(np.arange(number) < right, range(number))


def answers(accuracy: float, correlation: float, slides: int, images: int) -> Draw:
    labels = np.repeat(np.arange(slides), images)

    def draw(rng: Rng) -> tuple[Interval, Interval]:
        rates = np.repeat(slide_means(accuracy, correlation, slides, rng), images)
        right = rng.random(len(labels)) < rates
        return interval_by_image(int(right.sum()), len(right)), accuracy_interval(right, labels)

    return draw


def localization_scores(mean: float, correlation: float, slides: int, images: int) -> Draw:
    labels, image = np.repeat(np.arange(slides), images), np.arange(slides * images)
    # Given a slide's mean m, scores have the variance m (1 - m) / (CONCENTRATION + 1).
    within = 1 / (CONCENTRATION + 1)
    between = correlation * within / (1 - correlation + correlation * within)

    def draw(rng: Rng) -> tuple[Interval, Interval]:
        means = np.repeat(np.clip(slide_means(mean, between, slides, rng), 1e-9, 1 - 1e-9), images)
        scores = rng.beta(means * CONCENTRATION, (1 - means) * CONCENTRATION)
        return score_interval(scores, image), score_interval(scores, labels)

    return draw


def boxes(share: float, correlation: float, slides: int, images: int) -> Draw:
    labels, image = np.repeat(np.arange(slides), images), np.arange(slides * images)

    def draw(rng: Rng) -> tuple[Interval, Interval]:
        totals = rng.geometric(1 / MEAN_BOXES, len(image))
        parts = rng.binomial(totals, np.repeat(slide_means(share, correlation, slides, rng), images))
        return share_interval(parts, totals, image), share_interval(parts, totals, labels)

    return draw


def percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    return f"**{text}**" if share < TARGET else text


def generator(seed: int, *of_cell: int) -> Rng:
    return np.random.default_rng([seed, *of_cell])


# --- sections ------------------------------------------------------------------------

_COLUMNS = ["by image", "by slide", "width by image", "width by slide"]


def slide_section(
    number: int, title: str, about: str, kind: Callable[..., Draw], truths: tuple[float, ...], data_sets: int, seed: int
) -> str:
    """Render one row for each intraclass correlation and true score."""
    rows = []
    for first, correlation in enumerate(CORRELATIONS):
        for second, truth in enumerate(truths):
            draw = kind(truth, correlation, NUM_SLIDES, IMAGES_PER_SLIDE)
            result = simulate(draw, truth, data_sets, generator(seed, number, first, second))
            rows.append([f"{correlation:g}", f"{truth:g}", *result.cells()])
    head = ["intraclass correlation", "true score", *_COLUMNS]
    return f"## {title}\n\n{about}\n\n{markdown_table(head, rows)}"


def design_section(data_sets: int, seed: int) -> str:
    """Render one row for each number of slides and images."""
    rows = []
    for index, (slides, images) in enumerate(DESIGNS):
        draw = answers(DESIGN_ACCURACY, DESIGN_CORRELATION, slides, images)
        result = simulate(draw, DESIGN_ACCURACY, data_sets, generator(seed, 3, index))
        rows.append([f"{slides:,}", f"{images:,}", f"{slides * images:,}", *result.cells()])
    about = (
        f"Accuracy {DESIGN_ACCURACY:g}, intraclass correlation {DESIGN_CORRELATION:g}. More slides narrow the "
        "interval; more images of the same slides hardly do."
    )
    table = markdown_table(["slides", "images of each", "images", *_COLUMNS], rows)
    return f"## More slides, or more images of each\n\n{about}\n\n{table}"


def box_section(data_sets: int, seed: int) -> str:
    """Render one row for each number of images and distribution of boxes: the lowest coverage of its cells."""
    rows = []
    for first, images in enumerate(BOX_IMAGES):
        for second, (name, numbers) in enumerate(BOX_NUMBERS.items()):
            for is_f1 in (False, True):
                of_row = np.random.default_rng([seed, 4, first, second, is_f1])
                results = list(box_results(images, numbers, is_f1, data_sets, of_row))
                coverage, where = min((coverage, where) for coverage, _, where in results)
                width = float(np.mean([width for _, width, _ in results]))
                measure = "F1" if is_f1 else "precision"
                cells = [f"{len(results)}", percent(coverage), where, f"{100 * width:.1f}"]
                rows.append([f"{images:,}", name, measure, *cells])
    about = (
        "Precision, recall and F1 are shares of boxes that are pooled over images. Here each image has a number of "
        "boxes, and a true share of them that is matched. The correlation is that of two boxes of one image. For F1, "
        f"the boxes are gold boxes, and {FALSE_BOXES:g} times as many surplus boxes are predicted (Poisson). A row is "
        f"the lowest of its cells: shares {', '.join(f'{share:g}' for share in BOX_SHARES)}, correlations "
        f"{', '.join(f'{correlation:g}' for correlation in BOX_CORRELATIONS)}."
    )
    head = ["images", "boxes of an image", "of", "cells", "lowest coverage", "where", "mean width"]
    return f"## Shares of boxes by image (`share_interval`)\n\n{about}\n\n{markdown_table(head, rows)}"


def box_results(
    images: int, numbers: Callable[[int, Rng], np.ndarray], is_f1: bool, data_sets: int, rng: Rng
) -> Iterator[tuple[float, float, str]]:
    """Yield coverage, mean width and description of each cell."""
    for share in BOX_SHARES:
        for correlation in BOX_CORRELATIONS:

            def draw(rng: Rng, share: float = share, correlation: float = correlation) -> tuple[Interval, Interval]:
                boxes = numbers(images, rng)
                matched = rng.binomial(boxes, slide_means(share, correlation, images, rng))
                if is_f1:
                    predicted = matched + rng.poisson(FALSE_BOXES * boxes)
                    interval = share_interval(2 * matched, boxes + predicted, range(images))
                else:
                    interval = share_interval(matched, boxes, range(images))
                return interval, interval

            truth = 2 * share / (1 + share + FALSE_BOXES) if is_f1 else share
            result = simulate(draw, truth, data_sets, rng)
            yield result.coverage[0], result.width[0], f"share {share:g}, correlation {correlation:g}"


def sections(data_sets: int, seed: int) -> Iterator[str]:
    yield slide_section(
        0,
        "Right and wrong answers (`accuracy_interval`)",
        "One question about each image.",
        answers,
        ACCURACIES,
        data_sets,
        seed,
    )
    yield slide_section(
        1,
        "Localization scores (`score_interval`)",
        "One score from 0 to 1 about each image, such as GRIT.",
        localization_scores,
        SCORES,
        data_sets,
        seed,
    )
    yield slide_section(
        2,
        "Precision of boxes (`share_interval`)",
        f"{MEAN_BOXES} predicted boxes in an image on average (geometric). The correlation is that of two boxes of a "
        "slide.",
        boxes,
        SHARES,
        data_sets,
        seed,
    )
    yield design_section(data_sets, seed)
    yield box_section(data_sets, seed)


def reading(data_sets: int) -> str:
    error = 100 * math.sqrt(0.95 * 0.05 / data_sets)
    effect = [1 + (IMAGES_PER_SLIDE - 1) * correlation for correlation in (0.05, 0.1)]
    level = f"{100 * CONFIDENCE_LEVEL:g}"
    return "\n\n".join(
        [
            f"**In short: if your images are tiles of a few slides, wells or patients, say so.** {NUM_SLIDES} slides "
            f"with {IMAGES_PER_SLIDE} images each are {NUM_SLIDES * IMAGES_PER_SLIDE:,} images. They tell less than as "
            "many images of as many slides: a slide that is stained or focused differently may be hard in all of its "
            "images. An interval by image does not know that. It is then too narrow, and contains the truth too "
            "rarely. The narrower column is not the better one. An interval by slide keeps all answers about a slide "
            "together. It contains the truth at least as often as it says, whether slides differ or not.",
            "How much slides differ is the *intraclass correlation*: 0 if they do not differ at all, 1 if all images "
            f"of a slide have the same score. At 0.05 the variance of the mean is {effect[0]:.1f} times that of "
            f"independent images, at 0.1 it is {effect[1]:.1f} times (1 + {IMAGES_PER_SLIDE - 1} times the "
            "correlation; Kish 1965). By slide, the interval is about new slides of the same kind. By image, it is "
            "right only if a new image is as unlike the others as a new slide.",
            "**The price.** With few slides of many images the interval by slide is cautious: where slides do not "
            "differ at all it is about three times as wide as needed. It adds four slides of the largest possible "
            "variance to those observed (`docs/statistics.md`), which protects where few slides tell anything.",
            f"Numbers are percent: how many of 100 nominal {level} % intervals contain the truth, and the mean width. "
            f"Each cell has {data_sets:,} simulated data sets (Monte Carlo standard error {error:.1f} points). "
            f"**Bold**: below {100 * TARGET:g}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=2_000, help="simulated for each cell (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    command = f"python benchmarks/grouped_images.py --data-sets {args.data_sets} --seed {args.seed}"
    done: list[str] = []
    start = time.perf_counter()
    for section in sections(args.data_sets, args.seed):
        done.append(section)
        print(f"{section.splitlines()[0]}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    text = page("Images in groups: slides, wells, patients", command, reading(args.data_sets), done)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
