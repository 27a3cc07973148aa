"""Claims about what a report computes, shows and writes, on small runs; whole commands are in end_to_end."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import table_rows
from microbench_tasks.metrics.intervals import ABOUT_DATASETS, ABOUT_IMAGES, accuracy_interval
from microbench_tasks.render import micrographs, plots
from microbench_tasks.render.figure_specs import figure_spec_from_record
from microbench_tasks.report import calibration, chapters, gallery, runs, scores, writing
from microbench_tasks.report import rows as data_rows
from microbench_tasks.report.sweeps import part_curves
from microbench_tasks.util.errors import DataError
from tests.support import release, tiny_runs
from tests.support.independent import LETTERS

HOSTILE = '</script><script>alert(1)</script><img src="x" onerror="alert(2)">'
TASKS = (
    "microbench_coarse_modality",
    "microbench_coarse_stain",
    "microbench_fine_white_blood_cell",
    "microbench_fine_pollen",
    tiny_runs.BOXES,
    tiny_runs.COGNITION,
)
# dataset, modality, domain, microns per pixel of the small data's images; the last two have boxes.
IMAGES = [
    ("acevedo_et_al_2020", "light microscopy", "pathology", 0.5),
    ("acevedo_et_al_2020", "light microscopy", "pathology", 0.25),
    ("acevedo_et_al_2020", "electron microscopy", "biology", 0.005),
    ("icpr2020_pollen", "fluorescence microscopy", "biology", None),
    ("icpr2020_pollen", "light microscopy", None, 0.1),
    ("icpr2020_pollen", "light microscopy", "biology", 2.0),
]
ALL_IN_ONE = lambda items, what: items  # noqa: E731


def small_data(folder):
    rows = [
        release.row(number, dataset, modality=modality, domain=domain, microns_per_pixel=scale)
        for number, (dataset, modality, domain, scale) in enumerate(IMAGES)
    ]
    rows += [
        release.row(10 + number, "opencell", polygon=[release.instance("nucleus", [2, 3, 9 + number, 12])])
        for number in range(2)
    ]
    release.write_parquet(folder, rows)
    release.write_cognition(
        folder / "cognition" / "test",
        {
            "a.png": [release.cognition_question(), release.cognition_question(1)],
            "b.png": [release.cognition_question(2)],
        },
    )
    return folder


def answers(number, doc):
    """Right, wrong, unreadable and hostile answers in turn; of questions the even ones with probabilities."""
    if "boxes" in doc:
        return json.dumps([{"x1": 2, "y1": 3, "x2": 20, "y2": 12}]) if number else "[]"
    options = len(doc["options"])
    letter = (doc["answer_idx"] + (number % 3 == 1)) % options
    if number % 6 == 5:
        return f"I cannot say. {HOSTILE}"
    probabilities = [0.1 / (options - 1)] * options
    probabilities[letter] = 0.9
    return LETTERS[letter] + (
        "" if number % 2 else "\n" + json.dumps({"probabilities": dict(zip(LETTERS, probabilities, strict=False))})
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def data(folder):
    """The data source of all runs here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(small_data(folder / "data")))
        yield folder / "data"


@pytest.fixture(scope="module")
def logged(data, folder):
    return tiny_runs.write(folder / "run", {task: tiny_runs.samples(task, answers) for task in TASKS})


@pytest.fixture(scope="module")
def other(data, folder):
    """A run that is right but for every third answer, of the questions alone."""
    return tiny_runs.write(
        folder / "other", {task: tiny_runs.samples(task) for task in TASKS if task != tiny_runs.BOXES}
    )


@pytest.fixture(scope="module")
def brief(data, folder):
    """A run with little to draw."""
    return tiny_runs.write(
        folder / "brief",
        {task: tiny_runs.samples(task, answers) for task in ("microbench_fine_pollen", tiny_runs.COGNITION)},
    )


@pytest.fixture(scope="module")
def briefest(data, folder):
    return tiny_runs.write(folder / "briefest", {tiny_runs.COGNITION: tiny_runs.samples(tiny_runs.COGNITION)})


