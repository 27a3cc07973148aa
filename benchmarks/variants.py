"""Measure false positives, null values and coverage of the prompt sensitivity statistics on simulated answers.

Each question has a right option at a random position and is asked in seven ways: the original, three other orders of
the options and three other wordings. An answer is right if a normal variable is below a threshold, set by the true
accuracy of the way. The variance of the variable has a part that all ways share, half of it for the question and half
for the image. ``OWN_IMAGE_SHARE`` of the rest belongs to the way and the image, and what is left is noise. A wrong
answer is any other option. A guessing model picks letters at random, A with the probability ``PREFERENCE``.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from result_pages import markdown_table
from scipy import stats
from timing import origin

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.metrics.permutation import SEED
from microbench_tasks.runs import robustness

LEVEL = 0.05
SHARED = 0.6
OWN_IMAGE_SHARE = 0.3
PREFERENCE = 0.4
RATES = (0.2, 0.6, 0.95)
RATE = 0.6
# Differences of the six variants' true accuracies to that of the original.
EFFECTS = (-0.1, -0.05, -0.02, 0.0, 0.02, 0.05)
# Options of the five kinds of coarse questions; the last one is never right and keeps its place.
NUM_OPTIONS = (6, 6, 4, 6, 6)
KINDS = ("domain", "subdomain", "modality", "submodality", "stain")
NUM_PERMUTED = 3
RELEASE_IMAGES = 15_943


@dataclass(frozen=True)
class Setting:
    """Hold a number of images and of kinds of questions; each image has one question of each kind."""

    images: int
    kinds: int

    def shown(self) -> str:
        return f"{self.images:,} x {self.kinds}"


SMALL, LARGE = (Setting(8, 2), Setting(54, 2)), (Setting(315, 5), Setting(600, 5))


def looking(setting: Setting, rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw whether answers are right, shape (ways, images, kinds)."""
    shape = (len(rates), setting.images, setting.kinds)
    difficulty = rng.standard_normal(shape[1:]) + rng.standard_normal((setting.images, 1))
    luck = math.sqrt(OWN_IMAGE_SHARE) * rng.standard_normal((*shape[:2], 1))
    own = luck + math.sqrt(1 - OWN_IMAGE_SHARE) * rng.standard_normal(shape)
    number = math.sqrt(SHARED / 2) * difficulty + math.sqrt(1 - SHARED) * own
    return number < stats.norm.ppf(rates)[:, None, None]


