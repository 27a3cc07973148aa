"""Prompt sensitivity: compare a run's answers to variants of the coarse questions with each other."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
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
Items = dict[str, Any]


@dataclass(frozen=True)
class _Way:
    """Hold the questions of one way of asking (prompt variant), with one column for each property.

    Attributes:
        rows: row of each question in the columns.
        scores, strict_scores: by the paper's rule and by the strict rule.
        letters: letters of the right options.
        answers: texts of the options that the strict rule reads; None if it reads none.
        options: texts of all options.
        strata: kind and number of options. Letters may be permuted among questions of one stratum.
    """

    rows: dict[Key, int]
    scores: list[float]
    strict_scores: list[float]
    letters: list[str]
    answers: list[str | None]
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
    asked = {name: _way(items[name]) for name in variants}
    if coarse:
        asked = {catalog.COARSE_GROUP: _way(item for task in coarse for item in items[task])} | asked
    ways = {name: _alone(way) for name, way in asked.items()}
    _adjust(ways, "recall_std")
    original = asked[catalog.COARSE_GROUP] if coarse else None
    common = {name: [key for key in asked[name].rows if key in original.rows] for name in variants} if original else {}
    num_compared = sum(map(bool, common.values()))
    for name, questions in common.items():
        ways[name] |= _compared(asked[name], original, questions, num_compared)
    for figure in ("difference", "same_option"):
        _adjust(ways, figure)
    settings = {
        "num_permutations": NUM_PERMUTATIONS,
        "seed": SEED,
        "confidence_level": CONFIDENCE_LEVEL,
        "num_compared": num_compared,
    }
    return {"ways": ways} | _spread(list(asked.values())) | {"settings": settings}


def _way(items: Iterable[Items]) -> _Way:
    turns: collections.Counter[tuple[str, str]] = collections.Counter()
    found = _Way({}, [], [], [], [], [], [])
    for item in items:
        acc, strict = item["acc"], item["acc_strict"]
        question, options, letter = (acc["image"], acc["kind"]), acc["options"], strict["predicted"]
        found.rows[*question, turns[question]] = len(found.scores)
        turns[question] += 1
        found.scores.append(acc["score"])
        found.strict_scores.append(strict["score"])
        found.letters.append(acc["gold"])
        found.answers.append(None if letter is None else options[LETTERS.index(letter)])
        found.options.append(options)
        found.strata.append((acc["kind"], len(options)))
    return found


def _alone(way: _Way) -> dict[str, Any]:
    hits: dict[str, list[float]] = collections.defaultdict(list)
    for letter, score in zip(way.letters, way.strict_scores):
        hits[letter].append(score)
    return {
        "n": len(way.scores),
        "acc": _mean(way.scores),
        "acc_strict": _mean(way.strict_scores),
        "recall": {letter: _mean(hits[letter]) for letter in sorted(hits)},
    } | _tested("recall_std", recall_std_test(way.strict_scores, _codes(way.letters), _codes(way.strata)))


def _compared(variant: _Way, original: _Way, common: Sequence[Key], num_compared: int) -> dict[str, Any]:
    """Compare a variant with the original on the questions that both asked."""
    if not common:
        return {"n_paired": 0}
    here, there = ([way.rows[key] for key in common] for way in (variant, original))
    scores, others = np.array(variant.scores)[here], np.array(original.scores)[there]
    images = _codes([key[0] for key in common])
    paired = compare_pair(scores, others, images)
    # Bonferroni: slightly conservative, since all variants are compared with the same original answers.
    simultaneous = 1 - (1 - CONFIDENCE_LEVEL) / num_compared
    figures: dict[str, Any] = {
        "n_paired": len(common),
        "n_images": paired.num_clusters,
        "difference": paired.difference,
    }
    for name, level in (("difference_ci", CONFIDENCE_LEVEL), ("difference_simultaneous_ci", simultaneous)):
        interval = difference_interval(scores - others, images, confidence_level=level)
        figures |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    # Positions, among the variant's options, of the answers to the original and to the variant. If several options
    # have the same text, the first position is used.
    options = [variant.options[row] for row in here]
    places = (
        np.array([-1 if text is None else offered.index(text) for text, offered in zip(answers, options)])
        for answers in ([original.answers[row] for row in there], [variant.answers[row] for row in here])
    )
    same = agreement_test(*places, _codes([variant.strata[row] for row in here]))
    return figures | {"difference_p": paired.p} | _tested("same_option", same)


def _spread(asked: Sequence[_Way]) -> dict[str, Any]:
    common = sorted(set.intersection(*(set(way.rows) for way in asked)))
    if not common or len(asked) == 1:
        return {"spread": None, "n_common": len(common)}
    scores = [np.array(way.scores)[[way.rows[key] for key in common]] for way in asked]
    return _tested("spread", spread_test(scores, _codes([key[0] for key in common]))) | {"n_common": len(common)}


def _tested(name: str, test: PermutationTest) -> dict[str, float]:
    return {name: test.observed, f"{name}_null": test.expected, f"{name}_p": test.p}


def _adjust(ways: Mapping[str, dict[str, Any]], figure: str) -> None:
    """Add the p-values of a figure adjusted for all ways that have one."""
    having = [way for way in ways.values() if f"{figure}_p" in way]
    for way, p in zip(having, holm([way[f"{figure}_p"] for way in having])):
        way[f"{figure}_p_adjusted"] = float(p)


def _codes(labels: Sequence[Any]) -> np.ndarray:
    """Replace labels by integers, in the sort order of the labels."""
    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    return np.array([numbers[label] for label in labels])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


# --- tables --------------------------------------------------------------------------


def notes(found: Mapping[str, Any]) -> list[str]:
    """Explain the columns of `alone_rows` and `compared_rows`, a sentence or two each."""
    lines = [
        "recall_std: unevenness of recall over letters. By chance: if being right did not depend on the letter.",
        "p: how often chance alone gives a figure this large, adjusted for all rows of its table (Holm).",
    ]
    num_compared = found["settings"]["num_compared"]
    if num_compared:
        lines += [
            f"difference: in acc, with intervals that hold for all {num_compared} variants at once "
            f"({100 * found['settings']['confidence_level']:g} %).",
            "same option: the same option is read as in microbench_coarse. By chance: if the letter read did not "
            "depend on the question.",
        ]
    return lines


def alone_rows(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table with one row per way of asking, as texts."""
    header = ["asked as", "n", "acc", "acc_strict", "recall_std", "by chance", "p"]
    figures = ("acc", "acc_strict", "recall_std", "recall_std_null")
    rows = [
        [name, str(way["n"]), *(_shown(way[figure]) for figure in figures), p_shown(way["recall_std_p_adjusted"])]
        for name, way in found["ways"].items()
    ]
    return header, rows


