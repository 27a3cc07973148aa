"""Claims about the digest of what a task asks about."""

import datetime
import decimal
import hashlib
import io
import json
import os

import datasets
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from microbench_tasks import catalog
from microbench_tasks.data import document_digest, documents
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util.errors import DataError
from tests.support import release

ROWS = [release.row(index, ("acevedo_et_al_2020", "jung_et_al_2022")[index % 2]) for index in range(6)]
TASK = catalog.TASKS["microbench_coarse_domain"]


def documents_of(split, task=TASK):
    return documents.TaskDocuments(task)(split, "data")


@pytest.fixture(scope="module")
def original():
    return documents_of(release.table(ROWS))


def test_the_digest_covers_every_column_but_the_machine_s_own_in_order(original):
    """The oracle builds each line from the documents as `datasets` shows them."""
    total = hashlib.sha256(b"microbench documents 1\n")
    for document in original.cast_column("image", datasets.Image(decode=False)):
        document["image"] = {"sha256": hashlib.sha256(document["image"]["bytes"]).hexdigest()}
        del document["image_key"]
        total.update(json.dumps(document, sort_keys=True).encode() + b"\n")
    assert document_digest.digest(original) == {"sha256": total.hexdigest(), "num_documents": 6}


def as_chunks(split, tmp_path):
    return datasets.concatenate_datasets([split.select(range(start, start + 2)) for start in (0, 2, 4)])


def as_parquet(split, tmp_path):
    split.to_parquet(tmp_path / "test.parquet")
    return datasets.load_dataset(
        "parquet", data_files={"test": str(tmp_path / "test.parquet")}, split="test", cache_dir=str(tmp_path / "cache")
    )


def as_saved(split, tmp_path):
    split.save_to_disk(tmp_path / "saved")
    return datasets.load_from_disk(tmp_path / "saved")


def as_selected(split, tmp_path):
    return split.select([5, 4, 3, 2, 1, 0]).select([5, 4, 3, 2, 1, 0])


@pytest.mark.parametrize("form", [as_chunks, as_parquet, as_saved, as_selected])
def test_the_form_of_the_data_does_not_matter(form, original, tmp_path):
    assert document_digest.digest(documents_of(form(release.table(ROWS), tmp_path))) == document_digest.digest(original)


STORED = [
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.binary(5),
    pa.struct([("path", pa.null()), ("bytes", pa.large_binary())]),
    pa.struct([("bytes", pa.binary_view())]),
]


@pytest.mark.parametrize("stored", STORED, ids=str)
def test_the_type_of_the_image_column_does_not_matter(stored):
    contents = [b"zeroth", b"first", None, b"third"] if stored != pa.binary(5) else [b"zeros", b"first", None, b"third"]
    values = [content and {"bytes": content} for content in contents] if pa.types.is_struct(stored) else contents
    sliced = pa.array(values, stored)[1:]
    hashes = [content and {"sha256": hashlib.sha256(content).hexdigest()} for content in contents[1:]]
    assert document_digest._is_image(stored)
    assert document_digest._stored_images(pa.chunked_array([sliced, sliced[:1], sliced[:0]]), range(4)) == dict(
        enumerate([*hashes, hashes[0]])
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[3].update(image=ROWS[2]["image"]),
        lambda rows: rows[3]["questions"]["domain"].update(question="Which field?"),
        lambda rows: rows[3]["captions"]["domain_1"]["options"].__setitem__(0, "another caption"),
        lambda rows: rows[3].update(image_id="another"),
        lambda rows: rows.reverse(),
        lambda rows: rows.pop(),
    ],
    ids=["image", "question", "caption", "image id", "order", "number"],
)
def test_whatever_is_asked_differently_changes_the_digest(change, original):
    rows = [release.row(index, ROWS[index]["dataset"]) for index in range(6)]
    change(rows)
    assert (
        document_digest.digest(documents_of(release.table(rows)))["sha256"]
        != document_digest.digest(original)["sha256"]
    )


