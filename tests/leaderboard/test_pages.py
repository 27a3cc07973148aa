"""Claims about what pages and files show beside the scores."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re

import numpy as np
import pytest

from microbench_tasks.leaderboard import tables, words
from microbench_tasks.leaderboard.page import as_html
from microbench_tasks.leaderboard.ranking import Leaderboard, Versus, rank
from microbench_tasks.leaderboard.records import as_csv, as_json, pairs_as_csv
from microbench_tasks.leaderboard.text import as_markdown
from microbench_tasks.metrics.paired import compare_models, compare_pair
from microbench_tasks.tasks.item_intervals import ABOUT_IMAGES
from tests.support.leaderboards import (
    DEMO,
    LOCAL,
    RELEASE,
    answers,
    board,
    entry,
    intransitive,
    rows_of,
    unescaped,
)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_submissions_changes_no_file(order, three):
    expected, found = (
        board([three[index] for index in indices], ["good", "middling", "like it"]) for indices in ((0, 1, 2), order)
    )
    for make in (as_markdown, as_csv, as_json):
        assert make(found, with_paper=True) == make(expected, with_paper=True)


def test_a_rank_below_that_of_a_lower_score_is_said():
    found, ordered = board(intransitive("ABC")), board(intransitive("AB"))
    said = "A model ranks below one of a lower score here"
    assert said in as_markdown(found, with_paper=False) and said in as_html(found, with_paper=False)
    assert said not in as_markdown(ordered, with_paper=False)


@pytest.mark.parametrize(
    ("data", "caution"),
    [
        (DEMO, "not comparable with the paper's or with any on the release"),
        (LOCAL, "Local data, not the release (local (aaaabbbb)): these figures are not comparable with the paper's"),
    ],
)
def test_demo_and_local_data_are_marked_in_every_file(data, caution):
    found = board([entry("m", answers(0.5, 1), data=data)])
    markdown, page = (make(found, with_paper=True) for make in (as_markdown, as_html))
    assert caution in markdown
    assert caution in unescaped(page)
    assert [cells[-1] for cells in rows_of(markdown) if cells[1] == "m"] == [data.kind]
    assert [line["data"] for line in csv.DictReader(io.StringIO(as_csv(found, with_paper=False)))] == [data.kind]
    [ranking] = json.loads(as_json(found, with_paper=True))["rankings"]
    assert ranking["data"]["kind"] == data.kind and caution in ranking["data"]["caution"]


def test_every_ranking_says_that_its_data_are_as_stated(three):
    found = board([*three, entry("d", answers(0.5, 4), data=RELEASE)])
    said = "Data as stated by the submissions; microbench verify compares each with the data."
    markdown, page, record = (make(found, with_paper=False) for make in (as_markdown, as_html, as_json))
    assert markdown.count(said) == page.count(said) == record.count(said) == len(found.rankings) == 2


def test_what_intervals_are_about_is_said_once_though_there_are_several_rankings(three):
    found = board([*three, entry("d", answers(0.5, 4), data=RELEASE)])
    assert len(found.rankings) == 2
    assert as_markdown(found, with_paper=False).count(ABOUT_IMAGES) == 1
    assert unescaped(as_html(found, with_paper=False)).count(ABOUT_IMAGES) == 1


def test_the_release_needs_no_caution():
    found = board([entry("m", answers(0.5, 1), data=RELEASE)])
    assert all("not comparable" not in make(found, with_paper=True) for make in (as_markdown, as_json, as_html))


def test_the_csv_has_all_figures_in_full(three):
    found = board(three)
    lines = list(csv.DictReader(io.StringIO(as_csv(found, with_paper=False))))
    for line, row in zip(lines, found.rankings[0].rows, strict=True):
        assert (
            line["model"],
            int(line["rank"]),
            float(line["score"]),
            float(line["score_low"]),
            float(line["score_high"]),
        ) == (row.entry.model, row.rank, row.entry.score, row.interval.low, row.interval.high)
        assert (int(line["n"]), int(line["images"]), float(line["acc_strict"]), float(line["chance"])) == (
            200,
            100,
            row.entry.figures["acc_strict"],
            0.25,
        )


def test_json_and_csv_have_every_pair(three):
    found = board(three)
    [ranking] = json.loads(as_json(found, with_paper=False))["rankings"]
    pairs = ranking["pairs"]
    lines = list(csv.DictReader(io.StringIO(pairs_as_csv(found, with_paper=True))))
    assert [(pair["model"], pair["against"], pair["verdict"]) for pair in pairs] == [
        ("good", "middling", "better"),
        ("good", "like it", "better"),
        ("middling", "like it", "tie"),
    ]
    images, (middling, good, like_it) = np.arange(200) // 2, [found.scores for found in three]
    expected = compare_models([middling, good, like_it], images)
    assert [pair["p_adjusted"] for pair in pairs] == [expected.p[1, 0], expected.p[1, 2], expected.p[0, 2]]
    for pair, line, models in zip(pairs, lines, [(good, middling), (good, like_it), (middling, like_it)], strict=True):
        alone = compare_pair(*models, images)
        figures = (alone.difference, alone.p, alone.standard_error, alone.num_discordant, alone.num_clusters)
        names = ("difference", "p", "standard_error", "discordant_images", "images")
        assert tuple(pair[name] for name in names) == pytest.approx(figures)
        assert tuple(float(line[name]) for name in names) == pytest.approx(figures)
        assert pair["correlation"] == pytest.approx(np.corrcoef(*models)[0, 1])
        assert pair["difference_low"] < alone.low and alone.high < pair["difference_high"]


def test_a_correlation_that_does_not_exist_is_left_out():
    found = board([entry("always right", [1] * 40), entry("half", [0, 1] * 20)])
    [ranking] = json.loads(as_json(found, with_paper=False))["rankings"]
    assert ranking["pairs"][0]["correlation"] is None
    assert next(csv.DictReader(io.StringIO(pairs_as_csv(found, with_paper=False))))["correlation"] == ""


def test_pages_show_all_pairs_of_up_to_twelve_models():
    entries = [entry(f"m{number:02d}", answers(0.5, number, 60)) for number in range(13)]
    few, many = board(entries[:12]), board(entries)
    assert "All pairs by acc" in as_markdown(few, with_paper=False)
    assert "All pairs by acc" not in as_markdown(many, with_paper=False)
    assert len(json.loads(as_json(many, with_paper=False))["rankings"][0]["pairs"]) == 13 * 12 / 2


def test_the_square_of_pairs_has_verdict_and_difference():
    found = board(intransitive("ABC"))
    square = [cells for cells in rows_of(as_markdown(found, with_paper=False)) if len(cells) == 4][2:]
    assert square == [
        ["1 A", "", "better +14.00", "tie +15.00"],
        ["2 B", "worse -14.00", "", "tie +1.00"],
        ["3 C", "tie -15.00", "tie -1.00", ""],
    ]


def test_the_page_has_the_square_and_every_pair_in_full(three):
    page = as_html(board(three), with_paper=False)
    text = unescaped(page)
    assert "All pairs by acc, in points" in text and "Pairs in full" in text
    for said in ("better +", "worse -", "paired SE", "discordant images", "own p"):
        assert said in text


def test_numbers_levels_and_what_can_be_found_stand_beside_a_ranking(three):
    entries = [dataclasses.replace(found, figures={"chance": 0.25, "majority": 0.4}) for found in three]
    found = board(entries)
    [ranking] = found.rankings
    of_pairs = ranking.comparison.smallest[np.triu_indices(3, 1)]
    median, least, most = (f"{100 * found(of_pairs):.2f}" for found in (np.median, np.min, np.max))
    smallest = f"finds 80 times in 100: {median} points (median over its pairs; {least} to {most})"
    for make in (as_markdown, as_html):
        page = make(found, with_paper=False)
        numbers, levels = "200 questions about 100 images of 1 dataset", "chance 25.00, majority answer 40.00"
        for said in (numbers, levels, smallest, ABOUT_IMAGES):
            assert said in (unescaped(page) if make is as_html else page)


def test_one_pair_has_one_smallest_difference_and_few_images_have_none():
    two = [entry("a", answers(0.9, 1)), entry("b", answers(0.5, 2))]
    few = [dataclasses.replace(found, questions=found.questions[:4], scores=found.scores[:4]) for found in two]
    assert "points (median" not in as_markdown(board(two), with_paper=False)
    # Two images have p = 1/2 at least.
    assert "too few images here to find a difference" in as_markdown(board(few), with_paper=False)


def test_what_a_submission_needs_to_be_known_for_is_said(three):
    found = Leaderboard(tuple(rank(three, ["good", "middling", "like it"])), ("good: 2 figure(s) differ <b>",))
    assert "- good\\: 2 figure\\(s\\) differ \\<b\\>" in as_markdown(found, with_paper=False)
    assert json.loads(as_json(found, with_paper=False))["notes"] == ["good: 2 figure(s) differ <b>"]
    assert "good: 2 figure(s) differ <b>" in unescaped(as_html(found, with_paper=False))


def test_a_group_with_fewer_than_three_tasks_has_no_radar():
    pictures = as_html(
        board([entry("m", answers(0.5, 1), "microbench_cognition", tasks=("all",))]), with_paper=False
    ).count("<img ")
    assert pictures == 0


def test_headings_have_no_hashes_and_the_page_says_that_it_is_a_demo(three):
    page = as_html(board(three), with_paper=False)
    headings = re.findall("<(h[1-6]|summary)[^>]*>(.*?)</", page, re.DOTALL)
    mark = re.search(r"demo \(([0-9a-f]{8})\)", page)
    assert mark and len(headings) > 4
    assert not any(mark[1] in text for _, text in headings)
    assert 'class="notice"' in page and tables.DEMO_NOTICE in unescaped(page)


def test_a_page_says_first_who_is_best_and_whether_the_next_can_be_told_from_it(three):
    found = board(three)
    markdown, page = as_markdown(found, with_paper=False), unescaped(as_html(found, with_paper=False))
    [ranking] = found.rankings
    good, second = ranking.rows[:2]
    said = (
        f"Coarse, demo data: good is best (acc {100 * good.entry.score:.2f} %). It is better than the next, "
        f"{second.entry.model} ({100 * second.entry.score:.2f} %): +{100 * good.versus_next.difference:.2f} points"
    )
    assert markdown.splitlines()[2].startswith(f"- {said}") and said in page.partition("<main>")[0]
    assert "p ≤ 0.0001 (paired test by image, adjusted for all 3 pairs, level 5 %)" in page
    assert "exact paired test by image, level 5 %" in words.best_of(board(three[:2]).rankings[0], str)


def test_the_best_of_models_that_cannot_be_told_apart_is_not_called_best(three):
    [said] = words.lead_of(board([three[0], three[2]]), str)
    assert (
        "but no difference was found between it and the next" in said and "2 of 2 models share the first rank" in said
    )
    assert "best" not in said and "equal" not in said


def test_a_model_of_a_list_that_is_missing_is_named_first(three):
    found = dataclasses.replace(board(three), missing={"<gone>": "failed"})
    assert "- Missing from this page: \\<gone\\> (failed)." in as_markdown(found, with_paper=False)
    assert "Missing from this page: <gone> (failed)." in unescaped(as_html(found, with_paper=False))
    assert json.loads(as_json(found, with_paper=False))["missing"] == {"<gone>": "failed"}


def test_markdown_has_no_hash_in_headings_and_the_papers_rows_in_a_table_of_their_own(three):
    markdown = as_markdown(board(three), with_paper=True)
    assert [line for line in markdown.splitlines() if line.startswith("## ")][0] == "## Coarse, demo data"
    [of_runs] = [part for part in markdown.split("\n\n") if "| 1 | good |" in part]
    assert "GPT-4o" not in of_runs
    of_release = as_markdown(board([entry("m", answers(0.5, 1), data=RELEASE)]), with_paper=True)
    assert [part for part in of_release.split("\n\n") if "| m |" in part and "GPT-4o" in part]


def test_the_score_stands_before_the_data(three):
    [ranking] = board(three).rankings
    assert tables.header_of(ranking)[:3] == ["rank", "model", "acc [95 % interval]"]
    assert tables.header_of(ranking)[-1] == "data"


@pytest.mark.parametrize(
    ("low", "shown"), [(-1e-15, "+0.00"), (-0.00004, "+0.00"), (-0.00006, "-0.01"), (0.00006, "+0.01")]
)
def test_what_rounds_to_nothing_has_no_minus(low, shown):
    assert f"[{shown}, +20.00]" in tables.against(Versus("next", 0.1, low, 0.2, 0.06, verdict="tie"))
