"""Claims about the report's section on prompt sensitivity."""

from __future__ import annotations

import pytest

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.report import sensitivity_section
from microbench_tasks.runs import robustness, robustness_text
from microbench_tasks.runs.rescoring import Rescored

VARIANT = "microbench_robustness_reversed"


def item(image, options, gold, read):
    acc = {"image": image, "kind": "stain", "options": options, "gold": gold, "score": float(gold == read)}
    return {"acc": acc, "acc_strict": {"score": float(gold == read), "predicted": read}}


@pytest.fixture(scope="module")
def run():
    images = [str(number) for number in range(10)]
    coarse = [item(image, ["p", "q"], "A", "A") for image in images]
    variant = [item(image, ["q", "p"], "B", "A") for image in images]
    found = robustness.report({"microbench_coarse_stain": coarse, VARIANT: variant})
    return Run("model", "run", Rescored(robustness=found), {})


def test_tables_show_figures_with_null_values_and_p(run):
    section = sensitivity_section.sensitivity_section([run])
    alone, compared = section.parts
    assert [row[1] for row in alone.rows] == ["microbench_coarse", VARIANT]
    [row] = compared.rows
    shown = {
        head: cell if isinstance(cell, str) else cell.text for head, cell in zip(compared.header, row, strict=False)
    }
    assert (shown["pairs"], shown["images"], shown["difference (points)"]) == ("10", "10", "-100.0")
    # 2 of 2^10 patterns of signs; always A is another option each time, and would be by chance.
    assert (shown["p"], shown["same option %"], shown["by chance %"]) == ("0.002", "0.0", "0.0")
    assert shown["interval of all at once"].startswith("-100.0 to -")


def test_the_text_says_the_spread_and_what_the_intervals_hold_for(run):
    text = sensitivity_section.sensitivity_section([run]).text
    assert "model: spread of acc: 1.0000 over the 10 questions asked in every way (by chance" in text
    assert "intervals that hold for all 1 variants at once" in text


def test_runs_without_variants_have_no_section():
    assert sensitivity_section.sensitivity_section([Run("model", "run", Rescored(), {})]) is None
    assert sensitivity_section.sensitivity_section([]) is None


def test_a_small_p_is_sorted_as_a_number():
    assert robustness_text.format_p(0.0004) == "< 0.001"
    assert sensitivity_section._p_cell(0.0004).sort == 0.0004
