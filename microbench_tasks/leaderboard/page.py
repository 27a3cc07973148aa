"""Render a leaderboard as one HTML page with sortable tables and plots. Names of models are escaped."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.catalog import table1
from microbench_tasks.catalog.table1 import Reported
from microbench_tasks.leaderboard import tables, words
from microbench_tasks.leaderboard.ranking import Leaderboard, Ranking
from microbench_tasks.leaderboard.tables import Line
from microbench_tasks.render import pages, plots
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.render.page_content import Bar, Cell, Chart, ChartRow, Folded, Image, Part, Section, Table
from microbench_tasks.util.text_safety import printable_line

# A radar chart with more lines is not readable.
_MOST_LINES = 6
_LEAST_AXES = 3
_DATA = "data"
_CHART_TITLE = "Scores (%) with their 95 % intervals"


def as_html(leaderboard: Leaderboard, *, with_paper: bool) -> str:
    """Render one self-contained page, which loads no other resources."""
    titles = tables.headings_of(leaderboard.rankings)
    sections = [
        _section(ranking, title, with_paper) for ranking, title in zip(leaderboard.rankings, titles, strict=True)
    ]
    closing = "\n\n".join([*tables.how_to_read(), *(printable_line(note) for note in leaderboard.notes)])
    models = {row.entry.model for ranking in leaderboard.rankings for row in ranking.rows}
    facts = {
        "rankings": str(len(leaderboard.rankings)),
        "submissions": str(len(models)),
        "data": ", ".join(dict.fromkeys(tables.data_text(ranking) for ranking in leaderboard.rankings)),
    }
    how = Section("How to read this", [], closing)
    is_demo = any(ranking.data.kind == "demo" for ranking in leaderboard.rankings)
    return pages.render(
        tables.TITLE,
        [*sections, how],
        facts,
        notice=tables.DEMO_NOTICE if is_demo else "",
        lead=words.lead_of(leaderboard, printable_line),
    )


def _section(ranking: Ranking, title_in_page: str, with_paper: bool) -> Section:
    absent = " ".join(
        f"{printable_line(model)} is not in this ranking: {why}." for model, why in ranking.absent.items()
    )
    lines, reported = tables.divided_lines(ranking, with_paper)
    blocks: list[Part] = [_score_chart(ranking, lines, _CHART_TITLE)]
    blocks.append(_table(ranking, lines, f"{ranking.metric}, in percent", absent))
    if reported:
        title = tables.REPORTED_APART
        blocks.append(
            Folded(title, [_score_chart(ranking, reported, title), _table(ranking, reported, "As printed", "")])
        )
    blocks.append(Folded("More figures", [_figures_table(ranking)], ", ".join(_figure_names(ranking))))
    if tables.has_pairs_shown(ranking):
        blocks.append(Folded("All pairs", [_square(ranking), _pairs(ranking)], "differences with their p-values"))
    if len(ranking.rows[0].entry.by_task) >= _LEAST_AXES:
        blocks.append(Folded("Scores by task", [_image("", _task_plot(ranking))]))
    facts = tables.facts_of(ranking)
    details = Folded("About this ranking", [_data_table(ranking)], tables.data_text(ranking))
    text = "\n\n".join([*tables.cautions_of(ranking, with_paper), " ".join(facts)])
    return Section(title_in_page, [*blocks, details], text)


def _table(ranking: Ranking, lines: Sequence[Line], title: str, note: str) -> Table:
    """Return the main table; further figures are left to a table of their own, so that this one fits a screen."""
    header = [name for name in tables.header_of(ranking) if name not in (*_figure_names(ranking), _DATA)]
    rows = [_cells(line, ranking) for line in lines]
    shown = [[cell for name, cell in row.items() if name in header] for row in rows]
    if all(isinstance(line, Reported) for line in lines):
        header, shown = header[:3], [row[:3] for row in shown]
    return Table(title, header, shown, note)


def _figures_table(ranking: Ranking) -> Table:
    header = ["rank", "model", *_figure_names(ranking), _DATA]
    rows = [_cells(row, ranking) for row in ranking.rows]
    return Table("", header, [[row[name] for name in header] for row in rows])


def _figure_names(ranking: Ranking) -> list[str]:
    """Return the columns between the comparison with the next run and the number of questions."""
    return tables.header_of(ranking)[4:-2]


def _data_table(ranking: Ranking) -> Table:
    """Return what identifies the data of a ranking: hashes stand here and in no heading."""
    rows = [["data", ranking.data.shown()], ["version of the tasks", str(ranking.version)]]
    return Table("", ["what", "which"], rows)


def _cells(line: Line, ranking: Ranking) -> dict[str, Cell]:
    """Return the cells of a line by the columns of `tables.header_of`."""
    rank, model, score, versus, *figures, n, data = tables.cells_of(line, ranking)
    # Keep the data on one line.
    data = data.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")
    if isinstance(line, Reported):
        first = [
            Cell(rank),
            # The page has no column that says so.
            Cell(_label(line, ranking), title=table1.source()),
            Cell(score, float(line.score)),
            Cell(versus),
        ]
        last = [Cell(n), Cell(data, title=table1.source())]
    else:
        next_run = line.versus_next
        first = [
            Cell(rank, line.rank),
            Cell(printable_line(model)),
            Cell(score, float(line.entry.score)),
            Cell(versus, next_run.difference, f"versus {printable_line(next_run.model)}") if next_run else Cell(versus),
        ]
        last = [Cell(n, len(line.entry.scores)), Cell(data, title=ranking.data.shown())]
    cells = [*first, *(_figure_cell(figure) for figure in figures), *last]
    return dict(zip(tables.header_of(ranking), cells, strict=True))


def _figure_cell(text: str) -> Cell:
    """Return a cell with a share, with or without its interval, that sorts by the share."""
    return Cell(text, float(text.split()[0]) if text else None)


def _square(ranking: Ranking) -> Table:
    header, rows = tables.matrix_of(ranking)
    note = "The model of a row against that of a column, whose number stands before its name on the left."
    cells = [[printable_line(name), *others] for name, *others in rows]
    return Table(f"All pairs by {ranking.metric}, in points", header, cells, note)


def _pairs(ranking: Ranking) -> Table:
    rows = [_pair_cells(ranking, *pair) for pair in tables.pairs_of(ranking)]
    note = (
        "Differences, intervals and standard errors in points. Intervals and the adjusted p are for all pairs of a "
        "metric at once; a pair's own p, standard error, correlation and images depend on the two models alone."
    )
    return Table("Pairs in full", tables.PAIRS_HEADER, rows, note)


def _pair_cells(ranking: Ranking, metric: str, one: int, other: int) -> list[Cell | str]:
    name, model, against, difference, *others = tables.pair_cells(ranking, metric, one, other)
    versus = ranking.versus(one, other, metric)
    return [name, printable_line(model), printable_line(against), Cell(difference, versus.difference), *others]


# --- plots ---------------------------------------------------------------------------


def _image(title: str, spec: FigureSpec) -> Image:
    return Image(title, plots.lighter(plots.png(spec.figure())), spec.alt, spec.note)


def _score_chart(ranking: Ranking, lines: Sequence[Line], title: str) -> Chart:
    labels = [_label(line, ranking) for line in lines]
    intervals = [_interval(line) for line in lines]
    scores = "; ".join(
        f"{label} {tables.percent(value)}" for label, (value, _, _) in zip(labels, intervals, strict=True)
    )
    is_of_paper = all(isinstance(line, Reported) for line in lines)
    # The levels are those of the ranking's own questions.
    chance, majority = (None if is_of_paper else ranking.level(level) for level in ("chance", "majority"))
    rows = [
        ChartRow(label, [Bar(*ends)], chance, majority, isinstance(line, Reported))
        for label, ends, line in zip(labels, intervals, lines, strict=True)
    ]
    return Chart(title, [""], rows, f"{title}: {scores}")


def _task_plot(ranking: Ranking) -> FigureSpec:
    rows = ranking.rows[:_MOST_LINES]
    title = tables.heading_of(ranking)
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
