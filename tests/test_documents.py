"""Claims about the documents of a task."""

import datasets
import pytest
import release

from microbench_tasks import catalog, documents
from microbench_tasks.schema import DataError


def docs(rows, kind="modality"):
    return documents.question_documents(release.table(rows), kind, "the source")


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
        "captions": ["Acquired by fluorescence microscopy.", "Acquired by electron microscopy.", "Acquired by light microscopy.", "none of the above"],
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
    assert docs([release.row(index) for index in (4, 0, 2)])["image_id"] == [release.row(index)["image_id"] for index in (4, 0, 2)]


def test_burgess_images_that_share_an_id_stay_apart():
    shared = [release.row(0, dataset=f"burgess_et_al_2024_{name}") for name in ("contour", "eccentricity", "texture")]
    assert len(set(docs(shared)["image_key"])) == 3


def test_the_image_key_is_the_same_for_every_question_about_a_row():
    table = release.table([release.row(index) for index in range(3)])
    keys = {kind: documents.question_documents(table, kind, "the source")["image_key"] for kind in ("domain", "stain")}
    assert keys["domain"] == keys["stain"]


def test_the_image_key_differs_between_sources():
    assert docs([release.row(0)])["image_key"] != docs([release.row(1)])["image_key"]


def test_pixels_belong_to_their_row_after_selection():
    rows = [release.row(0, "opencell"), *(release.row(index) for index in range(1, 5))]
    for document, row in zip(docs(rows), rows[1:]):
        expected = datasets.Image().decode_example(row["image"])
        assert document["image_id"] == row["image_id"]
        assert document["image"].tobytes() == expected.tobytes()


def test_no_image_is_copied():
    split = release.table([release.row(index) for index in range(3)])
    made = documents.question_documents(split, "modality", "the source")
    addresses = [[buffer.address for buffer in chunk.field("bytes").buffers() if buffer] for table in (split, made) for chunk in table.data.table["image"].chunks]
    assert addresses[0] == addresses[1]


def test_a_shuffled_split_is_read_in_its_own_order():
    split = release.table([release.row(index) for index in range(4)]).select([3, 1])
    assert documents.question_documents(split, "modality", "the source")["image_id"] == [release.row(index)["image_id"] for index in (3, 1)]


def test_no_row_of_ours_is_an_error_that_names_the_datasets():
    with pytest.raises(DataError, match=r"the source: no row asks a modality question. Expected rows of acevedo_et_al_2020.*found \['opencell'\]"):
        docs([release.row(0, "opencell")])


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(documents.logger, "warning", said.append)
    documents._say_once.cache_clear()
    return said


def test_foreign_rows_are_left_out_and_reported_once(warnings):
    for _ in range(2):
        assert len(docs([release.row(0), release.row(1, "my_cells"), release.row(2, "my_cells")])) == 1
    assert len(warnings) == 1
    assert "'my_cells' (2)" in warnings[0]


def test_a_repeated_image_is_counted_and_reported(warnings):
    rows = [release.row(0), release.row(1), release.row(0), release.row(0, "jung_et_al_2022")]
    assert len(docs(rows)) == 4
    assert warnings == ["the source: 1 row(s) repeat the dataset and image_id of an earlier one and are counted again, such as row 2, which repeats row 0."]


@pytest.mark.parametrize("kind", ["domain", "subdomain", "modality", "submodality", "stain"])
def test_each_coarse_task_has_its_own_question(kind, tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    function = getattr(documents, f"microbench_coarse_{kind}_docs")
    assert set(function(release.table([release.row(0)]))["kind"]) == {kind}


def test_the_catalogue_has_the_released_datasets():
    """22 classification datasets and two with boxes only."""
    assert len(set(catalog.CLASSIFICATION_DATASETS)) == 22
    assert len(set(catalog.DATASETS)) == 24


def test_groups_and_tasks_are_found_once_and_others_passed_over():
    assert catalog.tasks_named(["mmmu_val", "microbench_coarse_stain", "microbench_coarse"]) == (
        "microbench_coarse_stain",
        "microbench_coarse_domain",
        "microbench_coarse_subdomain",
        "microbench_coarse_modality",
        "microbench_coarse_submodality",
    )
