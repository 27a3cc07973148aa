"""Claims about the rows of the paper's Table 1."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from microbench_tasks.catalog import table1
from microbench_tasks.leaderboard.page import as_html
from microbench_tasks.leaderboard.records import as_csv, as_json
from microbench_tasks.leaderboard.text import as_markdown
from tests.support.leaderboards import (
    COARSE,
    RELEASE,
    answers,
    board,
    entry,
    rows_of,
)

# Table 1, copied by hand: accuracy and half width as printed.
TABLE1 = {
    COARSE: (
        "GPT-4o 62.68 0.35, CogVLM 52.05 0.35, QwenVLM 49.85 0.35, BiomedCLIP 47.57 0.34, ALIGN 40.7 0.34, "
        "OpenCLIP 36.34 0.33, PaliGemma 36.29 0.33, CLIP 35.41 0.34, PLIP 31.11 0.32, CONCH 27.84 0.31, "
        "QuiltNet 26.58 0.31, Random 18.34 0.27"
    ),
    "microbench_fine": (
        "GPT-4o 51.73 0.82, BiomedCLIP 34.65 0.75, CONCH 33.64 0.72, ALIGN 31.9 0.72, CLIP 30.09 0.71, "
        "OpenCLIP 29.36 0.69, CogVLM 28.18 0.70, QuiltNet 27.85 0.69, QwenVLM 27.81 0.70, PLIP 25.49 0.68, "
        "PaliGemma 21.29 0.64, Random 19.13 0.60"
    ),
    "microbench_cognition": (
        "GPT-4o 62.00 9.00, QwenVLM 41.00 10.00, CogVLM 41.00 10.00, OpenCLIP 38.33 8.33, ALIGN 31.00 9.00, "
        "CLIP 28.00 9.00, PaliGemma 25.00 8.00, BiomedCLIP 25.00 8.00, CONCH 18.00 7.00, Random 17.00 7.00, "
        "PLIP 17.00 7.00, QuiltNet 13.00 6.00"
    ),
}
PRINTED = {group: [tuple(entry.split()) for entry in line.split(", ")] for group, line in TABLE1.items()}


@pytest.mark.parametrize("group", PRINTED)
def test_table_1_has_the_printed_digits(group):
    assert [(found.model, found.accuracy, found.half_width) for found in table1.table1(group)] == PRINTED[group]


def test_the_papers_table_has_no_localization():
    assert table1.table1("microbench_localization") == ()


def test_a_reported_interval_is_the_half_width_on_both_sides_digit_by_digit():
    best = table1.table1(COARSE)[0]
    assert (str(best.score), [str(end) for end in best.ends]) == ("0.6268", ["0.6233", "0.6303"])


@pytest.mark.parametrize("group", PRINTED)
def test_reported_rows_stand_by_score_without_a_rank_in_every_file(group, three):
    entries = [entry(found.model, found.scores, group) for found in three]
    found = board(entries)
    rows = [cells for cells in rows_of(as_markdown(found, with_paper=True)) if cells[-1] == "reported, not re-run"]
    assert [tuple(cells[:3]) for cells in rows] == [
        ("–", model, f"{accuracy} ± {half}") for model, accuracy, half in PRINTED[group]
    ]
    lines = list(csv.DictReader(io.StringIO(as_csv(found, with_paper=True))))
    assert [float(line["score"]) for line in lines] == sorted((float(line["score"]) for line in lines), reverse=True)
    reported = [line for line in lines if line["origin"] == "reported, not re-run"]
    assert [(line["model"], line["as_printed"], line["rank"], line["p_adjusted"]) for line in reported] == [
        (model, f"{accuracy} ± {half}", "", "") for model, accuracy, half in PRINTED[group]
    ]
    [ranking] = json.loads(as_json(found, with_paper=True))["rankings"]
    assert [
        (row["model"], row["accuracy_percent"], row["half_width_percent"]) for row in ranking["reported"]["rows"]
    ] == PRINTED[group]
    page = as_html(found, with_paper=True)
    assert all(f"{accuracy} ± {half}" in page for _, accuracy, half in PRINTED[group])


def test_the_next_run_is_a_run_though_reported_rows_stand_between():
    found = board([entry("high", answers(0.9, 1)), entry("low", answers(0.3, 2))])
    high = next(line for line in csv.DictReader(io.StringIO(as_csv(found, with_paper=True))) if line["model"] == "high")
    assert high["next_model"] == "low" and high["verdict"] == "better"


def test_without_the_paper_no_file_names_its_models(three):
    for make in (as_markdown, as_csv, as_json, as_html):
        text = make(board(three), with_paper=False)
        assert "GPT-4o" not in text and "not re-run" not in text


def charts_of(found):
    return re.findall('role="img" aria-label="([^"]*)"', as_html(found, with_paper=True))


def test_runs_on_demo_data_and_reported_rows_are_never_in_one_chart(three):
    runs, reported = charts_of(board(three))
    assert "1 good (demo data)" in runs and "(reported)" not in runs
    assert "demo" not in reported and "GPT-4o (reported) 62.68" in reported
    assert all(f"{model} (reported)" in reported for model, *_ in PRINTED[COARSE])


def test_runs_on_the_release_and_reported_rows_are_in_one_chart_and_told_apart():
    found = board([entry("good", answers(0.9, 1), data=RELEASE)])
    [both] = charts_of(found)
    assert "1 good 9" in both and "GPT-4o (reported) 62.68" in both
    page = as_html(found, with_paper=True)
    assert page.count('class="track s0 reported"') == len(PRINTED[COARSE])
    # Of the table, too.
    assert all(f">{model} (reported)</td>" in page for model, *_ in PRINTED[COARSE])


def test_the_papers_half_width_is_cut_at_all_right():
    assert [str(end) for end in table1.Reported("m", "98.5", "2.0").ends] == ["0.965", "1"]
