"""Claims about checking data before a model is loaded."""

import re

import pytest

from microbench_tasks.data import table_images
from microbench_tasks.harness import preflight
from microbench_tasks.util.errors import DataError
from tests.support import release


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    preflight._passed.clear()
    for setting in ("MICROBENCH_COGNITION", "MICROBENCH_BOXES", "MICROBENCH_INTERVAL"):
        monkeypatch.delenv(setting, raising=False)


@pytest.fixture
def use_cognition(monkeypatch):
    return lambda value: monkeypatch.setenv("MICROBENCH_COGNITION", str(value))


def broken(kind):
    row = release.row(1)
    row["questions"][kind] |= {"answer": "not an option"}
    return row


def boxed(index, dataset, points=(1, 2, 3, 4)):
    return release.row(index, dataset, polygon=[release.instance("nucleus", list(points))])


def test_other_benchmarks_need_no_source(use_source, use_cognition):
    use_source("/no/such/folder")
    use_cognition("/no/such/folder")
    preflight.check(["mmmu_val", "gqa", "microbench_of_another_kind"])
    preflight.check([])


def test_nothing_is_read_for_other_benchmarks(monkeypatch):
    monkeypatch.setattr(preflight.task_data, "resolve", lambda task, download: pytest.fail("read"))
    for setting in ("MICROBENCH_BOXES", "MICROBENCH_INTERVAL"):
        monkeypatch.setenv(setting, "nonsense")
    preflight.check(["mmmu_val", "gqa"])


def test_a_group_is_checked_in_all_its_tasks(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), broken("stain")]))
    with pytest.raises(DataError, match=rf"MICROBENCH_DATASET={tmp_path}/data: row 1 .*questions\.stain\.answer"):
        preflight.check(["microbench_coarse"])


def test_a_task_is_not_stopped_by_another_tasks_question(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), broken("stain")]))
    preflight.check(["microbench_coarse_domain"])


def test_an_unreadable_image_stops_the_run(tmp_path, use_source):
    use_source(
        release.write_parquet(
            tmp_path / "data", [release.row(0), release.row(1, image={"bytes": b"broken", "path": None})]
        )
    )
    with pytest.raises(DataError, match="row 1 .*column image"):
        preflight.check(["microbench_coarse_domain"])


def test_images_that_passed_are_not_read_again_even_by_the_next_process(tmp_path, use_source, monkeypatch):
    use_source(release.write_parquet(tmp_path / "data", [release.row(5)]))
    preflight.check(["microbench_coarse_domain"])
    preflight._passed.clear()
    monkeypatch.setattr(table_images, "check_images", lambda *arguments: pytest.fail("read again"))
    preflight.check(["microbench_coarse_domain"])


def test_changed_data_is_checked_again(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    preflight.check(["microbench_coarse_domain"])
    release.write_parquet(tmp_path / "data", [release.row(0), broken("domain")])
    with pytest.raises(DataError, match="row 1"):
        preflight.check(["microbench_coarse_domain"])


def test_a_task_that_passed_vouches_for_no_other(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), broken("stain")]))
    preflight.check(["microbench_coarse_domain"])
    with pytest.raises(DataError, match="row 1"):
        preflight.check(["microbench_coarse_stain"])


def test_a_task_that_passed_is_not_read_again(tmp_path, use_source, monkeypatch):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    preflight.check(["microbench_coarse_domain"])
    monkeypatch.setattr(preflight, "_check_data", lambda data, tasks: pytest.fail("read again"))
    preflight.check(["microbench_coarse_domain"])


# --- several sources -----------------------------------------------------------------