def run(setting: Setting, rates: np.ndarray | None, rng: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """Simulate a run and return its items by task; ``rates`` are the ways' accuracies, None for a guessing model."""
    is_right = None if rates is None else looking(setting, rates, rng)
    counts = np.tile(NUM_OPTIONS[: setting.kinds], (setting.images, 1))
    original = (rng.random(counts.shape) * (counts - 1)).astype(int)
    tasks: dict[str, list[dict[str, Any]]] = {}
    for way, name in enumerate(("", *catalog.VARIANTS)):
        # Other orders move the right option; other wordings do not.
        shift = rng.integers(1, counts - 1) if 1 <= way <= NUM_PERMUTED else np.zeros_like(counts)
        gold = (original + shift) % (counts - 1)
        if is_right is None:
            read = np.where(rng.random(counts.shape) < PREFERENCE, 0, (rng.random(counts.shape) * counts).astype(int))
        else:
            read = np.where(is_right[way], gold, (gold + rng.integers(1, counts)) % counts)
        for image, kind in np.ndindex(counts.shape):
            task = name or f"microbench_coarse_{KINDS[kind]}"
            cell = (image, kind)
            tasks.setdefault(task, []).append(
                _item(image, KINDS[kind], int(counts[cell]), int(shift[cell]), int(gold[cell]), int(read[cell]))
            )
    return tasks


def _item(image: int, kind: str, count: int, shift: int, gold: int, read: int) -> dict[str, Any]:
    options = [f"option {(place - shift) % (count - 1)}" for place in range(count - 1)] + ["none of the above"]
    score = float(gold == read)
    acc = {"image": str(image), "kind": kind, "options": options, "gold": LETTERS[gold], "score": score}
    return {"acc": acc, "acc_strict": {"score": score, "predicted": LETTERS[read]}}


def _summaries(setting: Setting, rates: np.ndarray | None, data_sets: int, seed: int) -> Iterator[dict[str, float]]:
    """Yield, for each data set, the statistics that the tables average."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(len(catalog.VARIANTS)) if rates is None else rates[1:] - rates[0]
    for _ in range(data_sets):
        found = robustness.report(run(setting, rates, rng))
        ways = list(found["ways"].values())
        variants = ways[1:]
        singles = [(way["difference_ci_low"], way["difference_ci_high"]) for way in variants]
        together = [(way["difference_simultaneous_ci_low"], way["difference_simultaneous_ci_high"]) for way in variants]
        yield {
            "recall p": np.mean([way["recall_std_p"] <= LEVEL for way in ways]),
            "recall p, any of 7": any(way["recall_std_p_adjusted"] <= LEVEL for way in ways),
            "recall_std": np.mean([way["recall_std"] for way in ways]),
            "recall_std null": np.mean([way["recall_std_null"] for way in ways]),
            "spread p": found["spread_p"] <= LEVEL,
            "spread": found["spread"],
            "spread null": found["spread_null"],
            "difference p": np.mean([way["difference_p"] <= LEVEL for way in variants]),
            "difference p, any of 6": any(way["difference_p_adjusted"] <= LEVEL for way in variants),
            "same option p": np.mean([way["same_option_p"] <= LEVEL for way in variants]),
            "same option p, any of 6": any(way["same_option_p_adjusted"] <= LEVEL for way in variants),
            "same option": np.mean([way["same_option"] for way in variants]),
            "same option null": np.mean([way["same_option_null"] for way in variants]),
            "one interval": np.mean([low <= value <= high for (low, high), value in zip(singles, truth, strict=False)]),
            "all single intervals": all(
                low <= value <= high for (low, high), value in zip(singles, truth, strict=False)
            ),
            "all simultaneous": all(low <= value <= high for (low, high), value in zip(together, truth, strict=False)),
            "width": np.mean([high - low for low, high in together]),
        }


@dataclass(frozen=True)
class Row:
    """Hold the summaries of all data sets of one setting and kind of model."""

    setting: Setting
    name: str
    summaries: list[dict[str, float]]

    def shown(self, figures: tuple[str, ...]) -> list[str]:
        """Return the cells of the table: statistics in percent, averaged over the data sets."""
        means = (np.mean([summary[figure] for summary in self.summaries]) for figure in figures)
        return [self.setting.shown(), f"{len(self.summaries)}", self.name, *(f"{100 * mean:.1f}" for mean in means)]


def simulated(effects: np.ndarray | None, data_sets: int, seed: int) -> list[Row]:
    """Simulate the rows of all settings; without ``effects``, the model guesses."""
    found = []
    for setting, number in [*((one, data_sets) for one in SMALL), *((one, data_sets // 3) for one in LARGE)]:
        for rate in (RATE,) if effects is None or setting in LARGE else RATES:
            rates = None if effects is None else np.clip(rate + effects, 0.01, 0.99)
            name = "guesses" if rates is None else f"{100 * rate:g}"
            found.append(Row(setting, name, list(_summaries(setting, rates, number, seed))))
    return found


def table(rows: list[Row], figures: tuple[str, ...]) -> str:
    return markdown_table(["images x kinds", "data sets", "accuracy", *figures], [row.shown(figures) for row in rows])


EQUAL = (
    "recall p",
    "recall p, any of 7",
    "recall_std",
    "recall_std null",
    "spread p",
    "spread",
    "spread null",
    "difference p",
    "difference p, any of 6",
)
GUESSING = (
    "same option p",
    "same option p, any of 6",
    "same option",
    "same option null",
    "spread p",
    "difference p, any of 6",
    "recall p",
)
INTERVALS = ("one interval", "all single intervals", "all simultaneous", "width")


def sections(data_sets: int, seed: int) -> Iterator[str]:
    effects = np.array([0.0, *EFFECTS])
    equal, apart = (simulated(added, data_sets, seed) for added in (np.zeros_like(effects), effects))
    yield (
        "## No preference, no effect\n\nAll ways have one true accuracy, and any letter is as good as another. `p` and "
        f"`any`: how many of 100 are at most {100 * LEVEL:g} %; the others are means.\n\n" + table(equal, EQUAL)
    )
    yield (
        f"## A model that guesses, and likes A\n\nIt says A in {100 * PREFERENCE:g} % of the questions and any letter "
        "in the others. The same option is then picked by chance alone; that it has a preference should be found "
        "(`recall p`).\n\n" + table(simulated(None, data_sets, seed), GUESSING)
    )
    added = ", ".join(f"{100 * effect:+g}" for effect in EFFECTS)
    yield (
        "## Intervals of differences\n\nCoverage in percent: first without an effect, then where the variants add "
        f"{added} points (within 1 to 99 %). `one interval`: a given one of the six; `all single`: all six of them at "
        f"once; `all simultaneous`: those that are printed.\n\n{table(equal, INTERVALS)}\n\n{table(apart, INTERVALS)}"
    )
    items = run(Setting(RELEASE_IMAGES, 5), np.full(len(effects), RATE), np.random.default_rng(seed))
    start = time.process_time()
    robustness.report(items)
    yield (
        f"## Speed\n\nAll statistics of seven ways of {5 * RELEASE_IMAGES:,} questions, the release's number: "
        f"{time.process_time() - start:.1f} s of processor time."
    )


READING = """`robustness.report` on simulated answers; the script describes how they are made. All figures are in
percent. The Monte Carlo error of 5 and of 95 is {error:.1f} points of {data_sets:,} data sets, and less where ways or
variants are averaged."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="False positives, null values and intervals of variants, on simulated answers."
    )
    parser.add_argument(
        "--data-sets",
        type=int,
        default=300,
        help="simulated for each row of few images, a third of them of many (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    command = f"python benchmarks/variants.py --data-sets {args.data_sets} --seed {args.seed}"
    reading = READING.format(data_sets=args.data_sets, error=100 * math.sqrt(0.95 * 0.05 / args.data_sets))
    text = (
        "\n\n".join(["# Variants", origin(command, "numpy", "scipy"), reading, *sections(args.data_sets, args.seed)])
        + "\n"
    )
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