def test_what_the_task_does_not_ask_about_changes_nothing(original):
    rows = [release.row(index, ROWS[index]["dataset"], label_name="x", bbox=None) for index in range(6)]
    rows[1]["questions"]["stain"]["question"] = "Which stain?"
    assert document_digest.digest(documents_of(release.table(rows))) == document_digest.digest(original)


def test_each_image_is_hashed_once_for_all_tasks(tmp_path, monkeypatch):
    split = as_parquet(release.table(ROWS), tmp_path)
    hashed = []
    monkeypatch.setattr(document_digest, "_image_hashes", {})
    monkeypatch.setattr(document_digest, "_hash_all", lambda job: hashed.extend(job) or ["0" * 64] * len(job))
    for kind in ("domain", "stain", "modality"):
        document_digest.digest(documents_of(split, catalog.TASKS[f"microbench_coarse_{kind}"]))
    assert len(hashed) == 6


def test_the_harness_s_own_loading_of_the_data_hashes_no_image_again(tmp_path, use_source, monkeypatch):
    """As in a run: the harness loads the data for each task, and hands them to the task's `process_docs`."""
    use_source(release.write_parquet(tmp_path / "data", ROWS))
    hashed = []
    monkeypatch.setattr(document_digest, "_image_hashes", {})
    monkeypatch.setattr(document_digest, "_hash_all", lambda job: hashed.extend(job) or ["0" * 64] * len(job))
    for kind in ("domain", "stain"):
        loaded = datasets.load_from_disk(yaml_values.DATASET_PATH)["test"]
        document_digest.digest(documents.TaskDocuments(catalog.TASKS[f"microbench_coarse_{kind}"])(loaded))
    assert len(hashed) == 6


def test_data_in_place_of_the_setting_s_are_what_is_asked_about(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", ROWS))
    other = release.table([release.row(index, "jung_et_al_2022") for index in range(10, 13)])
    made = documents.TaskDocuments(TASK)(other)
    assert made["image_id"] == [release.row(index)["image_id"] for index in range(10, 13)]
    broken = release.table([release.row(1, "unknown")])
    with pytest.raises(
        DataError,
        match=rf"^the data of microbench_coarse_domain, which are not those of MICROBENCH_DATASET={tmp_path}/data: "
        rf"microbench_coarse_domain has nothing to ask",
    ):
        documents.TaskDocuments(TASK)(broken)
    use_source(tmp_path / "nowhere")
    with pytest.raises(
        DataError, match="^the data of microbench_coarse_domain: microbench_coarse_domain has nothing to ask"
    ):
        documents.TaskDocuments(TASK)(broken)


# --- documents of a user's own task -----------------------------------------------------


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def images(*shades, **feature):
    contents = [{"bytes": png(np.full((4, 6, 3), shade, np.uint8)), "path": None} for shade in shades]
    return datasets.Dataset.from_list(
        [{"image": content} for content in contents], features=datasets.Features(image=datasets.Image(**feature))
    )


def test_what_is_no_file_counts_by_its_path_and_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    feature = datasets.Features(image=datasets.Image())
    digests = [
        document_digest.digest(
            datasets.Dataset.from_list([{"image": {"bytes": None, "path": str(path)}}], features=feature)
        )
        for path in (tmp_path / "pipe", "/dev/zero", tmp_path / "missing")
    ]
    assert len({digest["sha256"] for digest in digests}) == 3


def blackened(batch):
    return {"image": [Image.new("RGB", image.size) for image in batch["image"]]}


def test_images_that_a_transform_changes_on_reading_change_the_digest():
    stored = images(10, 20)
    shown = stored.with_transform(blackened)
    assert document_digest.digest(shown) == document_digest.digest(images(30, 40).with_transform(blackened))
    assert document_digest.digest(shown)["sha256"] != document_digest.digest(stored)["sha256"]


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.cast_column("image", datasets.Image(mode="L")),
        lambda stored: stored.with_format("numpy"),
        lambda stored: stored.with_format(None, columns=[]),
        lambda stored: stored.with_transform(lambda batch: 1 / 0),
    ],
    ids=["mode", "format", "hidden columns", "broken transform"],
)
def test_documents_that_are_not_shown_as_stored_have_another_digest(change):
    assert document_digest.digest(change(images(10, 20)))["sha256"] != document_digest.digest(images(10, 20))["sha256"]