def test_a_setting_that_names_nothing_stops_the_tasks_that_it_is_for(tmp_path, use_source, use_cognition):
    use_source("/no/such/folder")
    use_cognition(release.write_cognition(tmp_path / "questions", {"cell.png": [release.cognition_question()]}))
    preflight.check(["microbench_cognition"])
    with pytest.raises(DataError, match="^MICROBENCH_DATASET=/no/such/folder: no such folder"):
        preflight.check(["microbench_localization_glands"])
    use_source(release.write_parquet(tmp_path / "data", [boxed(0, "sirinukunwattana_et_al_2016")]))
    use_cognition("/no/such/questions")
    preflight.check(["microbench_localization_glands"])
    with pytest.raises(DataError, match="^MICROBENCH_COGNITION=/no/such/questions: no such folder"):
        preflight.check(["microbench_cognition"])


def test_a_group_over_two_sources_is_checked_in_both(tmp_path, use_source, use_cognition):
    """The names may come in any order; nothing passes because the other source has."""
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    folder = release.write_cognition(tmp_path / "questions", {"cell.png": [release.cognition_question()]})
    (folder / "cell.png").write_bytes(b"no image")
    use_cognition(folder)
    for names in (
        ["microbench_coarse_domain", "microbench_cognition"],
        ["microbench_cognition", "microbench_coarse_domain"],
    ):
        with pytest.raises(
            DataError,
            match=rf"MICROBENCH_COGNITION={folder}: row 0 \(image_id cell\.png\): column image: "
            "expected a readable image",
        ):
            preflight.check(names)


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": "myosin"},
        {"options": [*"abcdefghi"], "answer": "a"},
        {"question": "Which half of a character? \ud800"},
    ],
    ids=["answer", "options", "question"],
)
def test_a_malformed_cognition_question_stops_the_run(changes, tmp_path, use_cognition):
    asked = [release.cognition_question(), release.cognition_question() | changes]
    use_cognition(release.write_cognition(tmp_path / "questions", {"cell.png": asked}))
    with pytest.raises(DataError, match=f"MICROBENCH_COGNITION={tmp_path}/questions: "):
        preflight.check(["microbench_cognition"])


def test_without_cognition_questions_the_largest_group_stops_before_anything_is_read(tmp_path, use_source, monkeypatch):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    monkeypatch.setattr(preflight, "_check_data", lambda data, tasks: pytest.fail("read"))
    with pytest.raises(DataError, match="The cognition questions are not in the public release"):
        preflight.check(["microbench_all"])


def test_changed_cognition_questions_are_checked_again(tmp_path, use_cognition):
    folder = tmp_path / "questions"
    use_cognition(release.write_cognition(folder, {"cell.png": [release.cognition_question()]}))
    preflight.check(["microbench_cognition"])
    release.write_cognition(folder, {"cell.png": [release.cognition_question(question=" ")]})
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_COGNITION={folder}: cell\.json: "
        r"custom_metadata\.questions\.cognition_0\.question: expected text, got ' '",
    ):
        preflight.check(["microbench_cognition"])


def test_the_demo_set_passes_in_all_tasks(demo_folder, use_source):
    use_source("demo")
    preflight.check(["microbench_all"])
    assert len(preflight._passed) == 24


# --- boxes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ((1, 2, 3), "expected finite numbers"),
        # The box has 1e400 square pixels, more than a float holds.
        ((0, 0, 1e200, 1e200), r"expected pixels, got \[0\.0, 0\.0, 1e\+200, 1e\+200\]"),
    ],
)
def test_a_broken_polygon_stops_its_localization_task_only(points, reason, tmp_path, use_source):
    rows = [release.row(0), boxed(1, "opencell"), boxed(2, "wu_et_al_2023", points=points), boxed(3, "wu_et_al_2023")]
    use_source(release.write_parquet(tmp_path / "data", rows))
    preflight.check(["microbench_coarse", "microbench_fine_mitochondria", "microbench_localization_opencell_nuclei"])
    with pytest.raises(
        DataError,
        match=rf"MICROBENCH_DATASET={tmp_path}/data: row 2 \(image_id .*2\): column polygon\[0\]\.points: {reason}",
    ):
        preflight.check(["microbench_localization_mitochondria"])


