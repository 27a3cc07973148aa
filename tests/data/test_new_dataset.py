"""Datasets made of folders, CSV files, COCO JSON and tables hold what independent readers find in their sources."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from microbench_tasks.catalog.release_columns import release_features
from microbench_tasks.data import annotated_boxes, table_columns, table_images, table_rows
from microbench_tasks.data.own_datasets import overview
from microbench_tasks.data.own_datasets.description import read_description
from microbench_tasks.util import files
from tests.support import own_images
from tests.support.own_images import CELL, GLAND, LABELS, make


def by_class(rows: list[dict]) -> dict[str, list[bytes]]:
    """Return the pixels of each class's images, sorted."""
    found: dict[str, list[bytes]] = {}
    for row in rows:
        found.setdefault(row["questions"]["classification"]["answer"], []).append(own_images.pixels(row).tobytes())
    return {name: sorted(images) for name, images in found.items()}


def expected(per_class: int = 3) -> dict[str, list[bytes]]:
    return {
        name: sorted(own_images.tile(name, number).tobytes() for number in range(per_class)) for name in (GLAND, CELL)
    }


def write_labels(path: Path, header: str, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\r\n".join([header, *lines, ""]).encode(encoding))
    return path


def test_a_folder_per_class_becomes_a_question_about_each_image(tmp_path):
    rows = make(tmp_path / "out", images=own_images.class_folders(tmp_path / "photos"))
    assert by_class(rows) == expected()
    for row in rows:
        asked, caption = row["questions"]["classification"], row["captions"]["classification_1"]
        assert asked["question"] == "What is shown?"
        assert set(asked["options"]) == {GLAND, CELL}
        assert asked["options"][asked["answer_idx"]] == asked["answer"] == row["label_name"]
        assert caption["options"] == [f"A micrograph of a {option}." for option in asked["options"]]
        assert (int(caption["answer_idx"]), row["dataset"]) == (asked["answer_idx"], "mine")


def test_the_table_passes_the_checks_of_the_release(tmp_path):
    make(tmp_path / "out", images=own_images.class_folders(tmp_path / "photos"))
    loaded = datasets.load_dataset("parquet", data_dir=str(tmp_path / "out" / "data"), split="test")
    assert loaded.features == {**release_features(), "group": datasets.Value("string")}
    table = loaded.data.table
    table_columns.check_columns(table.schema, "classification", "mine")
    table_images.check_images(table, "mine")
    assert len(list(table_rows.questions(table, "classification", "mine"))) == 6
    assert {kind for kind in loaded[0]["questions"] if loaded[0]["questions"][kind]} == {"classification"}


def test_the_description_states_what_the_table_holds(tmp_path):
    out = tmp_path / "out"
    make(out, images=own_images.class_folders(tmp_path / "photos"), licence="CC0-1.0", classes=(GLAND, CELL))
    described = read_description(out)
    assert (described.classes, described.licence, described.groups) == ([GLAND, CELL], "CC0-1.0", None)
    assert (described.num_images, described.num_questions, described.num_boxes) == (6, 6, 0)
    assert described.table_sha256 == files.sha256(out / "data" / "test-00000-of-00001.parquet")


def test_folders_within_a_class_are_groups_if_a_group_has_a_name(tmp_path):
    photos = tmp_path / "photos"
    for number in range(4):
        own_images.save(own_images.tile(GLAND, number), photos / GLAND / f"slide {number // 2}" / f"{number}.png")
        own_images.save(own_images.tile(CELL, number), photos / CELL / "slide 0" / f"{number}.png")
    rows = make(tmp_path / "out", images=photos, groups="slide")
    groups = sorted((row["label_name"], row["group"]) for row in rows)
    assert groups == [(GLAND, "slide 0")] * 2 + [(GLAND, "slide 1")] * 2 + [(CELL, "slide 0")] * 4
    assert read_description(tmp_path / "out").groups == "slide"
    rows = make(tmp_path / "without", images=photos)
    assert {row["group"] for row in rows} == {None}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_csv_of_any_spreadsheet_is_read(tmp_path, separator, encoding):
    photos = own_images.flat_folder(tmp_path / "photos")
    text = LABELS.replace(",", separator).replace(CELL, "Zelle aus Müller").replace("\n", "\r\n")
    labels = tmp_path / "labels.csv"
    labels.write_bytes(text.encode(encoding))
    rows = make(tmp_path / "out", images=photos, labels=labels)
    assert by_class(rows) == {{CELL: "Zelle aus Müller"}.get(name, name): images for name, images in expected().items()}


def test_excels_line_that_names_the_separator_is_read(tmp_path):
    labels = write_labels(tmp_path / "labels.csv", "sep=;", *LABELS.replace(",", ";").splitlines())
    rows = make(tmp_path / "out", images=own_images.flat_folder(tmp_path / "photos"), labels=labels)
    assert by_class(rows) == expected()


def test_all_columns_of_a_csv_reach_the_table(tmp_path):
    photos = own_images.flat_folder(tmp_path / "photos" / "a", 1)
    labels = tmp_path / "labels.csv"
    with labels.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["File", "Class", "question", "options", "domain", "modality", "stain", "group", "notes"])
        writer.writerow(
            ["a\\gland_0.png", GLAND, "Which, then?", f"{GLAND}|crypt | villus", "pathology", "light", "DAB", "7", "x"]
        )
        writer.writerow(["a/cell_0.png", CELL, "", "", "biology", "phase", "", "8", "line\nbreak"])
    rows = {row["label_name"]: row for row in make(tmp_path / "out", images=photos.parent, labels=labels)}
    gland, cell = rows[GLAND], rows[CELL]
    assert gland["questions"]["classification"]["question"] == "Which, then?"
    assert set(gland["questions"]["classification"]["options"]) == {GLAND, "crypt", "villus"}
    assert [gland[name] for name in ("domain", "modality", "stain", "group")] == ["pathology", "light", "DAB", "7"]
    assert cell["questions"]["classification"]["question"] == "What is shown?"
    assert set(cell["questions"]["classification"]["options"]) == {GLAND, CELL}
    assert [cell[name] for name in ("domain", "modality", "stain", "group")] == ["biology", "phase", None, "8"]
    described = read_description(tmp_path / "out")
    # The rows have different questions.
    assert (described.question, described.groups) == (None, "group")