@pytest.fixture(scope="module")
def run(logged):
    [found], _ = runs.read([logged], iter)
    return found


@pytest.fixture(scope="module")
def rows(data):
    return [row for path in sorted(data.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def written(logged, other, folder):
    report = writing.write([logged, other], folder / "out", 2, 0, ALL_IN_ONE)
    return report, json.loads((report.folder / "report.json").read_text())


def items_of(run, task):
    return [sample.items["acc"] for sample in run.rescored.samples[task]]


def parts_of(record, kind):
    return [part[kind] for chapter in record["chapters"] for part in chapter["parts"] if kind in part]


# --- slices --------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "column"), [("modality", "modality"), ("domain", "domain")])
@pytest.mark.parametrize("subject", ["coarse", "fine"])
def test_slices_are_the_means_and_intervals_of_the_raw_rows(run, rows, key, column, subject):
    found = scores.sliced(scores.questions(run, subject), scores.row_dimensions(data_rows.read([run]).perception)[key])
    value_of = {f"{row['dataset']}/{row['image_id']}": row[column] or "not stated" for row in rows}
    expected = {}
    for task in TASKS:
        if task.startswith(f"microbench_{subject}"):
            for item in items_of(run, task):
                expected.setdefault(value_of[item["image"]], []).append(
                    (item["image"], float(item["predicted"] == item["gold"]))
                )
    assert found.keys() == expected.keys()
    for label, pairs in expected.items():
        images, right = zip(*pairs, strict=False)
        interval = accuracy_interval(right, images)
        assert found[label] == scores.Estimate(
            pytest.approx(np.mean(right)), interval.low, interval.high, len(right), len(set(images))
        )


def test_slices_by_scale_hold_their_lower_end():
    edges = {
        None: "not stated",
        float("nan"): "not stated",
        0.0: "below 0.01",
        0.00999: "below 0.01",
        0.01: "0.01 to 0.1",
        0.1: "0.1 to 0.25",
        0.25: "0.25 to 0.5",
        0.5: "0.5 to 1",
        0.999: "0.5 to 1",
        1: "1 and above",
        50: "1 and above",
    }
    assert {scale: scores.scale_label(scale) for scale in edges} == edges


def test_slices_by_scale_are_in_order_of_scale(run):
    found = scores.sliced(
        scores.questions(run, "coarse"), scores.row_dimensions(data_rows.read([run]).perception)["scale"]
    )
    assert [(label, one.images) for label, one in found.items()] == [
        ("below 0.01", 1),
        ("0.1 to 0.25", 1),
        ("0.25 to 0.5", 1),
        ("0.5 to 1", 1),
        ("1 and above", 1),
        ("not stated", 1),
    ]


def test_abilities_and_pathology_need_no_data(run):
    dimensions = scores.known_dimensions()
    by_ability = scores.sliced(scores.questions(run, "fine"), dimensions["ability"])
    assert {label: one.n for label, one in by_ability.items()} == {
        "cell, organism and structure type": 3,
        "normal against abnormal": 3,
    }
    by_pathology = scores.sliced(scores.questions(run, "coarse"), dimensions["pathology"])
    assert {label: (one.n, one.images) for label, one in by_pathology.items()} == {
        "pathology": (6, 3),
        "other than pathology": (6, 3),
    }


def test_questions_outside_the_totals_are_in_no_slice(data):
    outside = [sample for sample in tiny_runs.samples("microbench_fine_white_blood_cell")]
    items = [dict(sample["acc"], in_total=number > 0) for number, sample in enumerate(outside)]

    class Scored:
        unanswered = ()
        samples = {"microbench_fine_white_blood_cell": [type("Sample", (), {"items": {"acc": item}}) for item in items]}

    assert len(scores.questions(runs.Run("m", "r", Scored, {}), "fine")) == len(items) - 1


# --- answers -------------------------------------------------------------------------


def test_confusions_count_options_by_hand():
    def sample(gold, read, options=("a", "b", "c")):
        return type(
            "Sample",
            (),
            {"items": {"acc": {"options": list(options), "gold": gold}, "acc_strict": {"predicted": read}}},
        )

    # The same letter stands for another option in the fourth, and no answer is read in the last.
    found = scores.confusion(
        [sample("A", "A"), sample("A", "B"), sample("B", "B"), sample("A", "B", ("b", "a", "c")), sample("A", None)]
    )
    assert found.classes == ["a", "b"]
    assert found.counts == [[1, 1, 1], [1, 1, 0]]
    assert found.n == 5


def test_options_that_never_come_again_have_no_confusions(run):
    assert scores.confusion(run.rescored.samples[tiny_runs.COGNITION]) is None


def test_the_letters_of_all_questions_are_counted(run):
    samples = [sample for task in TASKS if task != tiny_runs.BOXES for sample in run.rescored.samples[task]]
    found = scores.letters(run)
    assert sum(found["gold"].values()) == sum(found["read"].values()) == len(samples) == 21
    assert found["read"]["no answer"] == sum("I cannot say" in sample.response for sample in samples) == 2
    assert found["gold"]["A"] == sum(sample.items["acc"]["gold"] == "A" for sample in samples)


def test_calibration_is_that_of_the_logged_probabilities(run):
    items = scores.questions(run, "coarse")
    found = calibration.measure_calibration(items)
    tasks = ("microbench_coarse_modality", "microbench_coarse_stain")
    responses = [sample.response for task in tasks for sample in run.rescored.samples[task]]
    stated = [response for response in responses if "probabilities" in response]
    assert calibration.count_probabilities(items) == calibration.ProbabilityCounts(answers=12, missing=6, unusable=0)
    assert found.n == len(stated) == len(responses) - 6 == 6
    # Documents 0, 2 and 4 of both tasks have probabilities: 4 alone is wrong, and all say 0.9.
    assert found.forecasts.is_right.mean() == pytest.approx(4 / 6)
    assert found.bins.expected_calibration_error == pytest.approx(0.9 - 4 / 6)
    # Four options: 0.1^2 + 3 * (0.1 / 3)^2 where right, 0.9^2 + (1 - 0.1 / 3)^2 + 2 * (0.1 / 3)^2 where wrong.
    rest = 0.1 / 3
    brier = (4 * (0.1**2 + 3 * rest**2) + 2 * (0.9**2 + (1 - rest) ** 2 + 2 * rest**2)) / 6
    assert found.forecasts.brier_score == pytest.approx(brier)
    # Equal probabilities of four options: 1 - 1/4.
    assert found.forecasts.brier_skill == pytest.approx(1 - brier / 0.75)


def item_with(*probabilities, gold="A", image="1"):
    stated = dict(zip(LETTERS, probabilities, strict=False)) if probabilities else None
    return {"probabilities": stated, "gold": gold, "image": image}


def test_all_answers_count_in_calibration_but_those_without_usable_probabilities():
    items = [item_with(0.5, 0.1), item_with(0.02, 0.18, image="2"), item_with(), item_with(0.0, 0.0)]
    found = calibration.measure_calibration(items)
    assert calibration.count_probabilities(items) == calibration.ProbabilityCounts(answers=4, missing=1, unusable=1)
    # 0.5 and 0.9 of their sums, of which the second is wrong.
    assert found.forecasts.confidence == pytest.approx([5 / 6, 0.9])
    assert found.forecasts.mass == pytest.approx([0.6, 0.2])
    assert found.forecasts.is_right.tolist() == [1, 0]
    assert calibration.measure_calibration(items[2:]) is None
    assert calibration.count_probabilities(items[2:]).reason() == (
        "1 of 2 answers have no probabilities, 1 have unusable ones (all 0 or not finite)"
    )


def test_each_of_several_answers_to_a_question_counts_in_calibration():
    answers = [{"probabilities": {"A": 0.8, "B": 0.2}}, {"probabilities": {"A": 0.1, "B": 0.3}}]
    repeated = item_with(0.8, 0.2) | {"answers": answers}
    found = calibration.measure_calibration([repeated])
    assert calibration.count_probabilities([repeated]).answers == 2
    assert found.forecasts.confidence == pytest.approx([0.8, 0.75])
    assert found.forecasts.is_right.tolist() == [1, 0]


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


def test_without_probabilities_there_is_no_calibration_and_the_report_says_why(data, tmp_path):
    task = "microbench_coarse_stain"
    silent = tiny_runs.write(tmp_path / "run", {task: tiny_runs.samples(task)})
    report = writing.write([silent], tmp_path / "out", 0, 0, ALL_IN_ONE)
    record = json.loads((report.folder / "report.json").read_text())
    titles = [chapter["title"] for chapter in record["chapters"]]
    assert "Calibration" not in titles
    [reason] = [text for text in report.left_out if "calibration" in text]
    assert reason.endswith("coarse questions: 6 of 6 answers have no probabilities.")
    assert reason in record["chapters"][titles.index("About this report")]["text"]


def test_grit_scores_are_binned_from_zero_to_one(run):
    counts = scores.grit_counts(run, tiny_runs.BOXES)
    # One response without a box, one with a box of 18 x 9 around the gold one of 8 x 9: IoU 72 / 162.
    assert counts[0] == 1 and counts[int(72 / 162 * 20)] == 1 and sum(counts) == 2


# --- gallery -------------------------------------------------------------------------


def test_examples_are_of_their_kind_of_different_tasks_first_and_the_same_each_time(run):
    found = gallery.chosen(run, 3, seed=0)
    assert found == gallery.chosen(run, 3, seed=0) != gallery.chosen(run, 3, seed=1)
    by_kind = {kind: [example for example in found if example.kind == kind] for kind in gallery.KINDS}
    assert {kind: len(examples) for kind, examples in by_kind.items()} == {
        "right": 3,
        "wrong": 3,
        "unparsed": 2,
        "boxes": 2,
    }
    assert len({example.task for example in by_kind["right"]}) == 3
    assert all("I cannot say" in example.sample.response for example in by_kind["unparsed"])
    assert all(
        example.sample.items["acc"]["score"] == (example.kind == "right")
        for example in by_kind["right"] + by_kind["wrong"]
    )


def colours_of(image, colour):
    return {(int(x), int(y)) for y, x in zip(*np.nonzero((np.asarray(image) == colour).all(axis=2)), strict=False)}


def test_gold_boxes_are_drawn_along_their_whole_edge_and_predicted_ones_in_dashes():
    image = Image.new("RGB", (300, 200), (90, 20, 60))
    shown = micrographs.draw_boxes(image, [[50, 40, 250, 160]], [[20, 10, 120, 100]])
    assert shown.size == image.size
    gold, predicted = colours_of(shown, micrographs.GOLD_COLOUR), colours_of(shown, micrographs.PREDICTED_COLOUR)
    # Lines are two pixels wide, on the edge or beside it; the gold one's left edge is crossed by the predicted box's lower edge.
    assert {y for x, y in gold if x in (49, 50)} >= set(range(40, 97)) | set(range(104, 160))
    assert min(x for x, _ in gold) in (49, 50) and max(x for x, _ in gold) in (249, 250)
    assert min(y for _, y in gold) in (39, 40) and max(y for _, y in gold) in (159, 160)
    top = sorted({x for x, y in predicted if y in (9, 10) and 22 < x < 118})
    gaps = np.diff(top) > 2
    assert 5 <= gaps.sum() <= 9
    assert min(x for x, _ in predicted) in (19, 20) and max(y for _, y in predicted) in (99, 100)


def test_boxes_are_enlarged_with_a_small_image():
    # 30 pixels become 240: eight times as many.
    shown = micrographs.draw_boxes(Image.new("RGB", (30, 30)), [[5, 10, 20, 25]], [])
    assert shown.size == (240, 240)
    gold = colours_of(shown, micrographs.GOLD_COLOUR)
    assert min(x for x, _ in gold) in (39, 40) and max(y for _, y in gold) in (199, 200)


@pytest.mark.parametrize("box", [[float("nan"), 0, 5, 5], [0, 0, float("inf"), 5]])
def test_a_box_that_is_not_finite_is_left_out(box):
    assert not colours_of(micrographs.draw_boxes(Image.new("RGB", (300, 200)), [], [box]), micrographs.PREDICTED_COLOUR)


def test_a_box_far_outside_is_drawn_at_the_border():
    predicted = colours_of(
        micrographs.draw_boxes(Image.new("RGB", (300, 200)), [], [[-1e9, 50, 1e12, 150]]), micrographs.PREDICTED_COLOUR
    )
    assert min(x for x, _ in predicted) == 0 and max(x for x, _ in predicted) == 299


def test_predicted_boxes_are_those_that_were_scored(run):
    none, one = run.rescored.samples[tiny_runs.BOXES]
    assert gallery.predicted_boxes(none).shape == (0, 4)
    assert gallery.predicted_boxes(one).tolist() == [[2, 3, 20, 12]]


def test_the_shown_micrograph_is_that_of_the_question(run, rows):
    [example] = [
        example
        for example in gallery.chosen(run, 9, 0)
        if example.task == "microbench_fine_pollen" and example.sample.doc_id == 0
    ]
    shown = data_rows.read([run]).of_task(example.task).image(runs.image_of(example.sample))
    # The first pollen is the fourth row.
    assert shown.getpixel((0, 0)) == (3 * 37 % 256, 3 * 91 % 256, 3 * 53 % 256)


# --- what is written -----------------------------------------------------------------


class Parsed(HTMLParser):
    """Text by tag, without the page's own script and style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.images, self.text, self._inside = [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._inside = tag
        if tag == "img":
            self.images.append(dict(attributes))

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def handle_endtag(self, tag):
        self._inside = None


def test_every_picture_can_be_drawn_again_from_the_record_and_lies_beside_it(written):
    report, record = written
    found = parts_of(record, "picture")
    assert len(found) == report.pictures > 15
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
    assert len(page.images) == report.pictures + len(cards)
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


def test_without_the_runs_data_slices_and_examples_are_left_out_and_it_is_said_what_to_set(
    brief, monkeypatch, tmp_path
):
    monkeypatch.setenv("MICROBENCH_DATASET", str(release.write_parquet(tmp_path / "another", [release.row(1)])))
    report = writing.write([brief], tmp_path / "out", 2, 0, ALL_IN_ONE)
    record = json.loads((report.folder / "report.json").read_text())
    assert [chapter["title"] for chapter in record["chapters"] if chapter["title"] == "Examples"] == []
    assert {picture["name"] for picture in parts_of(record, "picture") if picture["name"].startswith("slice-")} == {
        "slice-pathology-fine"
    }
    said = " ".join(report.left_out)
    assert (
        "Left out: slices by modality, domain and scale and examples" in said
        and "Set MICROBENCH_DATASET to the data" in said
    )
    assert "is not the data of" in said and "MICROBENCH_COGNITION" in said
    assert report.left_out[0] in " ".join(Parsed((report.folder / "report.html").read_text()).text)


def test_a_source_without_the_runs_images_is_not_taken_for_it(data, folder, monkeypatch, tmp_path):
    """Where no source was recorded, the images themselves must be there."""
    bare = tiny_runs.write(
        tmp_path / "bare", {"microbench_coarse_modality": tiny_runs.samples("microbench_coarse_modality")}
    )
    next(bare.glob("*_results.json")).unlink()
    monkeypatch.setenv(
        "MICROBENCH_DATASET",
        str(release.write_parquet(tmp_path / "another", [release.row(number) for number in range(2)])),
    )
    [found], _ = runs.read([bare], iter)
    rows = data_rows.read([found])
    assert rows.perception is None
    assert "has no image acevedo_et_al_2020/" in rows.missing[0] and "and 3 more" in rows.missing[0]


def test_a_copy_without_a_column_has_no_slices_by_it(run, data, monkeypatch, tmp_path):
    table = pq.read_table(next(data.glob("*.parquet"))).drop_columns(["domain", "microns_per_pixel"])
    pq.write_table(table, tmp_path / "test.parquet")
    monkeypatch.setenv("MICROBENCH_DATASET", str(tmp_path))
    unrecorded = runs.Run(run.label, run.name, run.rescored, dict.fromkeys(run.sources))
    assert scores.row_dimensions(data_rows.read([unrecorded]).perception).keys() == {"modality"}


def test_an_earlier_report_is_replaced(briefest, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    writing.write([briefest], out, 1, 0, ALL_IN_ONE)
    (out / "report.html").unlink()
    assert any((out / "pictures").glob("example-*"))
    writing.write([briefest], out, 0, 0, ALL_IN_ONE)
    assert (out / "report.html").is_file() and not any((out / "pictures").glob("example-*"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture(scope="module")
def earlier(briefest, folder):
    return writing.write([briefest], folder / "earlier", 0, 0, ALL_IN_ONE).folder


def changed_record(path):
    path.write_text(path.read_text().replace('"left_out": [', '"left_out": ["mine", ', 1))


@pytest.mark.parametrize(
    ("name", "add"),
    [
        ("my notes.txt", lambda path: path.write_text("mine")),
        ("pictures/my_own.png", lambda path: path.write_bytes(b"mine")),
        ("pictures/d.png", lambda path: path.mkdir()),
        ("folder", lambda path: path.mkdir()),
        ("pictures/link.png", lambda path: path.symlink_to("/dev/null")),
        ("report.html", lambda path: path.write_text(path.read_text() + "my notes")),
        ("report.json", changed_record),
    ],
)
def test_a_report_with_anything_of_the_users_own_is_left_alone_and_said_before_any_work(name, add, earlier, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(earlier, out)
    add(out / name)
    before = sorted(out.rglob("*"))
    with pytest.raises(DataError, match=f"exists and .*{re.escape(name)}.*Nothing is overwritten"):
        writing.write([tmp_path / "no such run"], out, 0, 0, ALL_IN_ONE)
    assert sorted(out.rglob("*")) == before


def test_what_comes_while_a_report_is_drawn_is_not_deleted(briefest, earlier, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(earlier, out)

    def progress(items, what):
        (out / "mine.txt").write_text("mine")
        return items

    with pytest.raises(DataError, match="holds mine.txt"):
        writing.write([briefest], out, 0, 0, progress)
    assert (out / "mine.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def taken(folder):
    (folder / "taken").write_text("mine")
    return folder / "taken"


def linked(folder):
    (folder / "empty").mkdir()
    (folder / "out").symlink_to("empty")
    return folder / "out"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (linked, "out: is a link"),
        (lambda folder: Path("."), r"--out .: is the current folder, or one that holds it"),
        (lambda folder: Path("new/.."), r"--out new/..: is the current folder, or one that holds it"),
        (lambda folder: Path(".."), r"--out ..: is the current folder, or one that holds it"),
        (lambda folder: Path("/proc/x/y"), "--out /proc/x/y: nothing can be written in /proc "),
        (lambda folder: taken(folder) / "out", "nothing can be written in .*taken"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(out, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        writing.write([tmp_path / "no such run"], out(tmp_path), 0, 0, ALL_IN_ONE)


def test_a_folder_that_is_no_report_is_refused_before_any_work(tmp_path):
    (tmp_path / "report.json").write_text('{"made_by": "someone else"}')
    with pytest.raises(DataError, match="contains no report.json of a report"):
        writing.write([tmp_path / "no such run"], tmp_path, 0, 0, ALL_IN_ONE)


def test_a_report_that_fails_half_way_leaves_the_earlier_one(briefest, tmp_path, monkeypatch):
    out = writing.write([briefest], tmp_path / "out", 0, 0, ALL_IN_ONE).folder
    before = (out / "report.html").read_bytes()
    monkeypatch.setattr(plots, "letters", lambda **arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        writing.write([briefest], out, 0, 0, ALL_IN_ONE)
    assert (out / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_of_boxes_alone_has_a_report(data, tmp_path):
    boxes = tiny_runs.write(tmp_path / "run", {tiny_runs.BOXES: tiny_runs.samples(tiny_runs.BOXES)})
    record = json.loads((writing.write([boxes], tmp_path / "out", 1, 0, ALL_IN_ONE).folder / "report.json").read_text())
    assert [chapter["title"] for chapter in record["chapters"]] == ["Localization", "Examples", "About this report"]


def test_a_negative_number_of_examples_is_refused(tmp_path):
    with pytest.raises(DataError, match="--examples -1: expected 0 or more"):
        writing.write([], tmp_path / "out", -1, 0, ALL_IN_ONE)


# --- runs ----------------------------------------------------------------------------


def test_labels_are_names_of_models_without_local_folders_and_never_the_same(logged):
    found, _ = runs.read([logged, logged], iter)
    assert [run.label for run in found] == [
        "open_clip (model=clip,precision=bf16)",
        "open_clip (model=clip,precision=bf16) (2)",
    ]
    assert runs.unique_labels(["a", "a", "a (2)", "a"]) == ["a", "a (2)", "a (2) (2)", "a (3)"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("model=gpt,api_key=Sup3rSecret,base_url=http://x/v1", "model=gpt,api_key=(removed),base_url=http://x/v1"),
        ({"model": "gpt", "hf_token": "Sup3rSecret"}, "model=gpt,hf_token=(removed)"),
        ("model=local-dir:/home/me/my models/clip,cache=~/x/y", "model=local-dir:clip,cache=y"),
        ("model=/home/me/my models/clip", "model=clip"),
        ("model=hf-hub:org/clip", "model=hf-hub:org/clip"),
        ("model=\ud800x", "model=?x"),
    ],
)
def test_a_label_has_no_secret_no_folder_and_nothing_that_cannot_be_written(arguments, shown, briefest, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(briefest, copy)
    tiny_runs.edited(next(copy.glob("*_results.json")), lambda content: content["config"].update(model_args=arguments))
    [found], _ = runs.read([copy], iter)
    assert found.label == f"open_clip ({shown})"


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
        ({"source": "demo", "sha256": "ab" * 32}, "the demo set: drawn, says nothing about microscopy"),
        ({"source": "hub", "id": "some/thing", "revision": "0123456789"}, "some/thing, revision 01234567"),
        (None, "not on record"),
    ],
)
def test_data_are_called_what_their_hash_says(identity, shown, run):
    assert writing.data_of(runs.Run("m", "r", run.rescored, dict.fromkeys(run.sources, identity))) == shown


def test_a_folder_of_several_runs_needs_the_results_file_of_one(data, tmp_path):
    first = tiny_runs.write(
        tmp_path / "runs", {"microbench_coarse_stain": tiny_runs.samples("microbench_coarse_stain")}
    )
    for path in list(first.iterdir()):
        (first / path.name.replace(tiny_runs.NAME, "20270101_000000")).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="A report takes the _results.json file of one, too"):
        runs.read([first], iter)
    [found], _ = runs.read([first / "20270101_000000_results.json"], iter)
    assert found.name == "20270101_000000"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('[{"alpha": 0}]', "KeyError: 'groups'"),
        ("[" * 100_000, "RecursionError"),
        (f'[{{"alpha": 1{"0" * 400}, "groups": [], "figures": {{}}, "results": "r"}}]', "OverflowError"),
        (
            f'[{{"alpha": 0, "groups": [], "figures": {{"t": {{"acc": 1{"0" * 400}}}}}, "results": "r"}}]',
            "OverflowError",
        ),
        ('[{"alpha": 0, "groups": [], "figures": {"t": {"acc": "high"}}, "results": "r"}]', "ValueError"),
    ],
    ids=["no group", "deep", "huge alpha", "huge accuracy", "text"],
)
def test_a_damaged_sweep_is_named(content, fault, tmp_path):
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(DataError, match=f"sweep.json: expected what microbench sweep writes, got {fault}"):
        runs.read([tmp_path], iter)


@pytest.fixture
def sweep(data, tmp_path):
    """Three alphas: all right, two thirds right, and nothing right, as a sweep leaves them."""
    answered = {
        0.0: lambda number, doc: LETTERS[doc["answer_idx"]],
        0.5: tiny_runs.right_but_for_every_third,
        1.0: lambda number, doc: "none of it",
    }
    table = []
    for alpha, answer in answered.items():
        run = tiny_runs.write(
            tmp_path / "sweep" / f"alpha_{alpha:g}", {task: tiny_runs.samples(task, answer) for task in TASKS[:4]}
        )
        [results] = run.glob("*_results.json")
        figures = {
            name: {metric.removesuffix(",none"): value for metric, value in found.items() if isinstance(value, float)}
            for name, found in json.loads(results.read_text())["results"].items()
        }
        table.append(
            {"alpha": alpha, "results": str(results.relative_to(tmp_path / "sweep")), "groups": [], "figures": figures}
        )
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps(table[::-1]))
    return tmp_path / "sweep"


def test_curves_along_alpha_are_the_shares_of_right_answers(sweep):
    _, [found] = runs.read([sweep], iter)
    assert found.alphas == (0, 0.5, 1)
    curves = part_curves(found, iter)
    # Three images of pathology and three others; each task's third, sixth, … answer is wrong at 0.5.
    assert {name: [(one.n, one.value) for one in along] for name, along in curves.items()} == {
        "coarse questions, all images": [(12, 1.0), (12, pytest.approx(8 / 12)), (12, 0.0)],
        "fine questions, pathology datasets": [(3, 1.0), (3, pytest.approx(2 / 3)), (3, 0.0)],
        "fine questions, other datasets": [(3, 1.0), (3, pytest.approx(2 / 3)), (3, 0.0)],
    }


def test_a_sweep_alone_has_a_report_of_its_curves(sweep, tmp_path):
    report = writing.write([sweep], tmp_path / "out", 4, 0, ALL_IN_ONE)
    record = json.loads((report.folder / "report.json").read_text())
    by_task, by_part = parts_of(record, "picture")
    assert by_task["arguments"]["xs"] == by_part["arguments"]["xs"] == [0, 0.5, 1]
    assert by_task["arguments"]["series"]["microbench_coarse_modality"]["values"] == [1, pytest.approx(4 / 6), 0]
    assert "forgetting and merging" in by_part["alt"].lower()


def test_a_sweep_without_samples_has_the_curves_of_its_table(sweep, tmp_path):
    for path in sweep.rglob("*_samples_*.jsonl"):
        path.unlink()
    report = writing.write([sweep], tmp_path / "out", 4, 0, ALL_IN_ONE)
    assert report.pictures == 1


def test_a_sweep_of_an_earlier_version_is_refused_as_its_intervals_go_beyond_100_percent(sweep):
    older = {"method": "basic", "confidence_level": 0.95, "num_resamples": 9999, "seed": 42}
    results = next(sweep.rglob("*_results.json"))
    tiny_runs.edited(results, lambda content: content["configs"][TASKS[0]]["metadata"].update(interval=older))
    with pytest.raises(DataError, match="sweep.json: the sweep is of an earlier version.* Run microbench sweep again"):
        runs.read([sweep], iter)


def table_of(record, title):
    """Of a table's rows the texts by column."""
    [table] = [table for table in parts_of(record, "table") if table["title"] == title]
    texts = [[cell["text"] if isinstance(cell, dict) else cell for cell in row] for row in table["rows"]]
    return [dict(zip(table["header"], row, strict=False)) for row in texts], table["note"]


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


def test_every_chapter_of_a_run_is_there(written):
    _, record = written
    assert [chapter["title"] for chapter in record["chapters"]] == [
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
    assert chapters.part_name("confusion", "a/b c_ä") == "confusion-a-b-c--"


def test_every_dataset_of_fine_questions_has_an_ability():
    assert set(catalog.ABILITY_OF_DATASET) == set(catalog.CLASSIFICATION_DATASETS)


def test_without_a_run_no_data_are_looked_for(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "/no/such/folder")
    assert data_rows.read([]) == data_rows.Data(None, None, ())


def test_a_column_of_another_type_is_named(data, tmp_path):
    table = pq.read_table(next(data.glob("*.parquet")))
    wrong = table.set_column(table.column_names.index("modality"), "modality", [list(range(len(table)))])
    with pytest.raises(DataError, match="somewhere: column modality is of type int64; expected text"):
        table_rows.slice_values(wrong, "somewhere")
