"""Claims about what a report shows and records, on small runs; whole commands are in end_to_end."""

from __future__ import annotations

import hashlib
import json
import math
import re

import pytest

from microbench_tasks.catalog import pinned_release
from microbench_tasks.render import plots
from microbench_tasks.render.figure_specs import figure_spec_from_record
from microbench_tasks.report import (
    about,
    answer_sections,
    runs,
    score_section,
    sections,
    writing,
)
from microbench_tasks.tasks.item_intervals import ABOUT_DATASETS, ABOUT_IMAGES
from tests.support import tiny_runs
from tests.support.report_runs import (
    ALL_IN_ONE,
    HOSTILE,
    TASKS,
    Parsed,
    parts_of,
    table_of,
)


def test_the_calibration_tables_say_how_many_answers_count_and_what_they_summed_to(written):
    _, record = written
    tables = {table["title"]: table for table in parts_of(record, "table")}
    masses, numbers = (tables[name] for name in ("Probabilities as the model gave them", "Calibration in numbers"))
    texts = [cell if isinstance(cell, str) else cell["text"] for cell in masses["rows"][0]]
    assert texts[0] == "coarse questions"
    assert dict(zip(masses["header"][2:], texts[2:], strict=False)) == {
        "answers": "12",
        "without": "6",
        "unusable": "0",
        "used": "6",
        "some absent": "0",
        "ties": "0",
        "mean sum": "1.0000",
        "sum below 0.5 %": "0.0",
    }
    texts = [cell if isinstance(cell, str) else cell["text"] for cell in numbers["rows"][0]]
    shown = dict(zip(numbers["header"], texts, strict=False))
    assert (shown["n"], shown["right %"], shown["ECE % (15 bins)"]) == ("6", "66.7", "23.3")
    # All six say 0.9: the mean of |X / 6 - 0.9| with X binomial.
    chances = [math.comb(6, right) * 0.9**right * 0.1 ** (6 - right) for right in range(7)]
    expected = sum(abs(right / 6 - 0.9) * chance for right, chance in enumerate(chances))
    assert float(shown["if calibrated: mean %"]) == pytest.approx(100 * expected, abs=1.5)


def test_every_picture_can_be_drawn_again_from_the_record_and_lies_beside_it(written):
    report, record = written
    found = parts_of(record, "picture")
    assert len(found) == report.num_plots > 15
    names = {path.stem for path in (report.folder / "pictures").glob("*.pdf")}
    assert names == {picture["name"] for picture in found}
    for picture in found[::4]:
        assert (
            plots.png(figure_spec_from_record(picture).figure())
            == (report.folder / "pictures" / f"{picture['name']}.png").read_bytes()
        )


def test_the_page_shows_every_picture_with_words_for_those_who_do_not_see_it(written):
    report, record = written
    page = Parsed((report.folder / "report.html").read_text())
    cards = [card for part in parts_of(record, "gallery") for card in part["cards"]]
    assert len(page.images) == report.num_plots + len(cards)
    assert all(len(image["alt"]) > 15 for image in page.images)


def test_the_accuracies_of_a_run_are_the_harness_own(written, logged):
    _, record = written
    results = json.loads(next(logged.glob("*_results.json")).read_text())["results"]
    [coarse] = [picture["arguments"] for picture in parts_of(record, "picture") if picture["name"] == "accuracy-coarse"]
    label = record["runs"][0]["label"]
    for row, task in enumerate(("modality", "stain")):
        figures = results[f"microbench_coarse_{task}"]
        assert coarse["labels"][row].replace("\N{NO-BREAK SPACE}", " ") == f"{task} (n = 6)"
        assert [coarse["series"][label][column][row] for column in ("values", "lows", "highs")] == [
            figures[f"{metric},none"] for metric in ("acc", "acc_image_ci_low", "acc_image_ci_high")
        ]


def test_hostile_answers_are_shown_as_text(written):
    report, record = written
    page = Parsed((report.folder / "report.html").read_text())
    assert page.tags.count("script") == 1
    shown = [
        card["facts"]["answered"]
        for part in parts_of(record, "gallery")
        for card in part["cards"]
        if HOSTILE in card["facts"]["answered"]
    ]
    assert shown and sum(HOSTILE in text for text in page.text) >= len(shown)


