"""Say in words which run is better than which, on what, by how much, and where no difference was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from microbench_tasks import catalog
from microbench_tasks.analysis.comparison import RunComparison
from microbench_tasks.analysis.comparison_table import MAIN_METRICS, letters_of
from microbench_tasks.analysis.pair_differences import PairDifference
from microbench_tasks.render.number_text import p_value, percent, points
from microbench_tasks.util.text_safety import printable_line

# More names, such as single fine tasks, are left to the table.
_MOST_NAMES = 4
# More pairs without figures are left to the table.
_MOST_OTHERS = 10


def in_words(comparison: RunComparison) -> list[str]:
    """Return lines for each of the first main names (`catalog.main_names`), then how many names are left out.

    One run is compared with each other, with difference, interval and p-value: that of the highest score, or the
    reference where all others were compared with it alone. The other pairs follow without figures.
    """
    rows = [row for row in comparison.differences if row.metric in MAIN_METRICS]
    names = catalog.main_names({row.name for row in rows})
    lines = [
        line
        for name in names[:_MOST_NAMES]
        for metric in MAIN_METRICS
        for line in _lines([row for row in rows if (row.name, row.metric) == (name, metric)], comparison)
    ]
    left = len(names) - _MOST_NAMES
    return [*lines, f"{left} more: see the table."] if left > 0 else lines


def _lines(rows: Sequence[PairDifference], comparison: RunComparison) -> Iterator[str]:
    """Yield what is known of one metric of one task or group; nothing without any pair."""
    if not rows:
        return
    letters = letters_of(comparison)
    scores = {label: score for row in rows for label, score in _scores(row).items()}
    subject = comparison.labels[0] if comparison.is_against_one else max(scores, key=lambda label: scores[label])
    of_subject = [row for row in rows if subject in (row.reference, row.run)]
    things = "pairs of an image and a class" if rows[0].metric == "grit" else "questions"
    redefined = ", REDEFINED" if rows[0].is_redefined else ""
    yield f"{rows[0].name} ({rows[0].metric}, {rows[0].num_questions:,} {things}{redefined}):"
    yield from (f"  {_sentence(row, subject, scores, letters)}" for row in of_subject)
    if others := [row for row in rows if row not in of_subject]:
        yield f"  Among the others: {_about_others(others, letters)}"


def _scores(row: PairDifference) -> dict[str, float]:
    return {row.reference: row.reference_score, row.run: row.score}


def _sentence(row: PairDifference, subject: str, scores: Mapping[str, float], letters: Mapping[str, str]) -> str:
    """Compare a run with another one; the better one is named first, and the difference is in its favour."""
    other = row.run if row.reference == subject else row.reference
    first, second = (other, subject) if scores[other] > scores[subject] else (subject, other)
    ends = (row.low, row.high) if row.run == first else (-row.high, -row.low)
    difference = scores[first] - scores[second]
    p = row.p_adjusted if row.p_all_tasks is None else row.p_all_tasks
    size = f"{points(difference)} points [{points(ends[0])}, {points(ends[1])}], {p_value(p)}"
    one, another = (
        f"{letters[label]} {printable_line(label)} ({percent(scores[label])} %)" for label in (first, second)
    )
    if row.verdict == "tie":
        return f"No difference found between {one} and {another}: {size}."
    return f"{one} is better than {another}: {size}."


def _about_others(rows: Sequence[PairDifference], letters: Mapping[str, str]) -> str:
    """Name the verdicts of pairs without figures."""
    if len(rows) > _MOST_OTHERS:
        return f"see the table, which has {len(rows)} more pairs."
    beaten: dict[str, list[str]] = {}
    ties = []
    for row in rows:
        if row.verdict == "tie":
            ties.append(f"{letters[row.reference]} and {letters[row.run]}")
        else:
            winner, loser = (row.run, row.reference) if row.verdict == "better" else (row.reference, row.run)
            beaten.setdefault(letters[winner], []).append(letters[loser])
    said = [f"{winner} is better than {_listed(losers)}." for winner, losers in beaten.items()]
    return " ".join([*said, *([f"No difference found between {'; '.join(ties)}."] if ties else [])])


def _listed(names: Sequence[str]) -> str:
    """Join names; the last of several with *and*.

    >>> _listed(["B", "C", "D"])
    'B, C and D'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
