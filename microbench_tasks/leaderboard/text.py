"""Render a leaderboard as a Markdown page. Names of models come from untrusted files and are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from microbench_tasks.leaderboard import tables, words
from microbench_tasks.leaderboard.ranking import Leaderboard, Ranking
from microbench_tasks.util.text_safety import markdown_text

# Columns with text are aligned left, those with numbers right.
_LEFT = ("model", "data")


def as_markdown(leaderboard: Leaderboard, *, with_paper: bool) -> str:
    """Render the leaderboard as a Markdown page."""
    parts = [f"# {tables.TITLE}", _listed(words.lead_of(leaderboard, markdown_text))]
    headings = tables.headings_of(leaderboard.rankings)
    for ranking, heading in zip(leaderboard.rankings, headings, strict=True):
        parts += _section(ranking, heading, with_paper)
    if leaderboard.notes:
        parts.append("## Notes\n\n" + _listed(map(markdown_text, leaderboard.notes)))
    parts.append("## How to read this\n\n" + _listed(tables.how_to_read()))
    return "\n\n".join(parts) + "\n"


def _section(ranking: Ranking, heading: str, with_paper: bool) -> list[str]:
    parts = [f"## {heading}"]
    parts += [f"**{caution}**" for caution in tables.cautions_of(ranking, with_paper)]
    parts += [" ".join(tables.facts_of(ranking)), f"Ranked: {tables.title_of(ranking)}."]
    together, apart = tables.divided_lines(ranking, with_paper)
    parts.append(_table(tables.header_of(ranking), [tables.cells_of(line, ranking) for line in together]))
    if apart:
        header = [f"{ranking.metric} as printed" if "interval" in name else name for name in tables.header_of(ranking)]
        cells = [tables.cells_of(line, ranking) for line in apart]
        shown = [number for number, column in enumerate(zip(*cells, strict=True)) if any(column)]
        parts.append(f"{tables.REPORTED_APART}:")
        parts.append(_table([header[number] for number in shown], [[row[number] for number in shown] for row in cells]))
    if tables.has_pairs_shown(ranking):
        parts.append(f"All pairs by {ranking.metric}, the model of a row against that of a column, in points:")
        parts.append(_table(*tables.matrix_of(ranking)))
    if ranking.absent:
        reasons = (f"{markdown_text(model)}: {why}" for model, why in ranking.absent.items())
        parts.append("Not in this ranking:\n\n" + _listed(reasons))
    return parts


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    name = header.index("model")
    shown = [[*cells[:name], markdown_text(cells[name]), *cells[name + 1 :]] for cells in rows]
    marks = ["---" if column in _LEFT else "---:" for column in header]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *shown))


def _listed(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