def test_only_rows_of_the_split_test_are_taken_and_the_others_are_counted(tmp_path):
    photos = own_images.flat_folder(tmp_path / "photos")
    lines = [f"{line},{'Test' if '_0' in line or '_1' in line else 'train'}" for line in LABELS.splitlines()[1:]]
    labels = write_labels(tmp_path / "labels.csv", "file,class,split", *lines)
    asked = own_images.wanted(tmp_path / "out", images=photos, labels=labels)
    dataset = own_images.read(asked, tmp_path)
    assert len(dataset.images) == 4
    assert "2 row(s) of labels.csv left out, since their split is not test" in dataset.notes


def test_images_that_the_csv_does_not_list_are_left_out_if_asked(tmp_path):
    photos = own_images.flat_folder(tmp_path / "photos", 4)
    labels = write_labels(tmp_path / "labels.csv", *LABELS.splitlines())
    rows = make(tmp_path / "out", images=photos, labels=labels, only_listed=True)
    assert by_class(rows) == expected(3)


def test_a_file_is_found_in_either_unicode_form(tmp_path):
    photos = tmp_path / "photos"
    # As macOS stores it, and as it is typed.
    own_images.save(own_images.tile(GLAND, 0), photos / "dru\u0308se.png")
    own_images.save(own_images.tile(CELL, 0), photos / "cell.png")
    labels = write_labels(tmp_path / "labels.csv", "file,class", f"dr\u00fcse.png,{GLAND}", f"cell.png,{CELL}")
    assert by_class(make(tmp_path / "out", images=photos, labels=labels)) == expected(1)


