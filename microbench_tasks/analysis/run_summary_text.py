"""Render the summary of a run as lines for a terminal, Markdown and LaTeX."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from microbench_tasks.analysis.run_summary import MainScore, RunSummary
from microbench_tasks.catalog import COARSE_GROUP, COGNITION_TASK, FINE_GROUP, LOCALIZATION_GROUP
from microbench_tasks.render.latex import latex_text
from microbench_tasks.render.number_text import short_percent
from microbench_tasks.util.text_safety import markdown_text, printable, printable_line

# With more scores, the terminal shows the first three and says how many there are.
_MOST_SCORES = 4
_ABOUT = {
    COARSE_GROUP: "the coarse questions",
    FINE_GROUP: "the fine questions",
    COGNITION_TASK: "the cognition questions",
    LOCALIZATION_GROUP: "the localization tasks",
}
_HEADER = ("task or group", "score", "value", "95 % interval", "chance", "majority answer", "n", "images", "datasets")


def as_lines(summary: RunSummary, files: str) -> list[str]:
    """Return 3 to 8 lines for a terminal.

    Args:
        summary: of the run.
        files: where its files are, in words.
    """
    scores = summary.main_scores
    shown = scores if len(scores) <= _MOST_SCORES else scores[: _MOST_SCORES - 1]
    width = max((len(score.name) for score in shown), default=0)
    # Names of tasks and figures alone: printable_line would join the spaces that align them.
    lines = [printable(f"{score.name.ljust(width)}  {_score_text(score)}") for score in shown]
    if len(scores) > len(shown):
        lines.append(f"{len(scores) - len(shown)} more scores: see the summary file or the tables")
    lines.append(_answers_text(summary))
    # Names of models and folders may contain anything, even line breaks.
    lines += [printable_line(f"files: {files}")] if files else []
    first, *others = quotes(summary)
    rule = " Quote the other scores in the same form." if others else ""
    lines.append(printable_line(f"to quote: {first}{rule}"))
    header = printable_line(f"Micro-Bench: {summary.model}; {_data_text(summary)}")
    return [header, *(f"  {line}" for line in lines)]


def quotes(summary: RunSummary) -> list[str]:
    """Return the sentence to quote for each main score that may be quoted, or one that says why there is none."""
    if summary.not_to_quote:
        return [f"nothing. {summary.not_to_quote}"]
    scores = summary.main_scores
    if not scores:
        return ["nothing. No task has a score."]
    sentences = [sentence(summary.model, score) for score in scores if not score.not_to_quote]
    return sentences or [f"nothing. {scores[0].not_to_quote}"]


def sentence(model: str, score: MainScore) -> str:
    """Return the sentence to quote in a paper."""
    about = _ABOUT.get(score.name, score.name)
    level = f"95 % interval {_span(score, ' to ')}, for {_generalizes_to(score)}"
    asked = f"{_counts_text(score, ' of ')}; {score.data}"
    if score.metric != "acc":
        return f"{model} reached a GRIT score of {score.value:.3f} in {about} ({level}; {asked})."
    questions = about if score.name in _ABOUT else f"the questions of {about}"
    blind = ""
    if score.chance is not None and score.majority is not None:
        blind = (
            f" Chance is {short_percent(score.chance)} %, and always giving the most frequent answer reaches "
            f"{short_percent(score.majority)} %."
        )
    return f"{model} answered {short_percent(score.value)} % of {questions} correctly ({level}; {asked}).{blind}"


def as_markdown(summary: RunSummary, run: str) -> str:
    """Render a page with all scores, and a sentence to quote for each main one."""
    model, data = markdown_text(summary.model), markdown_text(_data_text(summary))
    facts = [f"model: {model}", f"data: {data}", f"run: {markdown_text(run)}", _answers_text(summary)]
    if summary.full_model not in ("", summary.model):
        facts.insert(1, f"arguments: {markdown_text(summary.full_model)}")
    header, cells_of_scores = _table(summary)
    marks = ["---", "---", *["---:"] * (len(header) - 2)]
    rows = [list(map(markdown_text, cells)) for cells in cells_of_scores]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *rows))
    sentences = (
        [f"Nothing. {summary.not_to_quote}"]
        if summary.not_to_quote
        else [
            *(
                sentence(model, dataclasses.replace(score, data=markdown_text(score.data)))
                for score in summary.main_scores
                if not score.not_to_quote
            ),
            *(f"Nothing of {exception}" for exception in _exceptions(summary)),
        ]
    )
    parts = [
        "# Micro-Bench summary",
        "\n".join(f"- {fact}" for fact in facts),
        table,
        "## To quote",
        *sentences,
    ]
    return "\n\n".join(parts) + "\n"


def as_latex(summary: RunSummary, run: str) -> str:
    r"""Render a ``tabular`` in the style of booktabs, with the run as comments above.

    The document needs ``\usepackage{booktabs}``.
    """
    header, rows = _table(summary)
    units = "images (or groups of images, where they have any)" if _has_groups(summary) else "images"
    comments = [
        r"Needs \usepackage{booktabs}. acc in percent, grit from 0 to 1; intervals are about "
        f"new {units} of the same datasets.",
        f"Model: {summary.model}",
        *([f"Arguments: {summary.full_model}"] if summary.full_model not in ("", summary.model) else []),
        f"Data: {_data_text(summary)}. Run: {run}",
        *([f"Not to quote: {summary.not_to_quote}"] if summary.not_to_quote else []),
        *(f"Not to quote: {exception}" for exception in _exceptions(summary)),
    ]
    lines = [
        *(f"% {printable_line(comment)}" for comment in comments),
        rf"\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}",
        r"\toprule",
        _latex_row(header),
        r"\midrule",
        *map(_latex_row, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(map(latex_text, cells))} \\"


def _exceptions(summary: RunSummary) -> list[str]:
    """Return the scores that may not be quoted though others may, with the reason."""
    if summary.not_to_quote:
        return []
    names: dict[str, list[str]] = {}
    for score in summary.main_scores:
        names.setdefault(score.not_to_quote, []).append(score.name)
    return [f"{', '.join(of_reason)}. {reason}" for reason, of_reason in names.items() if reason]


def _has_groups(summary: RunSummary) -> bool:
    return any(score.groups is not None for score in summary.scores)


def _table(summary: RunSummary) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of all scores; with a column of groups if any images are in groups."""
    rows = [_cells(score) for score in summary.scores]
    if not _has_groups(summary):
        return [*_HEADER], rows
    groups = ["" if score.groups is None else f"{score.groups:,}" for score in summary.scores]
    return [*_HEADER, "groups"], [[*cells, number] for cells, number in zip(rows, groups, strict=True)]


