"""Render a leaderboard as LaTeX tables. Names of models come from untrusted files and are escaped."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks.leaderboard import tables, words
from microbench_tasks.leaderboard.ranking import Leaderboard, Ranking
from microbench_tasks.render.latex import latex_text
from microbench_tasks.util.text_safety import printable_line

# Columns with text are aligned left, those with numbers right.
_LEFT = ("model", "data", "versus next run")


def as_latex(leaderboard: Leaderboard, *, with_paper: bool) -> str:
    r"""Render a ``tabular`` in the style of booktabs for each ranking, with its facts as comments above.

    The document needs ``\usepackage{booktabs}``.
    """
    parts = [r"% Needs \usepackage{booktabs}.", *(_table(ranking, with_paper) for ranking in leaderboard.rankings)]
    return "\n\n".join([*parts, *(f"% note: {printable_line(note)}" for note in leaderboard.notes)]) + "\n"


def _table(ranking: Ranking, with_paper: bool) -> str:
    header = tables.header_of(ranking)
    best = words.best_of(ranking, printable_line)
    above = [tables.title_of(ranking), best, *tables.cautions_of(ranking, with_paper), *tables.facts_of(ranking)]
    lines = [
        *(f"% {printable_line(line)}" for line in above),
        rf"\begin{{tabular}}{{{''.join('l' if column in _LEFT else 'r' for column in header)}}}",
        r"\toprule",
        _row(header),
        r"\midrule",
        *(_row(tables.cells_of(line, ranking)) for line in tables.lines_of(ranking, with_paper)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(map(latex_text, cells))} \\"
