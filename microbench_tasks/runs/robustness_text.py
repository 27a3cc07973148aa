"""Render a report on prompt sensitivity (`runs.robustness`) as tables and text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# A report of `robustness.report`.
Report = Mapping[str, Any]
Rows = list[list[str]]


def render_report(report: Report, render_table: Callable[[list[str], Rows], str]) -> str:
    """Render a report as text; ``render_table`` formats a table, given its header and rows."""
    header, rows = comparison_rows(report)
    tables = [render_table(*variant_rows(report))]
    if rows:
        tables.append(render_table(header, rows))
    return "\n\n".join([*tables, "\n".join(filter(None, [describe_spread(report), *column_notes(report)]))])


def column_notes(report: Report) -> list[str]:
    """Explain the columns of `variant_rows` and `comparison_rows`, a sentence or two each."""
    lines = [
        "recall_std: unevenness of recall over letters. By chance: if being right did not depend on the letter.",
        "p: how often chance alone gives a figure this large, adjusted for all rows of its table (Holm).",
    ]
    num_compared = report["settings"]["num_compared"]
    if num_compared:
        lines += [
            f"difference: in acc, with intervals that hold for all {num_compared} variants at once "
            f"({100 * report['settings']['confidence_level']:g} %).",
            "same option: the same option is read as in microbench_coarse. By chance: if the letter read did not "
            "depend on the question.",
        ]
    return lines


def variant_rows(report: Report) -> tuple[list[str], Rows]:
    """Return header and rows of the table with one row per way of asking, as texts."""
    header = ["asked as", "n", "acc", "acc_strict", "recall_std", "by chance", "p"]
    figures = ("acc", "acc_strict", "recall_std", "recall_std_null")
    rows = [
        [
            name,
            str(way["n"]),
            *(_four_decimals(way[figure]) for figure in figures),
            format_p(way["recall_std_p_adjusted"]),
        ]
        for name, way in report["ways"].items()
    ]
    return header, rows


def comparison_rows(report: Report) -> tuple[list[str], Rows]:
    """Return header and rows of the table of variants against the original, as texts; no rows if none is compared."""
    header = ["variant", "pairs", "images", "difference in acc", "p", "same option", "by chance", "p"]
    rows = [
        [
            name,
            str(way["n_paired"]),
            str(way["n_images"]),
            f"{way['difference']:+.4f} [{way['difference_simultaneous_ci_low']:+.4f}, "
            f"{way['difference_simultaneous_ci_high']:+.4f}]",
            format_p(way["difference_p_adjusted"]),
            _four_decimals(way["same_option"]),
            _four_decimals(way["same_option_null"]),
            format_p(way["same_option_p_adjusted"]),
        ]
        for name, way in report["ways"].items()
        if "difference" in way
    ]
    return header, rows


def describe_spread(report: Report) -> str:
    """Describe the spread of ``acc`` over the ways of asking; return an empty text for a single way."""
    if len(report["ways"]) == 1:
        return ""
    if report["spread"] is None:
        return "spread of acc: no question was asked in every way"
    return (
        f"spread of acc: {_four_decimals(report['spread'])} over the {report['n_common']} questions asked in every way "
        f"(by chance {_four_decimals(report['spread_null'])}, p {format_p(report['spread_p'])})"
    )


def format_p(p: float) -> str:
    """Format a p-value with three decimals.

    >>> format_p(0.0004), format_p(0.25)
    ('< 0.001', '0.250')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _four_decimals(value: float) -> str:
    return f"{value:.4f}"