def test_a_card_says_what_was_asked_answered_right_and_read(written):
    _, record = written
    cards = {card["mark"]: card for part in parts_of(record, "gallery") for card in part["cards"]}
    wrong = cards["wrong"]["facts"]
    assert (
        "A) " in wrong["asked"] and re.match(r"[A-H]\) \w", wrong["right"]) and re.match(r"[A-H]\) \w", wrong["read"])
    )
    assert wrong["right"] != wrong["read"]
    assert cards["unparsed"]["facts"]["read"].startswith("no answer (")
    assert cards["boxes"]["facts"]["boxes"] in ("1 gold, 0 predicted", "1 gold, 1 predicted")


def test_titles_say_how_many_questions_and_which_interval(written):
    _, record = written
    titles = [picture["arguments"]["title"] for picture in parts_of(record, "picture")]
    assert all("n = " in title or title.startswith("Accuracy in all") for title in titles)
    assert sum("95 % interval by image" in title for title in titles) > 8


def test_the_same_run_gives_the_same_files(briefest, tmp_path):
    once, again = (
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in (writing.write([briefest], tmp_path / name, 1, 0, ALL_IN_ONE).folder for name in ("once", "again"))
    )
    assert len(once) > 7 and once == again


def test_a_run_of_boxes_alone_has_a_report(data, tmp_path):
    boxes = tiny_runs.write(tmp_path / "run", {tiny_runs.BOXES: tiny_runs.samples(tiny_runs.BOXES)})
    record = json.loads((writing.write([boxes], tmp_path / "out", 1, 0, ALL_IN_ONE).folder / "report.json").read_text())
    assert [section["title"] for section in record["chapters"]] == ["Localization", "Examples", "About this report"]
    [table] = [part["table"] for part in record["chapters"][0]["parts"] if "table" in part]
    shown = dict(zip(table["header"], table["rows"][0], strict=True))
    [scores] = [of_run["scores"][tiny_runs.BOXES] for of_run in record["runs"]]
    expected = [100 * scores[f"boxes_precision{end}"] for end in ("", "_ci_low", "_ci_high")]
    assert shown["precision %"]["text"] == "{:.1f} ({:.1f} to {:.1f})".format(*expected)
    assert shown["count error"]["text"] == f"{scores['boxes_count_error']:.2f}"
    assert "at an IoU of 0.5, by the assignment of GRIT" in table["note"]


@pytest.mark.parametrize(
    ("identity", "shown"),
    [
        (
            {"source": "folder", "sha256": "ab" * 32, "is_release": True},
            "a folder that is not the release (SHA-256 abababababab)",
        ),
        (
            {
                "source": "folder",
                "sha256": hashlib.sha256("\n".join(pinned_release.RELEASE_SHARDS).encode()).hexdigest(),
                "is_release": True,
            },
            "the release, from a folder",
        ),
        ({"source": "demo", "sha256": "ab" * 32}, "the demo set: synthetic, says nothing about microscopy"),
        ({"source": "hub", "id": "some/thing", "revision": "0123456789"}, "some/thing, revision 01234567"),
        (None, "not recorded"),
    ],
)
def test_data_are_called_what_their_hash_says(identity, shown, run):
    assert about.data_of(runs.Run("m", "r", run.rescored, dict.fromkeys(run.sources, identity))) == shown


def test_beside_a_score_stand_what_it_is_about_and_what_a_model_without_sight_reaches(written):
    _, record = written
    rows, note = table_of(record, "Scores of questions")
    [modality] = [row for row in rows if row["task or group"] == TASKS[0] and row["run"] == record["runs"][0]["label"]]
    # Six images of two datasets.
    assert (modality["n"], modality["images"], modality["datasets"]) == ("6", "6", "2")
    levels = [record["runs"][0][level][TASKS[0]] for level in ("chance", "majority")]
    assert [modality["chance %"], modality["majority %"]] == [f"{100 * level:.1f}" for level in levels]
    assert levels[0] <= levels[1] < 1
    assert ABOUT_DATASETS in note


