"""Claims about the documents of a task."""

import io

import datasets
import numpy as np
import pytest
from PIL import Image, ImageFile

from microbench_tasks import catalog
from microbench_tasks.data import documents
from microbench_tasks.data.table_images import to_rgb
from microbench_tasks.util.errors import DataError
from tests.support import release

BURGESS = "burgess_et_al_2024_contour"


def made(split, task="microbench_coarse_modality"):
    return getattr(documents, f"{task}_docs")(split, "the source")


def docs(rows, kind="modality"):
    return made(release.table(rows), f"microbench_coarse_{kind}")


def image_addresses(split):
    return {
        buffer.address
        for chunk in split.data.table["image"].chunks
        for buffer in chunk.field("bytes").buffers()
        if buffer
    }


def test_a_document_holds_one_question_and_nothing_of_the_others():
    document = docs([release.row(1)])[0]
    image = document.pop("image")
    assert image.size == (32, 24)
    assert document.pop("image_key").endswith("/0")
    assert document == {
        "image_id": "00000000-0000-0000-0000-000000000001",
        "dataset": "acevedo_et_al_2020",
        "kind": "modality",
        "question": "What is the most likely microscopy modality used to acquire this image?",
        "options": ["fluorescence microscopy", "electron microscopy", "light microscopy", "none of the above"],
        "answer_idx": 1,
        "captions": [
            "Acquired by fluorescence microscopy.",
            "Acquired by electron microscopy.",
            "Acquired by light microscopy.",
            "none of the above",
        ],
    }


def test_the_localization_datasets_are_not_asked():
    rows = [release.row(0, "opencell"), release.row(1), release.row(2, "sirinukunwattana_et_al_2016")]
    assert docs(rows)["dataset"] == ["acevedo_et_al_2020"]


def test_rows_without_the_question_are_left_out_of_its_task_only():
    silent = release.row(0)
    silent["questions"]["stain"] = None
    rows = [silent, release.row(1)]
    assert len(docs(rows, "stain")) == 1
    assert len(docs(rows, "modality")) == 2


def test_order_is_the_sources_order():
    assert docs([release.row(index) for index in (4, 0, 2)])["image_id"] == [
        release.row(index)["image_id"] for index in (4, 0, 2)
    ]


def test_burgess_images_that_share_an_id_stay_apart():
    shared = [release.row(0, dataset=f"burgess_et_al_2024_{name}") for name in ("contour", "eccentricity", "texture")]
    assert len(set(docs(shared)["image_key"])) == 3


def test_the_image_key_is_the_same_for_every_question_about_a_row():
    table = release.table([release.row(index) for index in range(3)])
    keys = [
        made(table, task)["image_key"]
        for task in ("microbench_coarse_domain", "microbench_coarse_stain", "microbench_fine_white_blood_cell")
    ]
    assert keys[0] == keys[1] == keys[2]


def test_the_image_key_differs_between_sources():
    assert docs([release.row(0)])["image_key"] != docs([release.row(1)])["image_key"]


def test_pixels_belong_to_their_row_after_selection():
    rows = [release.row(0, "opencell"), *(release.row(index) for index in range(1, 5))]
    for document, row in zip(docs(rows), rows[1:], strict=False):
        expected = datasets.Image().decode_example(row["image"])
        assert document["image_id"] == row["image_id"]
        assert document["image"].tobytes() == expected.tobytes()


def test_no_image_is_copied():
    split = datasets.concatenate_datasets(
        [release.table([release.row(index) for index in some]) for some in (range(3), range(3, 5))]
    )
    assert split.data.table["image"].num_chunks == 2
    assert image_addresses(made(split)) == image_addresses(split)


def test_a_shuffled_split_is_read_in_its_own_order():
    split = release.table([release.row(index) for index in range(4)]).select([3, 1])
    assert made(split)["image_id"] == [release.row(index)["image_id"] for index in (3, 1)]


def test_images_stored_as_bare_bytes_are_shown_as_well():
    split = release.table([release.row(0, image=release.row(0)["image"]["bytes"])], image=datasets.Value("binary"))
    assert made(split)[0]["image"].tobytes() == datasets.Image().decode_example(release.row(0)["image"]).tobytes()


def test_foreign_rows_are_left_out_and_reported_once(warnings):
    for _ in range(2):
        assert len(docs([release.row(0), release.row(1, "my_cells"), release.row(2, "my_cells")])) == 1
    [said] = [warning for warning in warnings if "my_cells" in warning]
    assert "'my_cells' (2)" in said


