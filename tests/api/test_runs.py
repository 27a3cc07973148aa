"""Claims about runs in Python: scores, samples, slices and columns of the data."""

from __future__ import annotations

import builtins
import json

import pandas as pd
import pytest
from scipy import stats

from microbench_tasks import api
from microbench_tasks.metrics.intervals import accuracy_interval
from tests.support import release, tiny_runs
from tests.support.report_runs import IMAGES, TASKS

MODALITY = "microbench_coarse_modality"


def logged(run, task):
    """The lines of a samples file, read without this package."""
    [file] = run.path.glob(f"*_samples_{task}.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_score_is_the_mean_of_the_logged_scores_with_the_interval_to_quote(run):
    samples = logged(run, MODALITY)
    score = run.score(MODALITY)
    right = [entry["score"] for entry in samples]
    assert score.value == sum(right) / len(right)
    assert (score.num_questions, score.num_images, score.num_datasets) == (6, 6, 2)
    # One question about each image: the interval of Clopper and Pearson.
    exact = stats.binomtest(int(sum(right)), len(right)).proportion_ci(method="exact")
    assert (score.low, score.high) == pytest.approx((exact.low, exact.high))
    assert score.chance == pytest.approx(sum(1 / len(entry["acc"]["options"]) for entry in samples) / 6)
    assert run.scores[MODALITY]["acc_image_ci_low"] == score.low


def test_scores_are_plain_values_that_json_takes(run):
    assert json.loads(json.dumps(run.scores, allow_nan=True)).keys() == set(run.scores)
    assert run.score(tiny_runs.BOXES).metric == "grit"


def test_a_score_that_is_not_there_is_named_with_those_there_are(run):
    with pytest.raises(api.DataError, match="has no scores of 'mmlu'. It has those of microbench_coarse_modality, "):
        run.score("mmlu")
    with pytest.raises(api.DataError, match=f"has no 'grit' of {MODALITY}. It has acc, acc_strict, unparsed"):
        run.score(MODALITY, "grit")


def test_a_macro_mean_counts_the_questions_that_the_total_leaves_out(tmp_path):
    from tests.support.compared_runs import answered, loaded

    tasks = ("domain", "subdomain", "modality", "submodality", "stain")
    samples = {f"microbench_coarse_{kind}": answered("AAB", f"microbench_coarse_{kind}") for kind in tasks}
    loaded(tmp_path, samples)
    found = api.load(tmp_path)
    assert found.score("microbench_coarse", "acc_macro").num_questions == 15
    table = found.score_table()
    assert list(table.columns[:5]) == ["name", "metric", "value", "low", "high"]
    assert table.iloc[0]["name"] == "microbench_coarse" and table.iloc[0]["value"] == pytest.approx(2 / 3)


def test_samples_are_a_row_for_each_question_as_logged(run):
    table = run.samples
    assert len(table) == sum(len(logged(run, task)) for task in TASKS)
    rows = table[table.task == MODALITY]
    for row, entry in zip(rows.itertuples(), logged(run, MODALITY), strict=True):
        item = entry["acc"]
        assert (row.doc_id, row.image_id, row.dataset, row.kind) == (
            entry["doc_id"],
            item["image_id"],
            item["dataset"],
            "modality",
        )
        assert (row.prompt, row.response) == (entry["input"], entry["filtered_resps"].strip())
        assert (row.gold, row.options, row.score) == (item["gold"], item["options"], entry["score"])
        assert row.gold_text == item["options"]["ABCDEFGH".index(item["gold"])]
        if item["probabilities"] is not None:
            assert row.gold_probability == item["probabilities"][item["gold"]]
        assert row.strict_score == entry["acc_strict"]["score"]


def test_samples_about_boxes_have_numbers_of_boxes_and_no_letters(run):
    rows = run.samples[run.samples.task == tiny_runs.BOXES]
    entries = [entry["grit"] for entry in logged(run, tiny_runs.BOXES)]
    assert list(rows.num_predicted_boxes) == [entry["num_predicted"] for entry in entries]
    matched = [entry["boxes_f1"]["matched"] for entry in logged(run, tiny_runs.BOXES)]
    assert list(rows.num_matched_boxes) == matched
    assert list(rows.num_gold_boxes) == [len(entry["boxes"]) for entry in entries]
    assert list(rows.score) == [entry["score"] for entry in entries]
    assert rows.gold.isna().all() and rows.options.isna().all()


def test_a_changed_table_does_not_change_the_run(run):
    table = run.samples
    table["score"] = 0.5
    assert set(run.samples["score"]) != {0.5}


def test_columns_of_the_data_are_joined_by_image(run):
    table = run.with_data_columns("modality", "microns_per_pixel")
    rows = table[table.task == MODALITY]
    expected = {str(number): (modality, scale) for number, (_, modality, _, scale) in enumerate(IMAGES)}
    images = {release.row(number)["image_id"]: expected[str(number)] for number in range(len(IMAGES))}
    for row in rows.itertuples():
        modality, scale = images[row.image_id]
        assert row.modality == modality
        assert row.microns_per_pixel == scale or (scale is None and pd.isna(row.microns_per_pixel))
    # Cognition questions come from data without these columns.
    assert table[table.task == tiny_runs.COGNITION].modality.isna().all()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("questions", "has no column 'questions' with one text, number or truth value per image. It has image_id"),
        ("nope", "has no column 'nope'"),
        ("dataset", "The samples have a column dataset already"),
    ],
)
def test_a_column_that_cannot_be_joined_is_refused(run, column, message):
    with pytest.raises(api.DataError, match=message):
        run.with_data_columns(column)


