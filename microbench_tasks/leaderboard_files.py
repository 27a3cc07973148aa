"""A leaderboard for readers and programs: Markdown, CSV, JSON, and one HTML page with pictures.

Models' names are written by people we do not know: each form shows them as text and nothing else.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks import catalog, files, pages, paper, submission, untrusted
from microbench_tasks.aggregations import interval_settings
from microbench_tasks.leaderboard import FIGURES, Leaderboard, Ranking, Row, Versus
from microbench_tasks.markdown import markdown_text, plain
from microbench_tasks.metrics.bootstrap import NUM_RESAMPLES, SEED
from microbench_tasks.metrics.paired import LEVEL
from microbench_tasks.paper import Reported
from microbench_tasks.schema import DataError

# Goes up when the JSON file's form changes.
JSON_VERSION = 1
TITLE = "Micro-Bench leaderboard"
_NOT_RERUN = "reported, not re-run"
_STATED = "Data as stated by the submissions; microbench verify compares each with the data."
# What says that a file is a leaderboard's, and which file says it.
_MADE_BY = "microbench leaderboard"
_RECORD = "leaderboard.json"
# A radar with more lines is not read by anyone.
_MOST_LINES = 6
_LEAST_AXES = 3
_FORMULA_STARTS = ("=", "+", "-", "@")

Line = Row | Reported


def check_folder(folder: Path) -> None:
    """Raise `DataError` unless the files can be written into ``folder``: those there already must be an earlier leaderboard's, unchanged."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file. Name a folder.")
    if reason := files.unwritable(folder):
        raise DataError(f"{folder}: {reason}. Name another folder.")
    written = _written(folder / _RECORD)
    for path in (folder / _RECORD, *(folder / name for name in _FORMS)):
        is_there = path.exists() or path.is_symlink()
        if is_there and not (path.is_file() and not path.is_symlink() and path.name in written and written[path.name] in ("", files.sha256(path))):
            raise DataError(f"{path}: is there already, and is not as an earlier leaderboard was written. Nothing is overwritten: name another folder.")