def test_a_repeated_image_is_counted_and_reported(warnings):
    rows = [release.row(0), release.row(1), release.row(0), release.row(0, "jung_et_al_2022")]
    assert len(docs(rows)) == 4
    assert (
        "the source: 1 row(s) repeat the dataset and image_id of an earlier one and are counted again, such as "
        "row 2, which repeats row 0." in warnings
    )


def test_a_task_of_which_datasets_are_missing_says_which(warnings):
    made(release.table([release.row(0, "jung_et_al_2022")]), "microbench_fine_white_blood_cell")
    assert warnings == ["the source: microbench_fine_white_blood_cell is incomplete: no row of acevedo_et_al_2020."]


def test_rows_of_a_fine_task_without_a_question_are_reported(warnings):
    rows = [release.row(index, "icpr2020_pollen") for index in range(3)]
    rows[1]["questions"]["classification"] = None
    assert len(made(release.table(rows), "microbench_fine_pollen")) == 2
    assert warnings == [
        "the source: microbench_fine_pollen: 1 row(s) have no question and are not asked about, such as row 1."
    ]


def test_questions_that_offer_an_option_twice_are_reported(warnings):
    row = release.row(0, "icpr2020_pollen")
    row["questions"]["classification"]["options"] = ["left", "right", "right"]
    assert len(made(release.table([release.row(1, "icpr2020_pollen"), row]), "microbench_fine_pollen")) == 2
    assert warnings == [
        "the source: microbench_fine_pollen: 1 row(s) offer an option twice, which no answer can tell apart, "
        "such as row 1."
    ]


# The images of the rows are 32 x 24 pixels.
UNUSABLE = {
    "fractions of the image": [0.1, 0.1, 0.9, 0.9],
    "beyond its edge": [40, 2, 50, 9],
    "one point": [3, 3],
    "a line": [3, 3, 20, 3],
}


@pytest.mark.parametrize("points", UNUSABLE.values(), ids=UNUSABLE)
def test_gold_boxes_that_no_answer_can_match_are_reported_and_refused_if_there_are_no_others(points, warnings):
    good, bad = (
        release.row(number, "opencell", polygon=[release.instance("nucleus", corners)])
        for number, corners in enumerate(([2, 2, 9, 9], points))
    )
    assert len(made(release.table([good, bad]), "microbench_localization_opencell_nuclei")) == 2
    assert warnings == [
        "the source: microbench_localization_opencell_nuclei: 1 row(s) have a class of which no gold box covers "
        "a pixel of the image; no answer can score there, such as row 1."
    ]
    with pytest.raises(
        DataError,
        match=(
            "the source: microbench_localization_opencell_nuclei: no gold box of any of 1 images covers a pixel of "
            "its image"
        ),
    ):
        made(release.table([bad]), "microbench_localization_opencell_nuclei")


def test_rows_without_an_annotation_are_reported(warnings):
    rows = [release.row(0, "opencell", polygon=[release.instance("nucleus", [2, 2, 9, 9])]), release.row(1, "opencell")]
    made(release.table(rows), "microbench_localization_opencell_nuclei")
    assert warnings == [
        "the source: microbench_localization_opencell_nuclei: 1 row(s) have neither polygon nor box and are not "
        "asked about, such as row 1."
    ]


@pytest.mark.parametrize("kind", ["domain", "subdomain", "modality", "submodality", "stain"])
def test_each_coarse_task_has_its_own_question(kind, tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    function = getattr(documents, f"microbench_coarse_{kind}_docs")
    assert set(function(release.table([release.row(0)]))["kind"]) == {kind}


def test_every_task_has_its_documents_by_name_and_nothing_else_has():
    assert all(getattr(documents, f"{name}_docs").task is task for name, task in catalog.ALL_TASKS.items())
    for name in ("microbench_fine_docs", "microbench_coarse_stain", "nothing_docs"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
            getattr(documents, name)


# --- fine tasks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "task", [task for task in catalog.TASKS.values() if task.subject == "fine"], ids=lambda task: task.name
)
def test_a_fine_task_asks_about_its_own_datasets_only(task):
    rows = [release.row(index, dataset) for index, dataset in enumerate(catalog.DATASETS)]
    found = made(release.table(rows), task.name)
    assert sorted(found["dataset"]) == sorted(task.datasets)
    assert set(found["kind"]) == {"classification"}
    assert found[0]["options"] == ["left", "right", "none of the above"]
    assert found[0]["captions"] == ["The left side.", "The right side.", "none of the above"]


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        (
            "microbench_fine_pollen",
            [release.row(0), release.row(1, "opencell")],
            r"the source: microbench_fine_pollen has nothing to ask: no row of icpr2020_pollen has a "
            r"classification question\. Found rows of acevedo_et_al_2020, opencell\.",
        ),
        (
            "microbench_coarse_modality",
            [release.row(0, "opencell")],
            r"the source: microbench_coarse_modality has nothing to ask: no row of acevedo_et_al_2020, "
            r".*wu_et_al_2023 has a modality question\. Found rows of opencell\.",
        ),
        (
            "microbench_localization_glands",
            [release.row(0, "sirinukunwattana_et_al_2016")],
            r"the source: microbench_localization_glands has nothing to ask: no row of "
            r"sirinukunwattana_et_al_2016 has a polygon or a box\. Found rows of sirinukunwattana_et_al_2016\.",
        ),
    ],
)
def test_a_source_with_nothing_to_ask_is_an_error_that_names_task_datasets_and_source(task, rows, message):
    with pytest.raises(DataError, match=message):
        made(release.table(rows), task)


