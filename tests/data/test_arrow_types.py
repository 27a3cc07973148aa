"""Claims about tables of other writers: every Arrow type for images, text or lists gives the same documents."""

import decimal

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbench_tasks import catalog
from microbench_tasks.data import (
    arrow_conversion,
    arrow_images,
    arrow_types,
    document_digest,
    documents,
    micrographs,
    resolved_data,
    table_rows,
)
from microbench_tasks.harness import preflight
from microbench_tasks.util.errors import DataError
from tests.support import release

ROWS = [
    release.row(index, "burgess_et_al_2024_contour", polygon=[release.instance("nucleus", [1, 2, 30, 20])])
    for index in range(5)
]
TABLE = release.table(ROWS).data.table.replace_schema_metadata(None)
CONTENTS = [row["image"]["bytes"] for row in ROWS]
TASKS = ("microbench_coarse_domain", "microbench_localization_synthetic_cells")


def structs(*fields, **values):
    return [{"bytes": content} | values for content in CONTENTS], pa.struct(fields)


NUMBERS = [list(content) for content in CONTENTS]
DICTIONARY = pa.dictionary(pa.int32(), pa.string())
IMAGES = {
    "binary": (CONTENTS, pa.binary()),
    "large binary": (CONTENTS, pa.large_binary()),
    "binary view": (CONTENTS, pa.binary_view()),
    "dictionary of bytes": (CONTENTS, pa.dictionary(pa.int32(), pa.binary())),
    "list of bytes": (NUMBERS, pa.list_(pa.uint8())),
    "large list of bytes": (NUMBERS, pa.large_list(pa.uint8())),
    "list view of bytes": (NUMBERS, pa.list_view(pa.uint8())),
    "list of wide integers": (NUMBERS, pa.list_(pa.int64())),
    "other order": structs(("path", pa.string()), ("bytes", pa.binary())),
    "extra field": structs(("bytes", pa.binary()), ("path", pa.string()), ("width", pa.int32()), width=32),
    "extra field first": structs(
        ("width", pa.int32()), ("bytes", pa.large_binary()), ("path", pa.large_string()), width=32
    ),
    "large fields": structs(("bytes", pa.large_binary()), ("path", pa.large_string())),
    "path of type null": structs(("bytes", pa.binary()), ("path", pa.null())),
    "bytes alone": structs(("bytes", pa.binary())),
    "views": structs(("bytes", pa.binary_view()), ("path", pa.string_view())),
    "path in a dictionary": structs(("bytes", pa.binary()), ("path", DICTIONARY), path="cell.png"),
    "list of bytes in a struct": (
        [{"bytes": numbers, "path": "cell.png"} for numbers in NUMBERS],
        pa.struct([("bytes", pa.list_(pa.uint8())), ("path", pa.string())]),
    ),
}


def with_image(values, stored):
    """Two chunks, as tables of some writers have."""
    column = pa.chunked_array([pa.array(values[:2], stored), pa.array(values[2:], stored)])
    return TABLE.set_column(TABLE.column_names.index("image"), "image", column)


def everywhere(change):
    """The table with a type changed at every depth, but in the image."""

    def changed(stored):
        stored = change(stored)
        if pa.types.is_struct(stored):
            return pa.struct([pa.field(field.name, changed(field.type)) for field in stored])
        if arrow_types.is_any_list(stored):
            return type_of_list(stored)(changed(stored.value_type))
        return stored

    return pa.table(
        {
            name: TABLE[name] if name == "image" else pa.array(TABLE[name].to_pylist(), changed(TABLE[name].type))
            for name in TABLE.column_names
        }
    )


def type_of_list(stored):
    return (
        pa.large_list if pa.types.is_large_list(stored) else pa.list_view if pa.types.is_list_view(stored) else pa.list_
    )


def texts_as(wanted):
    return everywhere(lambda stored: wanted if pa.types.is_string(stored) else stored)