def _cells(score: MainScore) -> list[str]:
    blind = ["" if level is None else short_percent(level) for level in (score.chance, score.majority)]
    numbers = [f"{number:,}" for number in (score.questions, score.images, score.datasets)]
    return [score.name, score.metric, _figure(score, score.value), f"[{_span(score, ', ')}]", *blind, *numbers]


def _figure(score: MainScore, value: float) -> str:
    """Format an accuracy in percent, and a GRIT score from 0 to 1."""
    return short_percent(value) if score.metric == "acc" else f"{value:.3f}"


def _span(score: MainScore, between: str) -> str:
    unit = " %" if score.metric == "acc" and between == " to " else ""
    return f"{_figure(score, score.low)}{between}{_figure(score, score.high)}{unit}"


def _score_text(score: MainScore) -> str:
    unit = " %" if score.metric == "acc" else ""
    parts = [f"{score.metric} {_figure(score, score.value)}{unit} [{_span(score, ', ')}]"]
    if score.chance is not None and score.majority is not None:
        parts.append(f"chance {short_percent(score.chance)} %, majority answer {short_percent(score.majority)} %")
    return "; ".join([*parts, _counts_text(score, ", ")])


def _counts_text(score: MainScore, between: str) -> str:
    asked = _number(score.questions, "question") if score.metric == "acc" else f"{score.questions:,} pairs"
    about = " about " if between == " of " else between
    groups = "" if score.groups is None else f" in {_number(score.groups, 'group')}"
    return f"{asked}{about}{_number(score.images, 'image')}{groups}{between}{_number(score.datasets, 'dataset')}"


def _answers_text(summary: RunSummary) -> str:
    parts = [
        f"{_number(summary.num_answers, 'answer')}: {summary.num_unparsed:,} unparsed, {summary.num_failed:,} failed "
        "requests"
    ]
    if summary.left_out:
        parts.append(f"left out, as the model cannot answer them: {_number(len(summary.left_out), 'task')}")
    return "; ".join(parts)


def _data_text(summary: RunSummary) -> str:
    images = f", {_number(summary.num_images, 'image')}" if summary.num_images else ""
    return f"{' and '.join(summary.data)}{images}"


def _generalizes_to(score: MainScore) -> str:
    images = "new images" if score.groups is None else "new groups of images"
    return f"{images} of the same {'dataset' if score.datasets == 1 else 'datasets'}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