def compared_rows(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of variants against the original, as texts; no rows if none is compared."""
    header = ["variant", "pairs", "images", "difference in acc", "p", "same option", "by chance", "p"]
    rows = [
        [
            name,
            str(way["n_paired"]),
            str(way["n_images"]),
            f"{way['difference']:+.4f} [{way['difference_simultaneous_ci_low']:+.4f}, "
            f"{way['difference_simultaneous_ci_high']:+.4f}]",
            p_shown(way["difference_p_adjusted"]),
            _shown(way["same_option"]),
            _shown(way["same_option_null"]),
            p_shown(way["same_option_p_adjusted"]),
        ]
        for name, way in found["ways"].items()
        if "difference" in way
    ]
    return header, rows


def spread_text(found: Mapping[str, Any]) -> str:
    """Describe the spread of ``acc`` over the ways of asking; return an empty text for a single way."""
    if len(found["ways"]) == 1:
        return ""
    if found["spread"] is None:
        return "spread of acc: no question was asked in every way"
    return (
        f"spread of acc: {_shown(found['spread'])} over the {found['n_common']} questions asked in every way "
        f"(by chance {_shown(found['spread_null'])}, p {p_shown(found['spread_p'])})"
    )


def as_text(found: Mapping[str, Any], render: Callable[[list[str], list[list[str]]], str]) -> str:
    """Render a report as text; ``render`` formats a table, given its header and rows."""
    header, rows = compared_rows(found)
    tables = [render(*alone_rows(found)), *([render(header, rows)] if rows else [])]
    return "\n\n".join([*tables, "\n".join(line for line in (spread_text(found), *notes(found)) if line)])


def p_shown(p: float) -> str:
    """Format a p-value with three decimals.

    >>> p_shown(0.0004), p_shown(0.25)
    ('< 0.001', '0.250')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _shown(value: float) -> str:
    return f"{value:.4f}"
