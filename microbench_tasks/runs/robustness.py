"""Prompt sensitivity: compare a run's answers to variants of the coarse questions with each other."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL, difference_interval
from microbench_tasks.metrics.paired import compare_pair
from microbench_tasks.metrics.permutation import (
    NUM_PERMUTATIONS,
    SEED,
    PermutationTest,
    agreement_test,
    holm,
    recall_std_test,
    spread_test,
)

# A question: dataset and image, kind, and which of several equal ones.
Key = tuple[str, str, int]
# Scored items of one sample (see `results.microbench_process_results`).
Items = Mapping[str, Any]


@dataclass(frozen=True)
class _Answers:
    """The answers to the questions of one prompt variant, with one column for each property.

    Attributes:
        rows: row of each question in the columns.
        scores, strict_scores: by the paper's rule and by the strict rule.
        letters: letters of the right options.
        chosen: texts of the options that the strict rule reads; None if it reads none.
        options: texts of all options.
        strata: kind and number of options. Letters may be permuted among questions of one stratum.
    """

    rows: dict[Key, int]
    scores: list[float]
    strict_scores: list[float]
    letters: list[str]
    chosen: list[str | None]
    options: list[Sequence[str]]
    strata: list[tuple[str, int]]


def report(items: Mapping[str, Sequence[Items]]) -> dict[str, Any]:
    """Compare variants of a run with each other and with the paper's way of asking.

    ``*_null`` is the mean of a statistic under the null hypothesis, and ``*_p`` its p-value. ``*_p_adjusted`` is that
    p-value adjusted for all ways of asking that have one (Holm). The tests are in
    `microbench_tasks.metrics.permutation`.

    With several answers to a question (``--repeats``), scores are their means, and ``same_option`` uses the first one.

    Args:
        items: for each task, the items of each of its documents, in the documents' order.

    Returns:
        An empty dictionary if the run has no variant. Otherwise:

        ``ways``: an entry for ``microbench_coarse`` (its tasks in the run), and one for each variant, with:

        - ``n``, ``acc``, ``acc_strict``;
        - ``recall``: for each letter, the accuracy by the strict rule on questions whose right option has this letter.
          Letters without such a question are left out. A model with a position bias has a high recall for one letter
          and a low recall for the others;
        - ``recall_std``: standard deviation of ``recall`` over the letters, from 0 to 0.5. Its null hypothesis
          permutes the letters among questions of one kind and number of options.

        A variant that is compared with ``microbench_coarse`` also has, over the ``n_paired`` questions about
        ``n_images`` images that both asked:

        - ``difference`` in ``acc``, with its 95 % interval (``difference_ci_low``, ``_high``, clustered by image), the
          simultaneous interval over all variants (``difference_simultaneous_ci_low``, ``_high``), and
          ``difference_p`` of the paired sign-flip test by image;
        - ``same_option``: the share of questions in which the strict rule reads the same option, at any position. A
          missing answer is never the same. Its null hypothesis permutes the letters that are read in the variant,
          among questions of one kind and number of options. A model that has a position bias but ignores the question
          has the null value.

        If there is no such question, a variant has only ``n_paired``.

        ``spread``: the largest ``acc`` minus the smallest, over the ``n_common`` questions that were asked in every
        way, with ``spread_null`` and ``spread_p`` (ways permuted within images). None if there are no such questions
        or only one way.

        ``settings``: ``num_permutations``, ``seed``, ``confidence_level``, and ``num_compared``, the number of
        variants in the simultaneous intervals.

    Source of ``recall_std``: RStd in Zheng et al., "Large Language Models Are Not Robust Multiple Choice
    Selectors", ICLR 2024 (arXiv 2309.03882).
    """
    variants = [name for name in catalog.VARIANTS if name in items]
    if not variants:
        return {}
    coarse = [task for task in catalog.tasks_named([catalog.COARSE_GROUP]) if task in items]
    answers = {name: _columns(items[name]) for name in variants}
    original = _columns(item for task in coarse for item in items[task]) if coarse else None
    if original is not None:
        answers = {catalog.COARSE_GROUP: original} | answers
    ways = {name: _describe_variant(columns) for name, columns in answers.items()}
    _adjust(ways, "recall_std")
    num_compared = 0
    if original is not None:
        common = {name: [key for key in answers[name].rows if key in original.rows] for name in variants}
        num_compared = sum(map(bool, common.values()))
        for name, questions in common.items():
            ways[name] |= _compare(answers[name], original, questions, num_compared)
    for figure in ("difference", "same_option"):
        _adjust(ways, figure)
    settings = {
        "num_permutations": NUM_PERMUTATIONS,
        "seed": SEED,
        "confidence_level": CONFIDENCE_LEVEL,
        "num_compared": num_compared,
    }
    return {"ways": ways} | _spread(list(answers.values())) | {"settings": settings}


def _columns(items: Iterable[Items]) -> _Answers:
    num_equal: collections.Counter[tuple[str, str]] = collections.Counter()
    answers = _Answers({}, [], [], [], [], [], [])
    for item in items:
        acc, strict = item["acc"], item["acc_strict"]
        question, options, letter = (acc["image"], acc["kind"]), acc["options"], strict["predicted"]
        answers.rows[*question, num_equal[question]] = len(answers.scores)
        num_equal[question] += 1
        answers.scores.append(acc["score"])
        answers.strict_scores.append(strict["score"])
        answers.letters.append(acc["gold"])
        answers.chosen.append(None if letter is None else options[LETTERS.index(letter)])
        answers.options.append(options)
        answers.strata.append((acc["kind"], len(options)))
    return answers


def _describe_variant(answers: _Answers) -> dict[str, Any]:
    """Return the figures of a variant that need no other variant."""
    scores_of_letters: dict[str, list[float]] = collections.defaultdict(list)
    for letter, score in zip(answers.letters, answers.strict_scores, strict=True):
        scores_of_letters[letter].append(score)
    recall_std = recall_std_test(answers.strict_scores, _codes(answers.letters), _codes(answers.strata))
    return {
        "n": len(answers.scores),
        "acc": _mean(answers.scores),
        "acc_strict": _mean(answers.strict_scores),
        "recall": {letter: _mean(scores_of_letters[letter]) for letter in sorted(scores_of_letters)},
    } | _test_figures("recall_std", recall_std)


def _compare(variant: _Answers, original: _Answers, common: Sequence[Key], num_compared: int) -> dict[str, Any]:
    """Compare a variant with the original on the questions that both asked."""
    if not common:
        return {"n_paired": 0}
    rows, original_rows = ([answers.rows[key] for key in common] for answers in (variant, original))
    scores, original_scores = np.array(variant.scores)[rows], np.array(original.scores)[original_rows]
    images = _codes([key[0] for key in common])
    paired = compare_pair(scores, original_scores, images)
    # Bonferroni: slightly conservative, since all variants are compared with the same original answers.
    simultaneous = 1 - (1 - CONFIDENCE_LEVEL) / num_compared
    figures: dict[str, Any] = {
        "n_paired": len(common),
        "n_images": paired.num_clusters,
        "difference": paired.difference,
    }
    for name, level in (("difference_ci", CONFIDENCE_LEVEL), ("difference_simultaneous_ci", simultaneous)):
        interval = difference_interval(scores - original_scores, images, confidence_level=level)
        figures |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    same_option = agreement_test(
        _positions([original.chosen[row] for row in original_rows], [variant.options[row] for row in rows]),
        _positions([variant.chosen[row] for row in rows], [variant.options[row] for row in rows]),
        _codes([variant.strata[row] for row in rows]),
    )
    return figures | {"difference_p": paired.p} | _test_figures("same_option", same_option)


def _positions(texts: Sequence[str | None], options: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the position of each text among the options of its question; -1 for None.

    If several options have the same text, the first position is used.
    """
    pairs = zip(texts, options, strict=True)
    return np.array([-1 if text is None else offered.index(text) for text, offered in pairs])


def _spread(answers: Sequence[_Answers]) -> dict[str, Any]:
    common = sorted(set.intersection(*(set(variant.rows) for variant in answers)))
    if not common or len(answers) == 1:
        return {"spread": None, "n_common": len(common)}
    scores = [np.array(variant.scores)[[variant.rows[key] for key in common]] for variant in answers]
    test = spread_test(scores, _codes([key[0] for key in common]))
    return _test_figures("spread", test) | {"n_common": len(common)}


def _test_figures(name: str, test: PermutationTest) -> dict[str, float]:
    return {name: test.observed, f"{name}_null": test.expected, f"{name}_p": test.p}


def _adjust(ways: Mapping[str, dict[str, Any]], figure: str) -> None:
    """Add the p-values of a figure adjusted for all variants that have one."""
    tested = [way for way in ways.values() if f"{figure}_p" in way]
    adjusted = holm([way[f"{figure}_p"] for way in tested])
    for way, p in zip(tested, adjusted, strict=True):
        way[f"{figure}_p_adjusted"] = float(p)


def _codes(labels: Sequence[Any]) -> np.ndarray:
    """Replace labels by integers, in the sort order of the labels."""
    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    return np.array([numbers[label] for label in labels])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