# --- boxes ---------------------------------------------------------------------------


def boxed(index, dataset=BURGESS, polygon=(), **changes):
    """Row ``index`` with ``polygon`` as pairs of class and points."""
    return release.row(index, dataset, polygon=[release.instance(*entry) for entry in polygon], **changes)


def box_docs(rows, task="synthetic_cells", **column_types):
    return made(release.table(rows, **column_types), f"microbench_localization_{task}")


def test_a_document_asks_for_the_boxes_of_one_class():
    # The extremes of the first polygon: x from 3 to 10, y from 1 to 8. Of the second: x from 20 to 25.5, y from 2 to 6.
    row = boxed(1, "opencell", [("nucleus", [10, 4, 3, 8, 7, 1]), ("nucleus", [20, 2, 25.5, 2, 25.5, 6, 20, 6])])
    document = box_docs([row], "opencell_nuclei")[0]
    assert document.pop("image").size == (32, 24)
    assert document.pop("image_key").endswith("/0")
    assert document == {
        "image_id": "00000000-0000-0000-0000-000000000001",
        "dataset": "opencell",
        "kind": "boxes",
        "expression": "nucleus",
        "width": 32,
        "height": 24,
        "boxes": [[3, 1, 10, 8], [20, 2, 25.5, 6]],
    }


def test_there_is_one_document_for_each_image_and_class_in_the_order_of_annotation():
    rows = [
        boxed(0, polygon=[("cell", [0, 0, 9, 9]), ("nucleus", [2, 3, 4, 5]), ("cell", [10, 0, 19, 9])]),
        boxed(1, "burgess_et_al_2024_texture", [("nucleus", [1, 1, 2, 2])]),
        boxed(2, polygon=[("nucleus", [5, 6, 7, 8]), ("cell", [4, 4, 9, 9])]),
    ]
    found = box_docs(rows)
    ids = [row["image_id"] for row in rows]
    assert list(zip(found["image_id"], found["expression"], found["boxes"], strict=False)) == [
        (ids[0], "cell", [[0, 0, 9, 9], [10, 0, 19, 9]]),
        (ids[0], "nucleus", [[2, 3, 4, 5]]),
        (ids[1], "nucleus", [[1, 1, 2, 2]]),
        (ids[2], "nucleus", [[5, 6, 7, 8]]),
        (ids[2], "cell", [[4, 4, 9, 9]]),
    ]


