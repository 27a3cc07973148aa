"""How often equal models are called different, and how small a difference between models is found, on simulated answers.

An answer is right if a normal number is below a threshold, which the model's true accuracy sets. The number
adds up, in shares of its variance: what all models share, ``agreement``, half of it the question's difficulty
and half the image's; of the rest ``OWN_IMAGE_SHARE`` the model's own luck with the image, which all its answers about it
have; and noise of each answer. So any two models agree alike, and a model's answers about one image go together.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from paper_intervals import markdown_table
from scipy import stats
from timing import origin, shown, side_by_side

from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, SEED
from microbench_tasks.metrics.paired import LEVEL, Comparison, compare_models

OWN_IMAGE_SHARE = 0.3
AGREEMENTS = (0.1, 0.6, 0.95)
NUM_MODELS = (2, 5, 12)
# Of all models but the better one; a release's questions are answered about as well by the paper's better models.
RATE = 0.5
DIFFERENCE = 0.01
POWER = 0.8
# Compared at once in the speed section.
MANY_MODELS, MANY_IMAGES, MANY_QUESTIONS = 50, 16_130, 5


@dataclass(frozen=True)
class Setting:
    """A part of the benchmark: its name, and of how many images how many questions are asked, ``{questions: images}``."""

    name: str
    images: dict[int, int]

    def sizes(self) -> np.ndarray:
        """Questions about each image."""
        return np.repeat(list(self.images), list(self.images.values()))

    def shown(self) -> str:
        return f"{self.name}: {self.sizes().sum():,} questions, {self.sizes().size:,} images"

    def answers(self, rates: np.ndarray, agreement: float, rng: np.random.Generator) -> np.ndarray:
        """0/1 answers of models of true accuracies ``rates``, shape (models, questions)."""
        image = self.labels()
        shape, num_images = (len(rates), len(image)), len(self.sizes())
        # Of shared difficulty half is the question's and half the image's, whose number all its questions get.
        common = math.sqrt(agreement / 2) * (rng.standard_normal(len(image)) + rng.standard_normal(num_images)[image])
        own = math.sqrt(OWN_IMAGE_SHARE) * rng.standard_normal((shape[0], num_images))[:, image] + math.sqrt(1 - OWN_IMAGE_SHARE) * rng.standard_normal(shape)
        return (common + math.sqrt(1 - agreement) * own < stats.norm.ppf(rates)[:, None]).astype(float)

    def labels(self) -> np.ndarray:
        """The image of each question."""
        return np.repeat(np.arange(len(self.sizes())), self.sizes())


COGNITION = Setting("cognition", {3: 13, 2: 41})
DEMO = Setting("demo, coarse", {5: 289, 4: 26})
FINE = Setting("fine", {1: 14_644})
COARSE = Setting("coarse", {5: 15_196, 4: 934})


# --- other ways to the null distribution, with the same largest statistic -------------


def by_signs(answers: np.ndarray, images: np.ndarray, resamples: int, seed: int) -> bool:
    """Whether ours calls any pair different."""
    return bool(compare_models(answers, images, num_resamples=resamples, seed=seed).is_better.any())


def by_resampling(answers: np.ndarray, images: np.ndarray, resamples: int, seed: int, *, studentized: bool) -> bool:
    """Whether images drawn with replacement call any pair different.

    The largest of |resampled - observed difference| over the observed standard error, or over each resample's own.
    """
    sizes = np.bincount(images).astype(float)
    sums = np.column_stack([np.bincount(images, weights=row) for row in answers])
    first, second = np.triu_indices(sums.shape[1], 1)
    apart = sums[:, first] - sums[:, second]
    observed = apart.sum(axis=0) / sizes.sum()
    counts = np.random.default_rng(seed).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), resamples).astype(float)
    drawn = (counts @ apart) / (counts @ sizes)[:, None]
    error = np.sqrt(((apart - observed * sizes[:, None]) ** 2).sum(axis=0)) / sizes.sum()
    scale = np.broadcast_to(error, drawn.shape)
    if studentized:
        squares = counts @ apart**2 - 2 * drawn * (counts @ (apart * sizes[:, None])) + drawn**2 * (counts @ sizes**2)[:, None]
        scale = np.sqrt(np.maximum(squares, 0)) / (counts @ sizes)[:, None]
    largest = _ratios(np.abs(drawn - observed), scale).max(axis=1)
    return bool((1 + np.count_nonzero(largest >= _ratios(np.abs(observed), error).max() * (1 - 1e-9))) / (resamples + 1) <= LEVEL)


def _ratios(distances: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """0 where nothing moved; without a limit where something did and the scale is 0."""
    is_still, has_none = distances < 1e-12, scale < 1e-12
    return np.where(is_still, 0.0, np.divide(distances, scale, out=np.full_like(distances, np.inf), where=~has_none))


WAYS: dict[str, Callable[[np.ndarray, np.ndarray, int, int], bool]] = {
    "signs (ours)": by_signs,
    "images drawn, observed errors": lambda *given: by_resampling(*given, studentized=False),
    "images drawn, studentized": lambda *given: by_resampling(*given, studentized=True),
}
ONLY_OURS = {name: way for name, way in WAYS.items() if way is by_signs}


# --- what is measured -----------------------------------------------------------------


@dataclass(frozen=True)
class Simulation:
    """How many data sets a row, the resamples of each, and the seed."""

    data_sets: int
    resamples: int
    seed: int

    def generator(self, setting: Setting, *values: float) -> np.random.Generator:
        """Of a row's own."""
        return np.random.default_rng([self.seed, len(setting.sizes()), *(round(1_000 * value) for value in values)])

    def false_positives(self, setting: Setting, agreement: float, num_models: int, ways: dict[str, Callable]) -> dict[str, float]:
        """The share of data sets of equal models in which each way calls any two different."""
        rng, images = self.generator(setting, agreement, num_models), setting.labels()
        found = dict.fromkeys(ways, 0)
        for index in range(self.data_sets):
            answers = setting.answers(np.full(num_models, RATE), agreement, rng)
            for name, way in ways.items():
                found[name] += way(answers, images, self.resamples, self.seed + index)
        return {name: count / self.data_sets for name, count in found.items()}

    def power(self, setting: Setting, agreement: float, num_models: int) -> Power:
        """Of one model that is better by `DIFFERENCE` against one of the others, which are equal."""
        rng, images = self.generator(setting, agreement, num_models, DIFFERENCE), setting.labels()
        rates = np.full(num_models, RATE - DIFFERENCE / 2)
        rates[0] += DIFFERENCE
        found: list[Comparison] = []
        same = []
        for index in range(self.data_sets):
            answers = setting.answers(rates, agreement, rng)
            same.append(np.mean(answers[0] == answers[1]))
            found.append(compare_models(answers, images, num_resamples=self.resamples, seed=self.seed + index))
        spread = float(np.std([comparison.difference[0, 1] for comparison in found]))
        critical = float(np.mean([comparison.critical for comparison in found]))
        return Power(float(np.mean(same)), float(np.mean([comparison.is_better[0, 1] for comparison in found])), (critical + stats.norm.ppf(POWER)) * spread)