def _written(record: Path) -> dict[str, str]:
    """SHA-256 of each file of the leaderboard whose JSON file this is (nothing of itself, which has a digest within); of anything else no file."""
    try:
        found = json.loads(untrusted.read_regular_file(record, follow_links=False))
        is_whole = found["made_by"] == _MADE_BY and found["digest"] == submission.digest_of(found)
        return {**found["files"], _RECORD: ""} if is_whole else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def write(found: Leaderboard, folder: Path, *, with_paper: bool) -> list[Path]:
    """Write ``leaderboard.md``, ``.csv``, ``.json`` and ``.html`` into ``folder``, each in one step; returns their paths.

    Raises:
        DataError: see `check_folder`.
    """
    check_folder(folder)
    # All before the first is written.
    contents = {name: make(found, with_paper=with_paper).encode() for name, make in _FORMS.items()}
    record = json.loads(as_json(found, with_paper=with_paper)) | {"files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}}
    # Last, as it names the others.
    contents[_RECORD] = _as_text(record | {"digest": submission.digest_of(record)}).encode()
    for name, content in contents.items():
        files.write_file(folder / name, content)
    return [folder / name for name in contents]


# --- texts of strangers --------------------------------------------------------------


def csv_text(text: str) -> str:
    """``text`` for a spreadsheet, which takes none of it for a formula."""
    shown = plain(text)
    # Wide forms of these signs are read as the signs.
    return f"'{shown}" if unicodedata.normalize("NFKC", shown).lstrip().startswith(_FORMULA_STARTS) else shown


# --- what a table says ---------------------------------------------------------------


def _lines(ranking: Ranking, with_paper: bool) -> list[Line]:
    return ranking.with_reported(paper.table1(ranking.group) if with_paper else ())


def _figures(ranking: Ranking) -> list[str]:
    return [figure for figure in FIGURES if any(figure in row.entry.figures for row in ranking.rows)]


def _header(ranking: Ranking) -> list[str]:
    return ["rank", "model", "data", "n", f"{ranking.metric} [95 % interval]", "versus next run", *_figures(ranking)]


def _cells(line: Line, ranking: Ranking) -> list[str]:
    if isinstance(line, Reported):
        return ["–", line.model, _NOT_RERUN, "", line.as_printed, "", *[""] * len(_figures(ranking))]
    figures = [_percent(line.entry.figures[figure]) if figure in line.entry.figures else "" for figure in _figures(ranking)]
    score = f"{_percent(line.entry.score)} [{_percent(line.interval.low)}, {_percent(line.interval.high)}]"
    return [line.place, line.entry.model, line.entry.data.kind, f"{len(line.entry.scores):,}", score, _against(line.versus_next), *figures]


def _percent(value: float) -> str:
    return pages.percent(value, decimals=2)


def _against(versus: Versus | None) -> str:
    if versus is None:
        return ""
    # Adding 0 takes the sign off a zero.
    difference, low, high = (f"{round(100 * value, 2) + 0:+.2f}" for value in (versus.difference, versus.low, versus.high))
    return f"{difference} [{low}, {high}], {_p(versus.p)}, {versus.verdict}"


def _p(p: float) -> str:
    smallest = 1 / (NUM_RESAMPLES + 1)
    return f"p ≤ {smallest:.4f}" if p <= smallest else f"p = {p:.4f}"


def _title(ranking: Ranking) -> str:
    return f"{ranking.group}, {ranking.data.shown()}, tasks version {ranking.version}"


def _facts_of(ranking: Ranking) -> str:
    chance = ranking.chance
    expected = "" if chance is None else f"; chance {_percent(chance)}"
    return f"{ranking.num_questions:,} questions about {ranking.num_images:,} images, in percent{expected}. {_STATED}"


def _cautions(ranking: Ranking, with_paper: bool) -> list[str]:
    reported = with_paper and paper.table1(ranking.group)
    return [*filter(None, [ranking.caution]), *([f"Rows without a rank are the paper's, as {_NOT_RERUN}: {paper.source()}. No test compares them with a run."] if reported else [])]


def how_to_read() -> list[str]:
    """What the ranks and numbers mean, in a few sentences."""
    interval = interval_settings()["paper"]
    return [
        "Every figure is computed from the answers in the submissions, not copied from their tables; whether the answers belong to the data is what microbench verify checks.",
        f"Intervals of scores: 95 % bootstrap ({interval['method']}, {interval['num_resamples']:,} resamples, seed {interval['seed']}), images resampled with all their questions.",
        f"All pairs of a ranking are compared at once on their common questions, image by image (wild bootstrap of the largest statistic, {NUM_RESAMPLES:,} resamples, seed {SEED}): "
        f"with a chance of at most {100 * LEVEL:g} % is any pair of equal models called different, whichever pair is looked at. p-values are adjusted and the differences' intervals simultaneous for that.",
        "A rank is one more than the number of models that are better by this test. Models with the same rank (=) are not all equal: they are each not known to be worse than the same number of others.",
    ]


# --- Markdown ------------------------------------------------------------------------


def as_markdown(found: Leaderboard, *, with_paper: bool) -> str:
    """The leaderboard as a Markdown page."""
    parts = [f"# {TITLE}"]
    for ranking in found.rankings:
        parts.append(f"## {_title(ranking)}")
        parts += [f"**{caution}**" for caution in _cautions(ranking, with_paper)]
        parts.append(_facts_of(ranking))
        parts.append(_markdown_table(_header(ranking), [_cells(line, ranking) for line in _lines(ranking, with_paper)]))
        if ranking.absent:
            parts.append("Not in this ranking:\n\n" + _listed(f"{markdown_text(model)}: {why}" for model, why in ranking.absent.items()))
    if found.notes:
        parts.append("## Notes\n\n" + _listed(map(markdown_text, found.notes)))
    parts.append("## How to read this\n\n" + _listed(how_to_read()))
    return "\n\n".join(parts) + "\n"


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    shown = [[cells[0], markdown_text(cells[1]), *cells[2:]] for cells in rows]
    marks = ["---:" if name not in ("model", "data") else "---" for name in header]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *shown))