def test_an_image_without_its_last_pixels_stops_localization_although_its_size_can_be_read(tmp_path, use_source):
    whole = release.row(0)["image"]["bytes"]
    cut = boxed(0, "opencell") | {"image": {"bytes": whole[: whole.index(b"IDAT") + 10], "path": None}}
    use_source(release.write_parquet(tmp_path / "data", [cut]))
    with pytest.raises(
        DataError,
        match=rf"MICROBENCH_DATASET={tmp_path}/data: row 0 \(image_id .*\): column image: expected a readable image",
    ):
        preflight.check(["microbench_localization_opencell_nuclei"])


def test_data_without_a_tasks_boxes_stop_that_task(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), boxed(1, "opencell")]))
    preflight.check(["microbench_localization_opencell_nuclei"])
    with pytest.raises(
        DataError, match="microbench_localization_glands has nothing to ask: no row of sirinukunwattana_et_al_2016"
    ):
        preflight.check(["microbench_localization_opencell_nuclei", "microbench_localization_glands"])


def test_data_without_instances_stop_localization_but_not_questions(tmp_path, use_source):
    (tmp_path / "data").mkdir()
    release.table([release.row(0), release.row(1, "opencell")]).remove_columns(["polygon", "bbox"]).to_parquet(
        tmp_path / "data" / "test.parquet"
    )
    use_source(tmp_path / "data")
    preflight.check(["microbench_coarse"])
    with pytest.raises(DataError, match=r"column\(s\) polygon and bbox missing"):
        preflight.check(["microbench_localization_opencell_nuclei"])


def test_data_without_questions_stop_questions_but_not_localization(tmp_path, use_source):
    (tmp_path / "data").mkdir()
    release.table([boxed(0, "opencell")]).remove_columns(["questions", "captions"]).to_parquet(
        tmp_path / "data" / "test.parquet"
    )
    use_source(tmp_path / "data")
    preflight.check(["microbench_localization_opencell_nuclei"])
    with pytest.raises(DataError, match=r"column\(s\) questions, captions missing"):
        preflight.check(["microbench_coarse_domain"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nonsense", "'nonsense' is not a format"),
        ('{"format": ["gemini"]}', r"\['gemini'\] is not a format"),
        ("{}", "expected a format to start from"),
        (
            '{"format": "gemini", "limits": [1, 2]}',
            r"limits \[1, 2\]: boxes of the convention grid1000_yxyx do not refer",
        ),
    ],
)
def test_a_malformed_setting_for_boxes_stops_every_task_before_anything_is_read(
    value, reason, tmp_path, use_source, monkeypatch
):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), boxed(1, "opencell")]))
    monkeypatch.setenv("MICROBENCH_BOXES", value)
    monkeypatch.setattr(preflight.task_data, "resolve", lambda task, download: pytest.fail("read"))
    # A wrong value is a mistake, also in a run without boxes.
    for names in (["microbench_coarse_domain"], ["microbench_localization_opencell_nuclei"]):
        with pytest.raises(DataError, match=f"^MICROBENCH_BOXES={re.escape(value)}: {reason}"):
            preflight.check(names)


def test_a_malformed_setting_for_intervals_stops_every_task_before_anything_is_read(monkeypatch):
    monkeypatch.setenv("MICROBENCH_INTERVAL", "nonsense")
    monkeypatch.setattr(preflight.task_data, "resolve", lambda task, download: pytest.fail("read"))
    for name in ("microbench_coarse_domain", "microbench_localization_glands", "microbench_cognition"):
        with pytest.raises(DataError, match="^MICROBENCH_INTERVAL=nonsense: Expected one of"):
            preflight.check([name])


def test_a_setting_is_looked_at_again_although_the_data_have_passed(tmp_path, use_source, monkeypatch):
    use_source(release.write_parquet(tmp_path / "data", [boxed(0, "opencell")]))
    preflight.check(["microbench_localization_opencell_nuclei"])
    monkeypatch.setenv("MICROBENCH_BOXES", "nonsense")
    with pytest.raises(DataError, match="MICROBENCH_BOXES=nonsense"):
        preflight.check(["microbench_localization_opencell_nuclei"])