@dataclass(frozen=True)
class Power:
    """The share of questions on which two models are both right or both wrong, how often the better one is found, and the smallest difference found with power `POWER`."""

    same: float
    power: float
    smallest: float


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def error_rows(simulation: Simulation, setting: Setting, ways: dict[str, Callable]) -> Iterator[list[str]]:
    """A row for each kind of models, and the mean of all."""
    shares = []
    for agreement in AGREEMENTS:
        for num_models in NUM_MODELS:
            shares.append(list(simulation.false_positives(setting, agreement, num_models, ways).values()))
            yield [setting.shown(), f"{agreement:g}", str(num_models), *map(percent, shares[-1])]
    yield [setting.shown(), "all", "all", *map(percent, np.mean(shares, axis=0))]


def power_rows(simulation: Simulation) -> Iterator[list[str]]:
    for setting in (COARSE, FINE, COGNITION):
        for agreement in AGREEMENTS:
            for num_models in (NUM_MODELS[0], NUM_MODELS[-1]):
                found = simulation.power(setting, agreement, num_models)
                yield [setting.shown(), percent(found.same), str(num_models), percent(found.power), f"{100 * found.smallest:.2f}"]


def speed_section() -> str:
    rng = np.random.default_rng(SEED)
    many = Setting("many", {MANY_QUESTIONS: MANY_IMAGES})
    answers, images = many.answers(np.linspace(0.2, 0.6, MANY_MODELS), AGREEMENTS[1], rng), many.labels()
    [timing] = side_by_side({"ours": lambda: compare_models(answers, images)}, repeats=5).values()
    return (
        f"## Speed\n\n{MANY_MODELS} models ({MANY_MODELS * (MANY_MODELS - 1) // 2:,} pairs), {MANY_IMAGES:,} images with {MANY_QUESTIONS} questions each, {NUM_RESAMPLES:,} resamples: "
        f"{shown(timing.seconds)} and {timing.megabytes:.0f} MB beside the answers' own {answers.nbytes / 1e6:.0f} MB."
    )