def test_a_subclass_is_read_as_a_model_reads_it():
    class Swapped(datasets.Dataset):
        def __getitem__(self, key):
            return super().__getitem__(1 - key)

    stored = images(10, 20)
    swapped = Swapped(stored.data, info=stored.info, fingerprint="x")
    assert document_digest.digest(swapped)["sha256"] != document_digest.digest(stored)["sha256"]


def test_an_image_named_by_its_path_counts_by_its_content(tmp_path):
    def on_disk(name, shade):
        (tmp_path / name).write_bytes(png(np.full((4, 6, 3), shade, np.uint8)))
        return datasets.Dataset.from_dict(
            {"image": [str(tmp_path / name)]}, features=datasets.Features(image=datasets.Image())
        )

    assert (
        document_digest.digest(on_disk("a.png", 10))
        == document_digest.digest(on_disk("b.png", 10))
        == document_digest.digest(images(10))
    )
    assert document_digest.digest(on_disk("c.png", 20))["sha256"] != document_digest.digest(images(10))["sha256"]
    missing = on_disk("d.png", 10)
    (tmp_path / "d.png").unlink()
    assert document_digest.digest(missing)["num_documents"] == 1


ODD = {
    "no column at all": {},
    "no image": {"question": ["a", "b"]},
    "half a character": {"question": ["\N{GRINNING FACE}", None]},
    "numbers": {"value": [float("nan"), float("inf")]},
    "dates": {"value": [datetime.datetime(2020, 1, 2), datetime.datetime(2021, 1, 2)]},
    "durations": {"value": [datetime.timedelta(1), datetime.timedelta(2)]},
    "decimals": {"value": [decimal.Decimal("1.5"), decimal.Decimal("2.5")]},
    "bytes in lists": {"value": [[b"a"], [b"b", None]]},
    "a struct with bytes and more": {"value": [{"bytes": b"a", "label": 1}, {"bytes": b"a", "label": 2}]},
}


@pytest.mark.parametrize("columns", ODD.values(), ids=ODD)
def test_odd_documents_have_a_digest_that_tells_their_values_apart(columns):
    whole = datasets.Dataset.from_dict(columns)
    assert document_digest.digest(whole)["num_documents"] == len(whole)
    if len(whole):
        swapped = datasets.Dataset.from_dict({name: values[::-1] for name, values in columns.items()})
        assert document_digest.digest(swapped)["sha256"] != document_digest.digest(whole)["sha256"]


def test_values_that_python_cannot_represent_have_different_digests():
    def stored(*days):
        return datasets.Dataset(
            datasets.table.InMemoryTable(pa.table({"day": pa.array(days, pa.int64()).cast(pa.timestamp("s"))})),
            fingerprint="x",
        )

    late = 10**15
    assert document_digest.digest(stored(1, late))["sha256"] != document_digest.digest(stored(1, late + 1))["sha256"]
    assert document_digest.digest(stored(1, late)) == document_digest.digest(stored(1, late))


def test_arrays_have_a_digest():
    arrays = datasets.Dataset.from_dict(
        {"x": np.arange(8).reshape(2, 2, 2)}, features=datasets.Features(x=datasets.Array2D((2, 2), "int64"))
    )
    assert document_digest.digest(arrays)["num_documents"] == 2
    assert document_digest.digest(arrays)["sha256"] != document_digest.digest(arrays.select([1, 0]))["sha256"]


@pytest.mark.parametrize(
    "shown",
    [
        {("a", 1): "tuple as key"},
        {"value": object},
        {"value": np.array([None, "text"], dtype=object)},
        {"value": {1: 2, "a": 3}},
    ],
    ids=["key", "class", "objects", "mixed keys"],
)
def test_a_transform_may_show_anything(shown):
    stored = images(10, 20)
    odd = stored.with_transform(lambda batch: {name: [value] * 2 for name, value in shown.items()})
    assert document_digest.digest(odd)["num_documents"] == 2
    assert document_digest.digest(odd)["sha256"] != document_digest.digest(stored)["sha256"]