@pytest.mark.parametrize(("image_format", "is_warned"), [("JPEG", True), ("png", False), (None, False)])
def test_images_that_would_lose_pixels_on_their_way_to_a_server_are_warned_of(
    image_format, is_warned, tmp_path, use_source, monkeypatch, warnings
):
    monkeypatch.delenv("LMMS_IMAGE_ENCODE_FORMAT", raising=False)
    if image_format:
        monkeypatch.setenv("LMMS_IMAGE_ENCODE_FORMAT", image_format)
    release.write_parquet(tmp_path, [release.row(1)])
    use_source(tmp_path)
    preflight.check(["microbench_coarse_domain"])
    assert any("LMMS_IMAGE_ENCODE_FORMAT=JPEG" in text for text in warnings) is is_warned


# --- numbers ---------------------------------------------------------------------------


NOT_COMPARABLE = "Scores on these data cannot be compared with scores on the release."


def numbers(warnings):
    return [
        text.split("its numbers differ, too: ")[1]
        for text in warnings
        if "is not the release (its hash differs)" in text
    ]


def test_a_task_whose_number_of_questions_differs_from_the_release_is_warned_of(tmp_path, use_source, warnings):
    """Compare with the public numbers.

    They are 16,130 rows of classification, 934 of them without a stain question, and 1,105 and 80 rows of the two
    datasets with boxes only.
    """
    rows = [release.row(0), boxed(1, "opencell"), boxed(2, "nirschl_unpub_fluorescence")]
    use_source(release.write_parquet(tmp_path / "data", rows))
    preflight.check(
        [
            "microbench_coarse_domain",
            "microbench_coarse_stain",
            "microbench_fine_white_blood_cell",
            "microbench_fine_fluorescent_structures",
            "microbench_localization_opencell_nuclei",
        ]
    )
    assert numbers(warnings) == [
        "microbench_coarse_domain has 2 questions, in the release 16,130; "
        "microbench_coarse_stain has 2 questions, in the release 15,196; "
        "microbench_fine_fluorescent_structures has 1 questions, in the release 934; "
        "2 rows of all 22 datasets of classification together, in the release 16,130 "
        "(microbench_fine_white_blood_cell); "
        "1 rows of opencell, in the release 1,105 (microbench_localization_opencell_nuclei). "
        f"{NOT_COMPARABLE}"
    ]


def test_a_single_fine_task_with_fewer_rows_is_found_although_its_own_number_is_not_public(
    tmp_path, use_source, warnings, monkeypatch
):
    rows = [
        release.row(index, dataset)
        for index, dataset in enumerate(["hussain_et_al_2019", "hussain_et_al_2019", "wu_et_al_2023"])
    ]
    monkeypatch.setattr(preflight.catalog, "RELEASE_ROWS", {preflight.catalog.CLASSIFICATION_DATASETS: 3})
    use_source(release.write_parquet(tmp_path / "data", rows))
    preflight.check(["microbench_fine_pap_smear"])
    assert numbers(warnings) == []
    use_source(release.write_parquet(tmp_path / "less", rows[1:]))
    preflight.check(["microbench_fine_pap_smear"])
    assert numbers(warnings) == [
        "2 rows of all 22 datasets of classification together, in the release 3 (microbench_fine_pap_smear). "
        f"{NOT_COMPARABLE}"
    ]


def test_cognition_questions_are_counted_against_the_papers(tmp_path, use_cognition, warnings):
    use_cognition(release.write_cognition(tmp_path / "questions", {"cell.png": [release.cognition_question()]}))
    preflight.check(["microbench_cognition"])
    assert numbers(warnings) == [f"microbench_cognition has 1 questions, in the paper 121. {NOT_COMPARABLE}"]


def test_the_demo_set_has_numbers_of_its_own(demo_folder, use_source, warnings):
    use_source("demo")
    preflight.check(["microbench_coarse_domain", "microbench_cognition"])
    assert numbers(warnings) == []
