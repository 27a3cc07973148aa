"""Measure the calibration of answers with probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.metrics import calibration
from microbench_tasks.metrics.calibration import Forecasts, NullError, Reliability
from microbench_tasks.metrics.calibration_error import DebiasedError, debiased_calibration_error
from microbench_tasks.report.estimates import Item
from microbench_tasks.tasks import item_intervals
from microbench_tasks.tasks.repeats import each_answer


@dataclass(frozen=True, eq=False)
class Calibration:
    """Hold the calibration of all answers with usable probabilities.

    Attributes:
        forecasts: the probabilities and outcomes.
        bins: answers binned by confidence, with the plug-in ECE.
        null: the plug-in ECE of a calibrated model.
        error: the debiased error with its interval, clustered by image.
    """

    forecasts: Forecasts
    bins: Reliability
    null: NullError
    error: DebiasedError

    @property
    def n(self) -> int:
        """Return the number of answers."""
        return len(self.forecasts.confidence)


@dataclass(frozen=True)
class ProbabilityCounts:
    """Count answers, and those whose probabilities are missing, cannot be normalized, or lack an option's."""

    answers: int
    missing: int
    unusable: int
    partial: int = 0

    @property
    def usable(self) -> int:
        """Return the number of answers with usable probabilities."""
        return self.answers - self.missing - self.unusable

    def reason(self) -> str:
        """Say why no answer has usable probabilities."""
        missing = f"{self.missing:,} of {self.answers:,} answers have no probabilities"
        return f"{missing}, {self.unusable:,} have unusable ones (all 0 or not finite)" if self.unusable else missing


def count_probabilities(items: Sequence[Item]) -> ProbabilityCounts:
    """Count the answers of ``acc`` items by whether their probabilities are usable."""
    answers = each_answer(items)
    stated = [answer["probabilities"] for answer in answers if answer["probabilities"] is not None]
    unusable = sum(not calibration.is_usable(list(shares.values())) for shares in stated)
    partial = sum(
        len(answer["probabilities"]) < len(answer["options"])
        for answer in answers
        if answer["probabilities"] is not None
    )
    return ProbabilityCounts(len(answers), len(answers) - len(stated), unusable, partial)


def _of_options(answer: Item) -> list[float]:
    """Return the probability of each option; 0 where the server did not list it among its most probable tokens."""
    return [answer["probabilities"].get(letter, 0.0) for letter in LETTERS[: len(answer["options"])]]


def measure_calibration(items: Sequence[Item]) -> Calibration | None:
    """Compute the calibration of all answers of ``acc`` items with usable probabilities; None if there are none."""
    stated = [answer for answer in each_answer(items) if answer["probabilities"] is not None]
    usable = [
        (_of_options(answer), LETTERS.index(answer["gold"]), item_intervals.unit_of(answer))
        for answer in stated
        if calibration.is_usable(_of_options(answer))
    ]
    if not usable:
        return None
    forecasts = calibration.forecasts([shares for shares, _, _ in usable], [gold for _, gold, _ in usable])
    confidence, is_right = forecasts.confidence, forecasts.is_right
    return Calibration(
        forecasts,
        calibration.reliability(confidence, is_right),
        calibration.null_calibration_error(confidence),
        debiased_calibration_error(confidence, is_right, [unit for _, _, unit in usable]),
    )