OTHERS = {
    "large text": lambda: texts_as(pa.large_string()),
    "text views": lambda: texts_as(pa.string_view()),
    "text in dictionaries": lambda: texts_as(DICTIONARY),
    "large lists": lambda: everywhere(
        lambda stored: pa.large_list(stored.value_type) if pa.types.is_list(stored) else stored
    ),
    "list views": lambda: everywhere(
        lambda stored: pa.list_view(stored.value_type) if pa.types.is_list(stored) else stored
    ),
    "runs": lambda: TABLE.set_column(
        TABLE.column_names.index("dataset"),
        "dataset",
        pa.array(["burgess_et_al_2024_contour"] * 5, pa.run_end_encoded(pa.int32(), pa.string())),
    ),
    "a column of nulls": lambda: TABLE.set_column(TABLE.column_names.index("stain"), "stain", pa.nulls(5)),
    "decimal numbers": lambda: TABLE.set_column(
        TABLE.column_names.index("microns_per_pixel"),
        "microns_per_pixel",
        pa.array([decimal.Decimal("0.5")] * 5, pa.decimal128(5, 2)),
    ),
    "a map that nothing reads": lambda: TABLE.append_column(
        "notes", pa.array([[("by", "me")]] * 5, pa.map_(pa.string(), pa.string()))
    ),
}
FORMS = {
    name: lambda values=values, stored=stored: with_image(values, stored) for name, (values, stored) in IMAGES.items()
} | OTHERS


def write(folder, table, form):
    folder.mkdir()
    if form == "parquet":
        pq.write_table(table, folder / "test.parquet")
    else:
        opened = pa.ipc.new_stream if form == "stream" else pa.ipc.new_file
        with pa.OSFile(str(folder / "test.arrow"), "wb") as sink, opened(sink, table.schema) as writer:
            writer.write_table(table)
    return folder


@pytest.fixture(scope="module")
def expected():
    """Of the table as the release has it."""
    split = datasets.Dataset(datasets.table.InMemoryTable(TABLE), fingerprint="expected")
    return {name: document_digest.digest(documents.TaskDocuments(catalog.TASKS[name])(split, "data")) for name in TASKS}


@pytest.mark.parametrize("form", ["stream", "file", "parquet"])
@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_the_documents_are_the_same_whatever_the_types(make, form, tmp_path, use_source, expected):
    try:
        folder = write(tmp_path / "data", make(), form)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        pytest.skip("pyarrow writes no such file")
    use_source(folder)
    preflight.check(list(TASKS))
    split = micrographs.resolve().rows
    made = {name: documents.TaskDocuments(catalog.TASKS[name])(split, "data") for name in TASKS}
    assert {name: document_digest.digest(found) for name, found in made.items()} == expected
    assert made[TASKS[0]][1]["image"].size == (32, 24)
    assert table_rows.slice_values(split.data.table, "data") == {
        "modality": ["light microscopy"] * 5,
        "domain": ["pathology"] * 5,
        "microns_per_pixel": [0.5] * 5,
    }


@pytest.mark.parametrize(
    "name", ["large binary", "other order", "extra field", "large fields", "path of type null", "bytes alone", "binary"]
)
def test_images_whose_bytes_lie_in_a_row_are_mapped_where_they_are(name, tmp_path, use_source):
    use_source(write(tmp_path / "data", with_image(*IMAGES[name]), "stream"))
    split = micrographs.resolve().rows
    assert [entry["filename"] for entry in split.cache_files] == [str(tmp_path / "data" / "test.arrow")]
    column = arrow_images.image_column(split.data.table["image"])
    assert column.type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    stored = split.data.table["image"].chunk(0)
    stored = stored.field("bytes") if pa.types.is_struct(stored.type) else stored
    assert (
        next(document_digest._contents(column.chunk(0).field("bytes"))).address
        == next(document_digest._contents(stored)).address
    )


def test_other_tables_are_converted_once(tmp_path, use_source, monkeypatch):
    use_source(write(tmp_path / "data", with_image(*IMAGES["binary view"]), "stream"))
    [mapped] = micrographs.resolve().rows.cache_files
    assert mapped["filename"].startswith(f"{datasets.config.HF_DATASETS_CACHE}/microbench/")
    resolved_data.forget()
    monkeypatch.setattr(arrow_conversion, "rewrite", lambda *arguments: pytest.fail("converted again"))
    assert len(micrographs.resolve().rows) == 5