def test_documents_about_one_image_have_its_key_and_its_pixels():
    """Burgess images share ids between datasets: the key must not."""
    rows = [
        boxed(index, name, [("cell", [0, 0, 9, 9]), ("nucleus", [2, 3, 4, 5])])
        for index, name in ((3, BURGESS), (4, BURGESS), (3, "burgess_et_al_2024_texture"))
    ]
    rows[2]["image"] = release.row(5)["image"]
    found = list(box_docs(rows))
    keys = [document["image_key"] for document in found]
    assert keys[::2] == keys[1::2] and len(set(keys)) == 3
    for number, document in enumerate(found):
        assert document["image"].tobytes() == datasets.Image().decode_example(rows[number // 2]["image"]).tobytes()


def test_the_image_key_is_that_of_the_questions_about_the_image():
    split = release.table([boxed(0, "wu_et_al_2023", [("mito", [1, 2, 3, 4])])])
    [key] = made(split, "microbench_localization_mitochondria")["image_key"]
    assert made(split, "microbench_fine_mitochondria")["image_key"] == [key]


def test_no_image_is_copied_however_many_classes_it_has():
    rows = [
        boxed(index, polygon=[(f"class {number}", [0, 0, 1, 1]) for number in range(1 + index % 3)])
        for index in range(5)
    ]
    split = datasets.concatenate_datasets([release.table(rows[:3]), release.table(rows[3:])])
    found = made(split, "microbench_localization_synthetic_cells")
    # One class in rows 0 and 3, two in 1 and 4, three in 2.
    assert len(found) == 2 * 1 + 2 * 2 + 3
    assert image_addresses(found) == image_addresses(split)


@pytest.mark.parametrize(
    ("task", "row", "expression"),
    [
        ("h2b_nuclei", boxed(0, None, [("H2B-mCherry", [1, 2, 3, 4])], stain="H2B-mCherry"), "nucleus"),
        ("mitochondria", boxed(0, "wu_et_al_2023", [("mito_0", [1, 2, 3, 4])]), "mitochondria"),
        ("opencell_nuclei", boxed(0, "opencell", [("nucleus", [1, 2, 3, 4])]), "nucleus"),
        ("glands", boxed(0, "sirinukunwattana_et_al_2016", [("Gland", [1, 2, 3, 4])]), "Gland"),
        ("synthetic_cells", boxed(0, BURGESS, [("cell", [1, 2, 3, 4])]), "cell"),
    ],
)
def test_a_class_is_asked_for_by_name_but_where_the_annotation_names_a_marker(task, row, expression):
    [document] = box_docs([row], task)
    assert document["expression"] == expression
    assert document["boxes"] == [[1, 2, 3, 4]]


def test_classes_that_go_by_the_same_words_are_asked_for_once():
    row = boxed(0, "wu_et_al_2023", [("mito_0", [1, 2, 3, 4]), ("mito_1", [5, 6, 7, 8])])
    [document] = box_docs([row], "mitochondria")
    assert document["boxes"] == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_only_the_tasks_datasets_are_asked():
    rows = [boxed(index, dataset, [("cell", [0, 0, 9, 9])]) for index, dataset in enumerate(catalog.DATASETS)]
    for task in (task for task in catalog.TASKS.values() if task.subject == "boxes"):
        assert sorted(made(release.table(rows), task.name)["dataset"]) == sorted(task.datasets)


def test_rows_without_annotation_are_not_asked():
    rows = [
        boxed(0, polygon=[("cell", [0, 0, 9, 9])]),
        release.row(1, BURGESS),
        boxed(2),
        release.row(3, BURGESS, bbox=[]),
    ]
    assert box_docs(rows)["image_id"] == [rows[0]["image_id"]]


def test_a_mapping_in_the_bbox_column_is_read_by_its_keys_where_there_is_no_polygon():
    row = release.row(0, BURGESS, bbox=[release.instance("cell", {"x1": 1, "x2": 3, "y1": 2, "y2": 4})])
    assert box_docs([row])["boxes"] == [[[1, 2, 3, 4]]]


def test_a_list_in_the_bbox_column_is_read_as_x1_y1_x2_y2():
    flat = [{"className": datasets.Value("string"), "points": [datasets.Value("int64")]}]
    row = release.row(0, BURGESS, bbox=[release.instance("cell", [1, 2, 3, 4])])
    assert box_docs([row], bbox=flat)["boxes"] == [[[1, 2, 3, 4]]]


def test_polygons_are_preferred_to_boxes():
    stored = [release.instance("nucleus", {"x1": 1, "x2": 3, "y1": 2, "y2": 4})]
    rows = [boxed(0, polygon=[("cell", [5, 6, 7, 8])], bbox=stored), boxed(1, bbox=stored)]
    found = box_docs(rows)
    assert list(zip(found["expression"], found["boxes"], strict=False)) == [
        ("cell", [[5, 6, 7, 8]]),
        ("nucleus", [[1, 2, 3, 4]]),
    ]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            "polygon",
            r"is of type list<.*className: int64.*>; expected a list of structs of className \(text\) and points",
        ),
        ("bbox", r"\[0\]\.className: expected the name of a class, got 3"),
    ],
)
def test_classes_that_are_numbers_are_refused_by_column(column, message):
    numbered = [{"className": datasets.Value("int64"), "points": [datasets.Value("float64")]}]
    row = release.row(0, BURGESS) | {column: [release.instance(3, [1, 2, 3, 4])]}
    with pytest.raises(
        DataError,
        match=rf"the source: .*column {column}{message}"
        if column == "bbox"
        else f"the source: column {column} {message}",
    ):
        box_docs([row], **{column: numbered})


@pytest.mark.parametrize("column", ["polygon", "bbox"])
def test_one_of_the_two_columns_is_enough(column):
    row = boxed(
        0, polygon=[("cell", [1, 2, 3, 4])], bbox=[release.instance("cell", {"x1": 1, "x2": 3, "y1": 2, "y2": 4})]
    )
    split = release.table([row]).remove_columns([column])
    assert made(split, "microbench_localization_synthetic_cells")["boxes"] == [[[1, 2, 3, 4]]]