def test_coco_boxes_are_stored_as_corners(tmp_path):
    photos = own_images.flat_folder(tmp_path / "photos")
    annotations = own_images.coco()["annotations"]
    annotations.append({"id": 1, "image_id": 0, "category_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1})
    path = own_images.write_coco(tmp_path / "boxes.json", annotations=annotations)
    asked = own_images.wanted(tmp_path / "out", images=photos, coco=path)
    dataset = own_images.read(asked, tmp_path)
    assert "1 annotation(s) of crowds (iscrowd) left out" in dataset.notes
    dataset.write()
    rows = own_images.rows(tmp_path / "out")
    found = {
        own_images.pixels(row).tobytes(): [
            (box["className"], *(box["points"][side] for side in ("x1", "y1", "x2", "y2"))) for box in row["bbox"]
        ]
        for row in rows
    }
    assert found[own_images.tile(GLAND, 1).tobytes()] == [("gland", 1, 2, 31, 42)]
    # The extent of the polygon (5, 6), (25, 6), (25, 46.5), and a box of the whole image.
    assert found[own_images.tile(CELL, 0).tobytes()] == [("cell", 5, 6, 25, 46.5), ("cell", 0, 0, 64, 64)]
    described = read_description(tmp_path / "out")
    assert (described.classes, described.num_questions, described.num_boxes) == (["gland", "cell"], 0, 7)
    assert {row["questions"]["classification"] for row in rows} == {None}
    table = datasets.load_dataset("parquet", data_dir=str(tmp_path / "out" / "data"), split="test").data.table
    table_columns.check_box_columns(table.schema, "mine")
    assert sum(len(annotated_boxes.gold_boxes(table, row, "mine")) for row in range(6)) == 6


def test_folders_of_annotated_images_are_groups_if_a_group_has_a_name(tmp_path):
    photos = tmp_path / "photos"
    for number in range(3):
        own_images.save(own_images.tile(GLAND, number), photos / f"slide {number // 2}" / f"{number}.png")
    images = [{"id": number, "file_name": f"slide {number // 2}/{number}.png"} for number in range(3)]
    annotations = own_images.coco()["annotations"][:3]
    path = own_images.write_coco(tmp_path / "boxes.json", images=images, annotations=annotations)
    rows = make(tmp_path / "out", images=photos, coco=path, groups="slide")
    assert sorted(row["group"] for row in rows) == ["slide 0", "slide 0", "slide 1"]
    assert read_description(tmp_path / "out").groups == "slide"


def test_a_box_that_ends_less_than_a_pixel_beyond_the_image_is_clipped(tmp_path):
    photos = own_images.flat_folder(tmp_path / "photos")
    annotations = [{"id": 1, "image_id": 0, "category_id": 7, "bbox": [-0.5, 10, 65, 20]}]
    path = own_images.write_coco(tmp_path / "boxes.json", annotations=annotations)
    (row,) = make(tmp_path / "out", images=photos, coco=path)
    assert row["bbox"][0]["points"] == {"x1": 0, "y1": 10, "x2": 64, "y2": 30}


def table_of_tiles(**columns: object) -> datasets.Dataset:
    tiles = [own_images.tile(name, number) for name in (GLAND, CELL) for number in range(3)]
    images = datasets.Dataset.from_dict({"img": tiles}, features=datasets.Features({"img": datasets.Image()}))
    for name, (values, feature) in columns.items():
        images = images.add_column(name, values).cast_column(name, feature)
    return images


@pytest.mark.parametrize("stored", ["parquet", "saved", "saved_splits", "arrow"])
def test_a_table_is_read_with_the_names_of_its_class_labels(tmp_path, stored):
    labels = ([1, 1, 1, 0, 0, 0], datasets.ClassLabel(names=[CELL, GLAND, "never seen"]))
    slides = ([1, 1, 2, 3, 3, 3], datasets.Value("int64"))
    table = table_of_tiles(label=labels, slide=slides)
    path = tmp_path / "table.parquet"
    if stored == "parquet":
        table.to_parquet(path)
    elif stored == "arrow":
        table.save_to_disk(tmp_path / "saved")
        path = next((tmp_path / "saved").glob("*.arrow"))
    else:
        path = tmp_path / "saved"
        (table if stored == "saved" else datasets.DatasetDict(test=table, train=table.select([0]))).save_to_disk(path)
    columns = ("image=img", "class=label", "group=slide")
    rows = make(tmp_path / "out", table=str(path), columns=columns, groups="slide")
    assert by_class(rows) == expected()
    assert sorted(row["group"] for row in rows) == ["1", "1", "2", "3", "3", "3"]
    assert read_description(tmp_path / "out").classes == [CELL, GLAND]


def test_every_question_offers_a_class_label_whose_name_is_in_another_unicode_form(tmp_path):
    composed, decomposed = "S\u00e4ule", "Sa\u0308ule"
    labels = ([1, 1, 1, 0, 0, 0], datasets.ClassLabel(names=[decomposed, GLAND]))
    table_of_tiles(label=labels).to_parquet(tmp_path / "table.parquet")
    rows = make(tmp_path / "out", table=str(tmp_path / "table.parquet"), columns=("image=img", "class=label"))
    assert {tuple(sorted(row["questions"]["classification"]["options"])) for row in rows} == {(composed, GLAND)}
    assert {row["label"] for row in rows} == {0, 1}


def test_a_data_set_in_the_hubs_cache_is_read_without_network(tmp_path, monkeypatch):
    snapshot = tmp_path / "cache"
    names = ([GLAND] * 3 + [CELL] * 3, datasets.Value("string"))
    table = table_of_tiles(**{"class": names})
    (snapshot / "data").mkdir(parents=True)
    table.to_parquet(snapshot / "data" / "test-00000-of-00001.parquet")
    table.select([0]).to_parquet(snapshot / "data" / "train-00000-of-00001.parquet")
    calls = []

    def snapshot_download(name, **options):
        calls.append((name, options))
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert by_class(make(tmp_path / "out", table="lab/tiles", columns=("image=img",))) == expected()
    assert calls == [("lab/tiles", {"repo_type": "dataset", "local_files_only": True})]


def test_nothing_that_a_model_or_reader_gets_names_the_file(tmp_path):
    rows = make(tmp_path / "out", images=own_images.class_folders(tmp_path / "photos"))
    assert {row["image"]["path"] for row in rows} == {None}
    assert all(len(row["image_id"]) == 32 and int(row["image_id"], 16) >= 0 for row in rows)
    # Sorted by a hash, the rows are not sorted by class.
    assert [row["image_id"] for row in rows] == sorted(row["image_id"] for row in rows)
    classes = [row["label_name"] for row in rows]
    assert classes not in (sorted(classes), sorted(classes, reverse=True))


def test_names_of_files_and_the_order_of_the_source_change_nothing(tmp_path):
    one = make(tmp_path / "one", images=own_images.class_folders(tmp_path / "photos"))
    labels = write_labels(tmp_path / "labels.csv", "file,class", *reversed(LABELS.splitlines()[1:]))
    other = make(tmp_path / "other", images=own_images.flat_folder(tmp_path / "flat"), labels=labels)
    assert one == other
    tables = [tmp_path / name / "data" / "test-00000-of-00001.parquet" for name in ("one", "other")]
    assert tables[0].read_bytes() == tables[1].read_bytes()


def test_the_overview_counts_what_was_read(tmp_path):
    photos = own_images.class_folders(tmp_path / "photos", 2)
    own_images.save(own_images.tile(CELL, 5).astype(np.uint16) * 200, photos / CELL / "deep.tif")
    for name in (".DS_Store", f"{GLAND}/._gland.png", f"{GLAND}/Thumbs.db"):
        (photos / name).write_bytes(b"x")
    (photos / "README.txt").write_text("notes")
    dataset = own_images.read(own_images.wanted(tmp_path / "out", images=photos), tmp_path)
    lines = overview.describe(dataset)
    assert lines[0] == "mine: 5 images of 2 classes, from a folder per class"
    assert f"{GLAND}       2" in lines and f"{CELL}       3" in lines
    assert "sizes       64 x 64 (5)" in lines
    # The micrograph of the cell has one channel, that of the glands three.
    assert "bit depths  8-bit color (2), 8-bit gray (2), 16-bit gray (1)" in lines
    notes = [line for line in lines if line.startswith("note: ")]
    assert any(note.startswith("note: 3 hidden file(s)") for note in notes)
    assert "note: 1 file(s) that are no images ignored, such as README.txt" in notes
    assert any(note.startswith("note: 5 images say little") for note in notes)


def test_classes_that_differ_in_more_than_what_is_shown_are_told(tmp_path):
    photos = tmp_path / "photos"
    for number in range(3):
        pixels = own_images.tile(GLAND, number)
        own_images.save(pixels, photos / "a" / f"{number}.png")
        own_images.save(pixels[:48], photos / "b" / f"{number}.jpg")
        own_images.save(pixels[:, :48], photos / "c" / f"{number}.tif")

    def told():
        lines = overview.describe(own_images.read(own_images.wanted(tmp_path / "out", images=photos), tmp_path))
        return [line.partition(" of the images")[0] for line in lines if "alone give the class" in line]

    assert told() == [f"note: the {what} alone give the class of 100 %" for what in ("sizes", "formats")]
    # One of ten images is like those of another class: 9 of 10 follow from the value.
    own_images.save(own_images.tile(GLAND, 9)[:48], photos / "c" / "9.jpg")
    assert told() == [f"note: the {what} alone give the class of 90 %" for what in ("sizes", "formats")]
    # With a second one, three images of class b and two of class c share a value: not even those of b are sure.
    own_images.save(own_images.tile(GLAND, 10)[:48], photos / "c" / "10.jpg")
    assert not told()


@pytest.mark.parametrize(
    ("classes", "values", "share"),
    [
        ("aabb", "1122", 1.0),
        # A value of its own tells nothing about the next image.
        ("aabb", "1234", 0.0),
        # Of three images with the value 1, the two of class a each have one other of a and one of b.
        ("aab", "111", 0.0),
        ("aaab", "1111", 0.75),
    ],
)
def test_a_value_tells_the_class_of_an_image_by_the_other_images_with_it(classes, values, share):
    assert overview._share_told(classes, values) == share


def test_the_next_commands_name_the_folder_and_the_task(tmp_path):
    photos = own_images.class_folders(tmp_path / "photos")
    dataset = own_images.read(own_images.wanted(tmp_path / "my out", images=photos), tmp_path)
    run, report = overview.next_commands(dataset)
    assert run.startswith(f"MICROBENCH_OWN='{tmp_path / 'my out'}' lmms_eval --model demo_clip --tasks")
    assert "--tasks microbench_own_mine " in run
    assert "microbench report" in report


def test_more_images_than_a_row_group_are_written(tmp_path):
    photos = tmp_path / "photos"
    random = np.random.default_rng(0)
    for number in range(230):
        own_images.save(
            random.integers(0, 256, (8, 8), dtype=np.uint8), photos / f"class {number % 2}" / f"{number}.png"
        )
    rows = make(tmp_path / "out", images=photos)
    stored = {own_images.pixels(row).tobytes() for row in rows}
    assert stored == {np.asarray(Image.open(path)).tobytes() for path in photos.rglob("*.png")}


def test_a_coco_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(own_images.coco()), encoding="utf-8-sig")
    assert len(make(tmp_path / "out", images=own_images.flat_folder(tmp_path / "photos"), coco=path)) == 6
