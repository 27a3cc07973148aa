"""Claims about entries: from scored answers, and with names that are told apart."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from microbench_tasks.leaderboard import entries as submitted
from microbench_tasks.leaderboard import ranking as rankings
from microbench_tasks.leaderboard import records, tables
from microbench_tasks.leaderboard.entries import entries_of
from microbench_tasks.leaderboard.ranking import rank
from microbench_tasks.runs import found_runs, rescoring
from microbench_tasks.tasks.results import score_boxes
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.text_safety import printable_line
from tests.support.leaderboards import (
    COARSE,
    hub_sources,
    logged,
    logged_coarse,
    question,
)


def test_a_name_that_two_submissions_have_is_told_apart_by_digest():
    folders = [Path("one"), Path("two"), Path("three")]
    assert submitted.names_of([("clip", "1" * 64), ("clip", "2" * 64), ("plip", "3" * 64)], folders) == [
        "clip (11111111)",
        "clip (22222222)",
        "plip",
    ]


@pytest.mark.parametrize(
    "other", ["Demo  CLIP", "Demo\u00a0CLIP", "Demo CLIP\n", "Ｄemo CLIP", "Demo\u2003CLIP", "\u3000Demo CLIP"]
)
def test_names_that_read_the_same_are_told_apart_by_digest(other):
    assert submitted.names_of([("Demo CLIP", "1" * 64), (other, "2" * 64)], [Path("one"), Path("two")]) == [
        "Demo CLIP (11111111)",
        f"{other} (22222222)",
    ]


def test_names_that_differ_in_what_cannot_be_seen_are_told_apart_by_digest():
    names = submitted.names_of([("clip\u200b", "1" * 64), ("clip\ufe0f", "2" * 64)], [Path("one"), Path("two")])
    assert [printable_line(name) for name in names] == ["clip\ufffd (11111111)", "clip\ufffd (22222222)"]


def test_a_submission_named_twice_is_refused():
    with pytest.raises(DataError, match="two: is the same submission as one"):
        submitted.names_of([("clip", "1" * 64), ("clip", "1" * 64)], [Path("one"), Path("two")])


def test_a_name_made_to_look_like_one_told_apart_is_refused():
    with pytest.raises(DataError, match=r"look alike even with the submissions' digests added: clip \(11111111\)"):
        submitted.names_of(
            [("clip", "1" * 64), ("clip", "2" * 64), ("clip  (11111111)", "3" * 64)],
            [Path("one"), Path("two"), Path("three")],
        )


def killed(name, folder):
    os._exit(9)


def test_a_reader_that_is_killed_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(submitted, "_name_and_digest", lambda folder: ("m", "1" * 64))
    monkeypatch.setattr(submitted, "_read", killed)
    with pytest.raises(DataError, match="was killed, most likely for lack of memory"):
        rankings.load([tmp_path])


def test_an_entry_has_the_groups_figures(tmp_path):
    rescored = logged_coarse(tmp_path)
    [found] = entries_of("m", rescored, hub_sources(rescored.samples), 1.0)
    assert found.score == pytest.approx(2 / 3) == rescored.scores[COARSE]["acc"]
    assert found.figures == {
        "acc_strict": pytest.approx(2 / 3),
        "unparsed": 0,
        "acc_macro": pytest.approx(2 / 3),
        "chance": 0.5,
        "majority": 1.0,
    }
    assert found.by_task == {
        f"{COARSE}_{kind}": pytest.approx(2 / 3) for kind in ("domain", "subdomain", "modality", "submodality", "stain")
    }
    assert len({image for _, _, image, _ in found.questions}) == 3 and len(found.questions) == 15


def test_the_rankings_interval_is_the_groups_interval_by_image(tmp_path):
    rescored = logged_coarse(tmp_path)
    [ranking] = rank(entries_of("m", rescored, hub_sources(rescored.samples), 1.0), ["m"])
    interval = ranking.rows[0].interval
    assert (interval.low, interval.high) == (
        rescored.scores[COARSE]["acc_image_ci_low"],
        rescored.scores[COARSE]["acc_image_ci_high"],
    )


def test_questions_outside_the_papers_total_are_not_ranked(tmp_path):
    from microbench_tasks import catalog

    for task in catalog.tasks_named([catalog.FINE_GROUP]):
        datasets = catalog.TASKS[task].datasets
        # Right about the first dataset of each task alone.
        logged(
            tmp_path,
            task,
            [question(number, "classification", dataset) for number, dataset in enumerate(datasets)],
            ["A"] + ["B"] * (len(datasets) - 1),
        )
    rescored = rescoring.rescore(found_runs.find_run([tmp_path]))
    [found] = entries_of("m", rescored, hub_sources(rescored.samples), 1.0)
    # Thirteen tasks about 22 datasets, of which eulenberg's two others are outside.
    assert len(found.scores) == 20
    assert found.score == pytest.approx(13 / 20)
    assert len(found.outside) == 2 and len(found.strict) == 20


def test_intervals_of_other_metrics_are_the_groups_own(tmp_path):
    from microbench_tasks import catalog

    for task in catalog.tasks_named([catalog.FINE_GROUP]):
        datasets = catalog.TASKS[task].datasets
        questions = [question(number, "classification", dataset) for dataset in datasets for number in range(3)]
        logged(tmp_path, task, questions, ["A", "B", "A, I think"] * (len(questions) // 3))
    rescored = rescoring.rescore(found_runs.find_run([tmp_path]))
    [ranking] = rank(entries_of("m", rescored, hub_sources(rescored.samples), 1.0), ["m"])
    expected, intervals = rescored.scores[catalog.FINE_GROUP], ranking.rows[0].intervals
    for metric, names in (("acc", "acc_image_ci"), ("acc_macro", "acc_macro_ci")):
        ends = (intervals[metric].low, intervals[metric].high)
        assert ends == pytest.approx((expected[f"{names}_low"], expected[f"{names}_high"]), abs=1e-12)
    assert ranking.rows[0].entry.strict.mean() == pytest.approx(expected["acc_strict"])


def rescored_boxes(folder, response):
    """One image with one gold box in each task of localization, all with one response."""
    from microbench_tasks import catalog

    for task in catalog.tasks_named([catalog.LOCALIZATION_GROUP]):
        doc = {
            "image_id": "7",
            "dataset": catalog.TASKS[task].datasets[0],
            "kind": "boxes",
            "expression": "nucleus",
            "width": 100,
            "height": 100,
            "boxes": [[0.0, 0.0, 10.0, 10.0]],
        }
        items = score_boxes(doc, response, "pixels_xyxy", (100, 100))
        sample = {"doc_id": 0, "target": json.dumps(doc["boxes"]), "filtered_resps": response, "input": "?"} | items
        (folder / f"run_samples_{task}.jsonl").write_text(json.dumps(sample) + "\n")
    return rescoring.rescore(found_runs.find_run([folder]))


def test_a_tag_of_boxes_is_ranked_by_grit(tmp_path):
    rescored = rescored_boxes(tmp_path, '[{"x1": 0, "y1": 0, "x2": 10, "y2": 5}]')
    [ranking] = rank(entries_of("m", rescored, hub_sources(rescored.samples), 1.0), ["m"])
    assert ranking.metric == "grit"
    # One box that covers half of the only gold box.
    assert ranking.rows[0].entry.score == pytest.approx(0.5, abs=1e-6)
    shares = ("boxes_precision", "boxes_recall", "boxes_f1")
    row = ranking.rows[0]
    assert row.entry.figures == {**dict.fromkeys(shares, 1), "boxes_count_error": 0, "boxes_unparsed": 0}
    # One box in each of five images of as many tasks: all of five are right at 0.025 ** (1 / 5) 25 times in 1,000.
    images = len(row.entry.questions)
    assert [(row.intervals[name].low, row.intervals[name].high) for name in shares[:2]] == [
        (pytest.approx(0.025 ** (1 / images)), 1)
    ] * 2
    assert list(row.intervals) == ["grit", *shares] and list(ranking.comparisons) == ["grit"]
    header, cells = tables.header_of(ranking), tables.cells_of(row, ranking)
    shown = dict(zip(header, cells, strict=True))
    assert (shown["boxes_count_error"], shown["boxes_f1"].split()[0]) == ("0.00", "100.00")
    assert "figures are in percent, boxes_count_error in boxes." in tables.facts_of(ranking)[0]


def test_a_model_without_any_box_has_no_precision_on_the_leaderboard_and_in_its_files(tmp_path):
    rescored = rescored_boxes(tmp_path, "[]")
    [ranking] = rank(entries_of("m", rescored, hub_sources(rescored.samples), 1.0), ["m"])
    row = ranking.rows[0]
    assert row.entry.figures["boxes_recall"] == row.entry.figures["boxes_f1"] == 0
    assert "boxes_precision" not in row.entry.figures and "boxes_precision" not in row.intervals
    assert row.entry.figures["boxes_count_error"] == 1
    leaderboard = rankings.Leaderboard((ranking,), ())
    [line] = json.loads(records.as_json(leaderboard, with_paper=False))["rankings"][0]["rows"]
    assert line["boxes_f1"] == line["boxes_f1_low"] == 0 < line["boxes_f1_high"]
    assert "boxes_precision_low,boxes_precision_high" in records.as_csv(leaderboard, with_paper=False)


@pytest.mark.parametrize("change", [{"answer_idx": 1}, {"options": ["yes", "never"]}, {"image_id": "other"}])
def test_a_right_answer_an_option_or_an_image_changed_in_one_log_is_found_beside_another(change, tmp_path):
    entries = []
    for model in ("honest", "forged"):
        (tmp_path / model).mkdir()
        rescored = logged_coarse(tmp_path / model)
        if model == "forged":
            logged(
                tmp_path / model,
                f"{COARSE}_stain",
                [question(0, "stain"), question(1, "stain") | change, question(2, "stain")],
                ["A", "B", "A"],
            )
            rescored = rescoring.rescore(found_runs.find_run([tmp_path / model]))
        entries += entries_of(model, rescored, hub_sources(rescored.samples), 1.0)
    with pytest.raises(DataError, match="document 1 of microbench_coarse_stain"):
        rank(entries, ["honest", "forged"])