def test_questions_are_not_needed_to_ask_for_boxes():
    split = release.table([boxed(0, polygon=[("cell", [1, 2, 3, 4])])]).remove_columns(["questions", "captions"])
    assert len(made(split, "microbench_localization_synthetic_cells")) == 1


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_and_height_are_those_of_the_upright_image(file_format, orientation):
    stored = Image.fromarray(np.zeros((24, 40, 3), np.uint8))
    exif = stored.getexif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    stored.save(buffer, file_format, exif=exif)
    row = boxed(0, polygon=[("cell", [1, 2, 3, 4])], image={"bytes": buffer.getvalue(), "path": None})
    [document] = box_docs([row])
    # 5 to 8 lie on their side, by the EXIF standard.
    assert (document["width"], document["height"]) == ((24, 40) if orientation >= 5 else (40, 24))
    assert to_rgb(document["image"]).size == (document["width"], document["height"])


def test_width_and_height_are_read_without_a_pixel_being_decoded(monkeypatch):
    row = boxed(
        0, polygon=[("cell", [1, 2, 3, 4])], image={"bytes": release.png(np.zeros((7, 9), np.uint8)), "path": None}
    )
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    found = box_docs([row])
    assert (found["width"], found["height"]) == ([9], [7])


def test_the_size_of_an_image_that_is_stored_as_bare_bytes_is_read():
    row = boxed(0, polygon=[("cell", [1, 2, 3, 4])], image=release.png(np.zeros((7, 9), np.uint8)))
    [document] = box_docs([row], image=datasets.Value("binary"))
    assert (document["width"], document["height"]) == (9, 7)


@pytest.mark.parametrize("image", [{"bytes": b"no image", "path": None}, {"bytes": None, "path": "cell.png"}, None])
def test_an_image_whose_size_cannot_be_read_is_named_by_row(image):
    rows = [boxed(0, polygon=[("cell", [1, 2, 3, 4])]), boxed(1, polygon=[("cell", [1, 2, 3, 4])], image=image)]
    with pytest.raises(DataError, match=r"the source: row 1 \(image_id .*1\): column image: expected a readable image"):
        box_docs(rows)


def test_an_image_that_is_not_asked_about_need_not_be_readable():
    rows = [
        boxed(0, polygon=[("cell", [1, 2, 3, 4])]),
        release.row(1, BURGESS, image=None),
        boxed(2, "opencell", [("nucleus", [1, 2, 3, 4])], image=None),
    ]
    assert len(box_docs(rows)) == 1


def test_a_malformed_polygon_of_another_tasks_dataset_is_not_read():
    rows = [boxed(0, polygon=[("cell", [1, 2, 3, 4])]), boxed(1, "opencell", [("nucleus", [1, 2, 3])])]
    assert len(box_docs(rows)) == 1
    with pytest.raises(DataError, match=r"the source: row 1 .*column polygon\[0\]\.points"):
        box_docs(rows, "opencell_nuclei")


def test_a_shuffled_split_is_asked_in_its_own_order():
    rows = [boxed(index, polygon=[("cell", [index, 0, 9, 9]), ("nucleus", [index, 2, 4, 5])]) for index in range(4)]
    found = made(release.table(rows).select([3, 1]), "microbench_localization_synthetic_cells")
    assert found["boxes"] == [[[3, 0, 9, 9]], [[3, 2, 4, 5]], [[1, 0, 9, 9]], [[1, 2, 4, 5]]]


def test_documents_are_read_in_batches_as_datasets_reads_them(monkeypatch):
    monkeypatch.setattr(documents.Reading, "_BATCH", 3)
    asked = made(release.table([release.row(index) for index in range(8)])).remove_columns("image")
    assert list(documents.Reading(asked)) == list(asked)
    assert len(documents.Reading(asked)) == 8
    assert documents.Reading(asked)[5] == asked[5]
    located = box_docs(
        [boxed(0, polygon=[("nucleus", [1, 2, 3, 4])]), boxed(1, polygon=[("nucleus", [1, 2, 5, 8])])]
    ).remove_columns("image")
    assert list(documents.Reading(located)) == list(located)


def test_documents_that_are_read_share_their_texts_and_nothing_that_can_change():
    first, second = documents.Reading(made(release.table([release.row(0), release.row(1)])).remove_columns("image"))
    assert first["question"] is second["question"]
    assert first["options"] == second["options"]
    assert first["options"] is not second["options"]