def _listed(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


# --- for programs --------------------------------------------------------------------

_CSV_COLUMNS = (
    *("group", "data", "data_identity", "task_version", "origin", "rank", "is_tied", "model", "n", "images", "metric", "score", "score_low", "score_high", "as_printed", *FIGURES, "chance"),
    *("next_model", "difference", "difference_low", "difference_high", "p_adjusted", "verdict"),
)


def as_csv(found: Leaderboard, *, with_paper: bool) -> str:
    """One line for each row of each ranking; figures are fractions, in full."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, _CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for ranking in found.rankings:
        for line in _lines(ranking, with_paper):
            writer.writerow({name: csv_text(value) if name in ("model", "next_model") else value for name, value in _flat(line, ranking).items()})
    return file.getvalue()


def _flat(line: Line, ranking: Ranking) -> dict[str, Any]:
    asked = {"group": ranking.group, "data": ranking.data.kind, "data_identity": ranking.data.identity, "task_version": ranking.version, "metric": ranking.metric}
    if isinstance(line, Reported):
        low, high = line.ends
        return {"group": ranking.group, "data": "release", "metric": ranking.metric, "origin": _NOT_RERUN, "model": line.model, "score": line.score, "score_low": low, "score_high": high, "as_printed": line.as_printed}
    found = asked | {"origin": "run", "rank": line.rank, "is_tied": line.is_tied, "model": line.entry.model, "n": len(line.entry.scores), "images": ranking.num_images}
    found |= {"score": line.entry.score, "score_low": line.interval.low, "score_high": line.interval.high, **line.entry.figures}
    if line.versus_next:
        versus = line.versus_next
        found |= {"next_model": versus.model, "difference": versus.difference, "difference_low": versus.low, "difference_high": versus.high, "p_adjusted": versus.p, "verdict": versus.verdict}
    return found


def as_json(found: Leaderboard, *, with_paper: bool) -> str:
    """Everything, all pairs too; figures are fractions, names as they were given."""
    content = {
        "made_by": _MADE_BY,
        "version": JSON_VERSION,
        "method": {"interval": interval_settings(), "level": LEVEL, "num_resamples": NUM_RESAMPLES, "seed": SEED, "how_to_read": how_to_read()},
        "rankings": [_ranking_as_json(ranking, with_paper) for ranking in found.rankings],
        "notes": list(found.notes),
    }
    return _as_text(content)


def _as_text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _ranking_as_json(ranking: Ranking, with_paper: bool) -> dict[str, Any]:
    content = {
        "group": ranking.group,
        "data": {"kind": ranking.data.kind, "sources": json.loads(ranking.data.identity), "caution": ranking.caution, "stated": _STATED},
        "task_version": ranking.version,
        "metric": ranking.metric,
        "num_questions": ranking.num_questions,
        "num_images": ranking.num_images,
        "rows": [{name: value for name, value in _flat(row, ranking).items() if name not in _OF_RANKING} | {"by_task": dict(row.entry.by_task)} for row in ranking.rows],
        "pairs": _pairs_as_json(ranking),
        "absent": dict(ranking.absent),
    }
    if with_paper:
        entries = [{"model": entry.model, "accuracy_percent": entry.accuracy, "half_width_percent": entry.half_width} for entry in paper.table1(ranking.group)]
        content["reported"] = {"source": paper.source(), "status": _NOT_RERUN, "rows": entries}
    return content


# Said once of a whole ranking in the JSON file.
_OF_RANKING = frozenset({"group", "data", "data_identity", "task_version", "metric", "images", "origin"})


def _pairs_as_json(ranking: Ranking) -> list[dict[str, Any]]:
    models, comparison = [row.entry.model for row in ranking.rows], ranking.comparison
    return [
        {
            "models": [models[one], models[other]],
            "difference": float(comparison.difference[one, other]),
            "difference_low": float(comparison.low[one, other]),
            "difference_high": float(comparison.high[one, other]),
            "p_adjusted": float(comparison.p[one, other]),
            "is_different": bool(comparison.is_better[one, other] or comparison.is_better[other, one]),
        }
        for one in range(len(models))
        for other in range(one + 1, len(models))
    ]


# --- the page ------------------------------------------------------------------------


def as_html(found: Leaderboard, *, with_paper: bool) -> str:
    """One page that stands alone, with sortable tables and pictures."""
    sections = [_section(ranking, with_paper) for ranking in found.rankings]
    closing = "\n\n".join([*how_to_read(), *(plain(note) for note in found.notes)])
    facts = {"rankings": str(len(found.rankings)), "submissions": str(len({row.entry.model for ranking in found.rankings for row in ranking.rows})), "data": ", ".join(sorted({ranking.data.shown() for ranking in found.rankings}))}
    return pages.render(TITLE, [*sections, pages.Section("How to read this", [], closing)], facts)


def _section(ranking: Ranking, with_paper: bool) -> pages.Section:
    lines = _lines(ranking, with_paper)
    table = pages.Table(f"{ranking.metric}, in percent", _header(ranking), [_html_cells(line, ranking) for line in lines], " ".join(f"{plain(model)} is not in this ranking: {why}." for model, why in ranking.absent.items()))
    text = "\n\n".join([*_cautions(ranking, with_paper), _facts_of(ranking)])
    return pages.Section(_title(ranking), [table, *_pictures(ranking, lines)], text)


def _html_cells(line: Line, ranking: Ranking) -> list[pages.Cell]:
    rank, model, data, n, score, versus, *figures = _cells(line, ranking)
    is_run = isinstance(line, Row)
    against = f"versus {plain(line.versus_next.model)}" if is_run and line.versus_next else ""
    return [
        pages.Cell(rank, line.rank if is_run else None),
        pages.Cell(plain(model)),
        # On one line.
        pages.Cell(data.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}"), title=ranking.data.shown() if is_run else paper.source()),
        pages.Cell(n, len(line.entry.scores) if is_run else None),
        pages.Cell(score, float(line.entry.score if is_run else line.score)),
        pages.Cell(versus, line.versus_next.difference if against else None, against),
        *map(pages.Cell, figures),
    ]


def _pictures(ranking: Ranking, lines: Sequence[Line]) -> list[Any]:
    from microbench_tasks.report import pictures

    labels = [_label(line, ranking) for line in lines]
    values, lows, highs = zip(*map(_ends, lines))
    hollow = [position for position, line in enumerate(lines) if isinstance(line, Reported)]
    bars = pictures.interval_bars(_title(ranking), labels, values, lows, highs, chance=ranking.chance, hollow=hollow, xlabel=f"{ranking.metric} (%) with its 95 % interval")
    said = "; ".join(f"{label} {_percent(value)}" for label, value in zip(labels, values))
    found = [pages.Picture("Scores with their intervals", pictures.png(bars), f"{_title(ranking)}: {said}", ranking.caution)]
    shown = ranking.rows[:_MOST_LINES]
    axes = list(shown[0].entry.by_task)
    if len(axes) >= _LEAST_AXES:
        series = {f"{row.place} {plain(row.entry.model)}": list(row.entry.by_task.values()) for row in shown}
        radar = pictures.radar(f"{_title(ranking)}, by task", [catalog.short_name(task) for task in axes], series)
        note = f"The first {len(shown)} of {len(ranking.rows)} models; each task over all of its questions." if len(shown) < len(ranking.rows) else "Each task over all of its questions."
        found.append(pages.Picture("Scores by task", pictures.png(radar), f"{_title(ranking)}: {ranking.metric} of each task for {', '.join(series)}", f"{note} {ranking.caution}".strip()))
    return found


def _label(line: Line, ranking: Ranking) -> str:
    if isinstance(line, Reported):
        return f"{line.model} (reported)"
    mark = "" if ranking.data.kind == "release" else f" ({ranking.data.kind} data)"
    return f"{line.place} {plain(line.entry.model)}{mark}"


def _ends(line: Line) -> tuple[float, float, float]:
    if isinstance(line, Reported):
        return float(line.score), *map(float, line.ends)
    return line.entry.score, line.interval.low, line.interval.high


# The other files, and what makes each.
_FORMS: dict[str, Callable[..., str]] = {"leaderboard.md": as_markdown, "leaderboard.csv": as_csv, "leaderboard.html": as_html}