def test_intervals_for_new_datasets_stand_where_there_are_several(written):
    _, record = written
    rows, note = table_of(record, "Scores of questions")
    shown = {row["task or group"]: row["new datasets"] for row in rows}
    # Coarse questions are about two datasets, pollen and cognition about one.
    assert re.fullmatch(r"\d+\.\d to \d+\.\d", shown["microbench_coarse_modality"])
    assert shown["microbench_fine_pollen"] == shown[tiny_runs.COGNITION] == "–"
    assert "Where a single dataset is asked about (–), there is none." in note
    assert "microbench_coarse_modality" in record["runs"][0]["new_datasets"]


def test_a_report_says_once_what_its_intervals_are_about(written):
    report, _ = written
    page = Parsed((report.folder / "report.html").read_text())
    assert " ".join(page.text).count(ABOUT_IMAGES) == 1


def test_no_interval_of_a_report_goes_beyond_0_to_100_percent(written):
    """Answers all right and all wrong are among them."""
    _, record = written
    ends = []
    for arguments in (picture["arguments"] for picture in parts_of(record, "picture")):
        columns = [arguments, *(arguments.get("series") or {}).values()] if "labels" in arguments else []
        ends += [
            end for column in columns for name in ("lows", "highs") for end in column.get(name, []) if end is not None
        ]
    assert len(ends) > 50 and min(ends) == 0 and max(ends) == 1
    shown = [
        text
        for table in parts_of(record, "table")
        for row in table["rows"]
        for cell in row
        if isinstance(cell, dict)
        for text in [cell["text"]]
    ]
    intervals = [text.split(" to ") for text in shown if re.fullmatch(r"-?[\d.]+ to -?[\d.]+", text)]
    assert len(intervals) > 10 and all(0 <= float(low) <= float(high) <= 100 for low, high in intervals)


def test_every_section_of_a_run_is_there(written):
    _, record = written
    assert [section["title"] for section in record["chapters"]] == [
        "Scores",
        "Abilities",
        "Slices",
        "Confusions",
        "Calibration",
        "Letters",
        "Localization",
        "Examples",
        "About this report",
    ]


def test_no_local_path_stands_in_a_report(written, folder):
    report, _ = written
    for name in ("report.html", "report.json"):
        assert str(folder) not in (report.folder / name).read_text()
        assert "/home/me" not in (report.folder / name).read_text()


def test_names_of_files_are_plain():
    assert sections.file_name("confusion", "a/b c_ä") == "confusion-a-b-c--"


@pytest.mark.parametrize("options", [{}, {"with_details": True}, {"num_examples": 1}])
def test_of_three_runs_confusions_and_examples_are_left_out_unless_asked_for(options, brief, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_draw", lambda *arguments: [])
    # No task of these runs has a matrix.
    monkeypatch.setattr(writing, "confusion_section", lambda runs: sections.ReportSection("Confusions", []))
    monkeypatch.setattr(writing, "has_confusions", lambda runs: True)
    settings = {"num_examples": None, "seed": 0, "progress": ALL_IN_ONE} | options
    report = writing.write([brief] * 3, tmp_path / "out", **settings)
    record = json.loads((report.folder / "report.json").read_text())
    titles = {section["title"] for section in record["chapters"]}
    assert ("Confusions" in titles) is ("with_details" in options)
    assert ("Examples" in titles) is bool(options)
    said = "and examples, as there are 3 runs. Add them with --details"
    assert any(said in text for text in report.left_out) is (not options)


def test_confusions_are_left_out_only_where_a_task_has_a_matrix(brief, run):
    without, _ = runs.read([brief] * 3, iter)
    assert not answer_sections.has_confusions(without) and answer_sections.has_confusions([*without, run])
    [said] = writing._left_out_of_many(without, has_examples=False)
    assert said.startswith("Left out: examples, as there are 3 runs.")
    assert writing._left_out_of_many(without, has_examples=True) == []


def test_of_four_or_more_runs_the_differences_have_a_table_of_their_own(brief):
    four, _ = runs.read([brief] * 4, iter)
    names = ["microbench_fine_pollen"]
    beside, apart = score_section.side_by_side(four, names), score_section.differences(four, names)
    assert len(beside.header) == 1 + 4 + 1 and not any("-" in head for head in beside.header)
    assert len(apart.header) == 1 + 3 and [cell.text for cell in apart.rows[0][1:]] == ["+0.0"] * 3