def sections(small: Simulation, large: Simulation) -> Iterator[str]:
    head = ["part", "shared variance", "models"]
    yield (
        "## Equal models, few images\n\n"
        f"How many of 100 data sets have any pair called different: {pooled_noise(LEVEL, small)}. All three ways compare with the largest statistic of all pairs.\n\n"
        + markdown_table([*head, *WAYS], error_rows(small, COGNITION, WAYS))
        + "\n\nImages drawn with replacement scatter too little where they are few. Studentized, models that differ on a handful of images have resamples without any spread, "
        "and these hide all other pairs. Signs have neither fault."
    )
    yield (
        "## Equal models, more images\n\n"
        f"The demo set's size: {pooled_noise(LEVEL, small)}. The release's: {pooled_noise(LEVEL, large)}.\n\n"
        + markdown_table([*head, *ONLY_OURS], [row for setting, simulation in ((DEMO, small), (FINE, large), (COARSE, large)) for row in error_rows(simulation, setting, ONLY_OURS)])
    )
    yield (
        f"## A true difference of {100 * DIFFERENCE:g} %\n\n"
        f"One model's true accuracy is {100 * (RATE + DIFFERENCE / 2):g} %, that of all others {100 * (RATE - DIFFERENCE / 2):g} %. `agree`: questions on which two models are both right or both wrong, in percent. "
        f"`found`: how often in 100 the better model is called better than a given other one; {noise(POWER, large)} at {100 * POWER:g}. "
        f"`smallest`: the difference, in percent, that is found {100 * POWER:g} times in 100, from the differences' spread over the data sets and normal theory.\n\n"
        + markdown_table(["part", "agree", "models", "found", "smallest"], power_rows(large))
    )
    yield speed_section()


def noise(share: float, simulation: Simulation) -> str:
    error = math.sqrt(share * (1 - share) / simulation.data_sets)
    return f"{simulation.data_sets:,} data sets a row with {simulation.resamples:,} resamples each, Monte Carlo standard error {100 * error:.1f} points"


def pooled_noise(share: float, simulation: Simulation) -> str:
    """Of rows `all`."""
    error = math.sqrt(share * (1 - share) / simulation.data_sets / len(AGREEMENTS) / len(NUM_MODELS))
    return f"{noise(share, simulation)}, {100 * error:.1f} in the row `all`"


READING = f"""`compare_models` of `microbench_tasks/metrics/paired.py`, by which the leaderboard ranks, at a level of {100 * LEVEL:g} %, on simulated answers (described in the script; all equal models have a true
accuracy of {100 * RATE:g} %). `shared variance`: how much of what makes an answer right or wrong all models share. The leaderboard draws {NUM_RESAMPLES:,} resamples, which finds a little more than fewer do."""


def main() -> None:
    parser = argparse.ArgumentParser(description="How often equal models are called different, and how small a difference is found, on simulated answers.")
    parser.add_argument("--data-sets", type=int, default=2_000, help="simulated for each row of the size of cognition and the demo set (default: %(default)s)")
    parser.add_argument("--release-data-sets", type=int, default=300, help="simulated for each row of the release's size and of power (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=499, help="of each data set (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    command = f"python benchmarks/comparison.py --data-sets {args.data_sets} --release-data-sets {args.release_data_sets} --resamples {args.resamples} --seed {args.seed}"
    small, large = (Simulation(data_sets, args.resamples, args.seed) for data_sets in (args.data_sets, args.release_data_sets))
    text = "\n\n".join(["# Comparing models", origin(command, "numpy", "scipy"), READING, *sections(small, large)]) + "\n"
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