def test_data_that_are_not_the_runs_are_refused(run, tmp_path, monkeypatch):
    release.write_parquet(tmp_path, [release.row(number) for number in range(7)])
    monkeypatch.setenv("MICROBENCH_DATASET", str(tmp_path))
    with pytest.raises(api.DataError, match="is not the data of .*The run recorded MICROBENCH_DATASET=/"):
        run.with_data_columns("modality")


def test_slices_have_the_mean_and_the_interval_of_their_questions(run):
    slices = run.slice_by("modality", MODALITY)
    table = run.with_data_columns("modality")
    table = table[table.task == MODALITY]
    assert list(slices.value) == sorted(set(table.modality))
    for row in slices.itertuples():
        inside = table[table.modality == row.value]
        interval = accuracy_interval(inside.score.to_numpy(), inside.image.to_numpy())
        assert (row.score, row.low, row.high) == pytest.approx((inside.score.mean(), interval.low, interval.high))
        assert (row.questions, row.images) == (len(inside), inside.image.nunique())


def test_slices_by_stated_values_leave_what_is_missing_for_the_last(run):
    scale = run.with_data_columns("microns_per_pixel").microns_per_pixel
    slices = run.slice_by(pd.cut(scale, [0, 0.2, 1, 5]), MODALITY)
    # 0.005 and 0.1; 0.25 and 0.5; 2.0; none.
    assert list(slices.questions) == [2, 2, 1, 1]
    assert [str(value) for value in slices.value][:3] == ["(0.0, 0.2]", "(0.2, 1.0]", "(1.0, 5.0]"]
    assert pd.isna(slices.value.iloc[-1])
    with pytest.raises(api.DataError, match="Expected a value for each of the .* samples of .*, got 2"):
        run.slice_by([1, 2])


def test_slices_of_questions_and_of_boxes_are_never_mixed(run):
    whole, boxes = run.slice_by("dataset"), run.slice_by("dataset", tiny_runs.BOXES)
    assert set(whole.value) == {"acevedo_et_al_2020", "icpr2020_pollen", "cognition"}
    assert list(boxes.value) == ["opencell"]
    with pytest.raises(api.DataError, match="has no answers to all of microbench_fine. It answered"):
        run.slice_by("dataset", "microbench_fine")
    with pytest.raises(api.DataError, match="column options has lists"):
        run.slice_by("options")


def test_a_run_is_scored_anew_from_its_files(run, tmp_path):
    import shutil

    shutil.copytree(run.path, tmp_path / "copy")
    copy = api.load(tmp_path / "copy").with_label("mine")
    [file] = copy.path.glob(f"*_samples_{tiny_runs.COGNITION}.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        line["filtered_resps"] = line["acc"]["gold"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    anew = copy.rescore()
    assert anew.score(tiny_runs.COGNITION).value == 1 != copy.score(tiny_runs.COGNITION).value
    assert anew.label == "mine"


def test_without_pandas_a_table_says_how_to_install_it(run, monkeypatch):
    from microbench_tasks.api import tables

    imported = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError("No module named 'pandas'")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match="Type: pip install pandas"):
        tables.data_frame([], ["a"])
