"""Render a leaderboard as one HTML page with sortable tables and plots. Names of models are escaped."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.catalog import table1
from microbench_tasks.catalog.table1 import Reported
from microbench_tasks.leaderboard import tables
from microbench_tasks.leaderboard.ranking import Leaderboard, Ranking
from microbench_tasks.leaderboard.tables import Line
from microbench_tasks.render import pages, plots
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.util.text_safety import printable_line

# A radar chart with more lines is not readable.
_MOST_LINES = 6
_LEAST_AXES = 3


def as_html(leaderboard: Leaderboard, *, with_paper: bool) -> str:
    """Render one self-contained page, which loads no other resources."""
    sections = [_section(ranking, with_paper) for ranking in leaderboard.rankings]
    closing = "\n\n".join([*tables.how_to_read(), *(printable_line(note) for note in leaderboard.notes)])
    models = {row.entry.model for ranking in leaderboard.rankings for row in ranking.rows}
    facts = {
        "rankings": str(len(leaderboard.rankings)),
        "submissions": str(len(models)),
        "data": ", ".join(sorted({ranking.data.shown() for ranking in leaderboard.rankings})),
    }
    return pages.render(tables.TITLE, [*sections, pages.Section("How to read this", [], closing)], facts)


def _section(ranking: Ranking, with_paper: bool) -> pages.Section:
    lines = tables.lines_of(ranking, with_paper)
    absent = " ".join(
        f"{printable_line(model)} is not in this ranking: {why}." for model, why in ranking.absent.items()
    )
    rows = [_cells(line, ranking) for line in lines]
    blocks: list[pages.Part] = [pages.Table(f"{ranking.metric}, in percent", tables.header_of(ranking), rows, absent)]
    if tables.has_pairs_shown(ranking):
        blocks += [_square(ranking), _pairs(ranking)]
    text = "\n\n".join([*tables.cautions_of(ranking, with_paper), *tables.facts_of(ranking)])
    return pages.Section(tables.title_of(ranking), [*blocks, *_plots(ranking, lines)], text)


def _cells(line: Line, ranking: Ranking) -> list[pages.Cell]:
    rank, model, data, n, score, versus, *figures = tables.cells_of(line, ranking)
    # Keep the data on one line.
    data = data.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")
    if isinstance(line, Reported):
        first = [
            pages.Cell(rank),
            pages.Cell(printable_line(model)),
            pages.Cell(data, title=table1.source()),
            pages.Cell(n),
            pages.Cell(score, float(line.score)),
            pages.Cell(versus),
        ]
    else:
        next_run = line.versus_next
        first = [
            pages.Cell(rank, line.rank),
            pages.Cell(printable_line(model)),
            pages.Cell(data, title=ranking.data.shown()),
            pages.Cell(n, len(line.entry.scores)),
            pages.Cell(score, float(line.entry.score)),
            pages.Cell(versus, next_run.difference, f"versus {printable_line(next_run.model)}")
            if next_run
            else pages.Cell(versus),
        ]
    return [*first, *(_figure_cell(figure) for figure in figures)]


def _figure_cell(text: str) -> pages.Cell:
    """Return a cell with a share, with or without its interval, that sorts by the share."""
    return pages.Cell(text, float(text.split()[0]) if text else None)


def _square(ranking: Ranking) -> pages.Table:
    header, rows = tables.matrix_of(ranking)
    note = "The model of a row against that of a column, whose number stands before its name on the left."
    cells = [[printable_line(name), *others] for name, *others in rows]
    return pages.Table(f"All pairs by {ranking.metric}, in points", header, cells, note)


def _pairs(ranking: Ranking) -> pages.Table:
    rows = [_pair_cells(ranking, *pair) for pair in tables.pairs_of(ranking)]
    note = (
        "Differences, intervals and standard errors in points. Intervals and the adjusted p are for all pairs of a "
        "metric at once; a pair's own p, standard error, correlation and images depend on the two models alone."
    )
    return pages.Table("Pairs in full", tables.PAIRS_HEADER, rows, note)


def _pair_cells(ranking: Ranking, metric: str, one: int, other: int) -> list[pages.Cell | str]:
    name, model, against, difference, *others = tables.pair_cells(ranking, metric, one, other)
    versus = ranking.versus(one, other, metric)
    return [name, printable_line(model), printable_line(against), pages.Cell(difference, versus.difference), *others]


# --- plots ---------------------------------------------------------------------------


def _plots(ranking: Ranking, lines: Sequence[Line]) -> list[pages.Image]:
    images = [_image("Scores with their intervals", _score_plot(ranking, lines))]
    if len(ranking.rows[0].entry.by_task) >= _LEAST_AXES:
        images.append(_image("Scores by task", _task_plot(ranking)))
    return images


def _image(title: str, spec: FigureSpec) -> pages.Image:
    return pages.Image(title, plots.png(spec.figure()), spec.alt, spec.note)


def _score_plot(ranking: Ranking, lines: Sequence[Line]) -> FigureSpec:
    title, labels = tables.title_of(ranking), [_label(line, ranking) for line in lines]
    intervals = [_interval(line) for line in lines]
    scores = "; ".join(
        f"{label} {tables.percent(value)}" for label, (value, _, _) in zip(labels, intervals, strict=True)
    )
    return figure_spec(
        "scores",
        "interval_bars",
        f"{title}: {scores}",
        ranking.caution,
        title=title,
        labels=labels,
        values=[value for value, _, _ in intervals],
        lows=[low for _, low, _ in intervals],
        highs=[high for _, _, high in intervals],
        chance=ranking.level("chance"),
        majority=ranking.level("majority"),
        hollow=[position for position, line in enumerate(lines) if isinstance(line, Reported)],
        xlabel=f"{ranking.metric} (%) with its 95 % interval",
    )


def _task_plot(ranking: Ranking) -> FigureSpec:
    rows = ranking.rows[:_MOST_LINES]
    title = tables.title_of(ranking)
    series = {f"{row.place} {printable_line(row.entry.model)}": list(row.entry.by_task.values()) for row in rows}
    note = "Each task over all of its questions."
    if len(rows) < len(ranking.rows):
        note = f"The first {len(rows)} of {len(ranking.rows)} models; each task over all of its questions."
    return figure_spec(
        "tasks",
        "radar",
        f"{title}: {ranking.metric} of each task for {', '.join(series)}",
        f"{note} {ranking.caution}".strip(),
        title=f"{title}, by task",
        axes=[catalog.short_name(task) for task in rows[0].entry.by_task],
        series=series,
    )


def _label(line: Line, ranking: Ranking) -> str:
    if isinstance(line, Reported):
        return f"{line.model} (reported)"
    mark = "" if ranking.data.kind == "release" else f" ({ranking.data.kind} data)"
    return f"{line.place} {printable_line(line.entry.model)}{mark}"


def _interval(line: Line) -> tuple[float, float, float]:
    if isinstance(line, Reported):
        low, high = line.ends
        return float(line.score), float(low), float(high)
    return line.entry.score, line.interval.low, line.interval.high