@pytest.mark.parametrize(
    ("values", "stored", "said"),
    [
        (["cell.png"] * 5, pa.string(), "column image is of type string; expected an image: encoded bytes"),
        ([None] * 5, pa.null(), "column image is of type null"),
        (list(range(5)), pa.int64(), "column image is of type int64"),
        ([[[0, 0], [0, 0]]] * 5, pa.list_(pa.list_(pa.uint8())), r"column image is of type list<.*; expected an image"),
        ([[0.5]] * 5, pa.list_(pa.float64()), r"column image is of type list<.*; expected an image"),
        (
            [{"path": "cell.png"}] * 5,
            pa.struct([("path", pa.string())]),
            r"column image is of type struct<path: string>; expected an image",
        ),
        ([[1, 2, 300]] * 5, pa.list_(pa.int32()), "cannot be loaded: ArrowInvalid: Integer value 300 not in range"),
        (
            [[1, 2, 3]] * 5,
            pa.list_(pa.uint8()),
            "column image: expected a readable image, got: 3 bytes in no known image format",
        ),
    ],
)
def test_a_column_that_holds_no_encoded_images_is_refused_by_its_type(values, stored, said, tmp_path, use_source):
    use_source(write(tmp_path / "data", with_image(values, stored), "stream"))
    with pytest.raises(DataError, match=rf"^MICROBENCH_DATASET={tmp_path}/data: .*{said}"):
        preflight.check([TASKS[0]])


def test_images_beyond_two_gigabytes_in_a_chunk_are_split_without_a_copy(monkeypatch):
    monkeypatch.setattr(arrow_images, "_MAX_BYTES", 10)
    contents = [b"1234", b"56789", None, b"", b"0123456789", b"x", b"larger than ten bytes"]
    column = pa.chunked_array([pa.array([b"before", *contents], pa.large_binary())[1:]])
    split = arrow_images.image_column(column)
    assert [value["bytes"] if value else None for value in split.to_pylist()] == contents
    assert [len(chunk) for chunk in split.chunks] == [4, 1, 1, 1]


# --- any type ---------------------------------------------------------------------------

texts = st.sampled_from([pa.string(), pa.large_string(), pa.string_view(), DICTIONARY])
types_of_columns = st.recursive(
    texts,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pa.struct([("x", pair[0]), ("y", pair[1])])),
        *(inner.map(make) for make in (pa.list_, pa.large_list, pa.list_view, lambda value: pa.list_(value, 2))),
    ),
    max_leaves=4,
)


def values_of(stored):
    if pa.types.is_struct(stored):
        made = st.fixed_dictionaries({field.name: values_of(field.type) for field in stored})
    elif pa.types.is_fixed_size_list(stored):
        made = st.lists(values_of(stored.value_type), min_size=2, max_size=2)
    elif arrow_types.is_any_list(stored):
        made = st.lists(values_of(stored.value_type), max_size=3)
    else:
        made = st.sampled_from(["", "a", "bc"])
    return st.none() | made


@given(st.data())
def test_conversion_keeps_every_value_and_leaves_plain_types_only(data):
    stored = data.draw(types_of_columns)
    column = pa.array(data.draw(st.lists(values_of(stored), max_size=5)), stored)
    part = column[data.draw(st.integers(0, len(column))) :]
    converted = arrow_conversion.to_plain(part)
    converted.validate(full=True)
    assert arrow_types.is_plain(converted.type)
    assert converted.to_pylist() == part.to_pylist()


def test_identifiers_of_an_extension_type_become_their_text():
    import uuid

    identifiers = [uuid.UUID(int=7), None]
    column = pa.array([identifiers[0].bytes, None], pa.uuid())
    assert arrow_conversion.to_plain(column).to_pylist() == [str(identifiers[0]), None]
    assert arrow_conversion.to_plain(pa.array(np.array([1, 0], np.int8), pa.int8())).to_pylist() == [1, 0]
