"""Claims about ``docs/data-form.md``: its columns are the release's, and each form that it names is tried."""

from __future__ import annotations

import re
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microbench_tasks import catalog
from microbench_tasks.catalog import pinned_release
from microbench_tasks.catalog.release_columns import (
    IMAGE_COLUMNS,
    INSTANCE_COLUMNS,
    QUESTION_COLUMNS,
    READ_COLUMNS,
    SLICE_COLUMNS,
    release_features,
)
from microbench_tasks.data import document_digest, documents, micrographs
from microbench_tasks.harness import preflight
from microbench_tasks.util.errors import DataError
from tests.support import release

PAGE = (Path(__file__).parents[2] / "docs" / "data-form.md").read_text()
TASKS = ("microbench_coarse_domain", "microbench_fine_cell_morphology", "microbench_localization_synthetic_cells")
DATASETS = (
    "burgess_et_al_2024_contour",
    "burgess_et_al_2024_eccentricity",
    "burgess_et_al_2024_texture",
)
CORNERS = {"x1": 1.0, "x2": 30.0, "y1": 2.0, "y2": 20.0}
ROWS = [
    release.row(0, DATASETS[0], polygon=[release.instance("nucleus", [1.0, 2.0, 30.0, 20.0])]),
    release.row(1, DATASETS[1], bbox=[release.instance("nucleus", CORNERS)]),
    release.row(2, DATASETS[2], polygon=[release.instance("cell", [3.0, 4.0, 9.0, 12.0, 5.0, 6.0])]),
]
TABLE = release.table(ROWS).data.table.replace_schema_metadata(None)


def table_after(heading, number=0):
    """Return the cells of a table of a section, without the header; code marks are taken off."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    lines = tables[number].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


# --- columns -------------------------------------------------------------------------


def kind_of(feature):
    names = {"string": "text", "int64": "integer", "float64": "number", "bool": "true or false"}
    if isinstance(feature, datasets.Value):
        return names[feature.dtype]
    return "image" if isinstance(feature, datasets.Image) else "struct" if isinstance(feature, dict) else "list"


def test_the_pages_columns_are_the_releases_with_their_types():
    stated = {name: kind for name, kind, _, _ in table_after("Columns")}
    assert stated == {name: kind_of(feature) for name, feature in release_features().items()}


def test_the_page_says_of_each_column_whether_it_is_read_and_who_needs_it():
    needed = dict.fromkeys(IMAGE_COLUMNS, "every task")
    needed |= dict.fromkeys(QUESTION_COLUMNS, "questions")
    needed |= dict.fromkeys(INSTANCE_COLUMNS, "boxes: one of the two")
    for name, _, use, by in table_after("Columns"):
        assert by == needed.get(name, "–"), name
        assert use.startswith("not read") == (name not in READ_COLUMNS), name
        assert (use == "slices of the report") == (name in SLICE_COLUMNS), name


def test_the_pages_files_are_those_of_the_pinned_release():
    stated = [tuple(cells) for cells in table_after("When a copy counts as the release")]
    assert stated == list(zip(pinned_release.RELEASE_FILES, pinned_release.RELEASE_SHARDS, strict=True))


# --- forms that are read -----------------------------------------------------------------


def retyped(change, but=("image",)):
    """Return the table with a type changed at every depth, but in some columns."""

    def changed(stored):
        stored = change(stored)
        if pa.types.is_struct(stored):
            return pa.struct([pa.field(field.name, changed(field.type)) for field in stored])
        if pa.types.is_list(stored):
            return pa.list_(changed(stored.value_type))
        return stored

    columns = {
        name: TABLE[name] if name in but else pa.array(TABLE[name].to_pylist(), changed(TABLE[name].type))
        for name in TABLE.column_names
    }
    return pa.table(columns)


def texts_as(wanted):
    return retyped(lambda stored: wanted if pa.types.is_string(stored) else stored)


def lists_as(wanted):
    return retyped(lambda stored: wanted(stored.value_type) if pa.types.is_list(stored) else stored)


def with_column(name, values, stored=None):
    column = pa.array(values, stored)
    if name not in TABLE.column_names:
        return TABLE.append_column(name, column)
    return TABLE.set_column(TABLE.column_names.index(name), name, column)


def edited(name, edit):
    """Return the table with the values of a column changed, in the types that Arrow infers."""
    values = TABLE[name].to_pylist()
    for value in values:
        edit(value)
    return with_column(name, values)


CONTENTS = [row["image"]["bytes"] for row in ROWS]


def set_positions(value, convert):
    for fields in value.values():
        fields["answer_idx"] = convert(fields["answer_idx"])


def as_lists(value):
    for box in value or ():
        box["points"] = [box["points"][side] for side in ("x1", "y1", "x2", "y2")]


def as_integers(value):
    for polygon in value or ():
        polygon["points"] = [int(number) for number in polygon["points"]]


READ = {
    "text in other types": [
        lambda: texts_as(pa.large_string()),
        lambda: texts_as(pa.string_view()),
        lambda: texts_as(pa.dictionary(pa.int32(), pa.string())),
    ],
    "lists in other types": [lambda: lists_as(pa.large_list), lambda: lists_as(pa.list_view)],
    "the image as bytes alone": [
        lambda: with_column("image", CONTENTS, pa.binary()),
        lambda: with_column("image", CONTENTS, pa.large_binary()),
        lambda: with_column("image", CONTENTS, pa.binary_view()),
    ],
    "the image as a list of numbers": [lambda: with_column("image", [list(c) for c in CONTENTS], pa.list_(pa.uint8()))],
    "the image's path of type null": [
        lambda: with_column(
            "image",
            [{"bytes": content, "path": None} for content in CONTENTS],
            pa.struct([("bytes", pa.binary()), ("path", pa.null())]),
        )
    ],
    "positions as text or integer": [
        lambda: edited("questions", lambda value: set_positions(value, str)),
        lambda: edited("captions", lambda value: set_positions(value, int)),
    ],
    "points of a box as a list": [lambda: edited("bbox", as_lists)],
    "points of a polygon as integers": [lambda: edited("polygon", as_integers)],
    "a column of nulls": [lambda: with_column("stain", [None] * len(ROWS), pa.null())],
    "unused columns in any type": [
        lambda: with_column("pmid", [1, 2, None]),
        lambda: with_column("ncbitaxon_id", [["NCBITaxon_9606"]] * len(ROWS)),
        lambda: with_column("label", [[("a", "b")]] * len(ROWS), pa.map_(pa.string(), pa.string())),
    ],
    "unused columns missing": [
        lambda: TABLE.drop_columns([name for name in TABLE.column_names if name not in READ_COLUMNS])
    ],
    "further columns": [lambda: with_column("plate", ["A1", "A2", "A3"])],
    "Arrow streams, Arrow files and Parquet": [lambda: TABLE],
}


def write(folder, table, form="parquet"):
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
    """Return the digest of each task's documents, of the table as the release has it."""
    split = datasets.Dataset(datasets.table.InMemoryTable(TABLE), fingerprint="expected")
    return {name: document_digest.digest(documents.TaskDocuments(catalog.TASKS[name])(split, "data")) for name in TASKS}


def test_every_form_of_the_page_is_tried_here():
    assert [form for form, _ in table_after("Other forms that are read")] == list(READ)
    assert [form for form, _ in table_after("What is refused")] == list(REFUSED)


@pytest.mark.parametrize("form", ["stream", "file", "parquet"])
@pytest.mark.parametrize("make", [make for makes in READ.values() for make in makes])
def test_a_form_of_the_page_gives_the_same_documents(make, form, tmp_path, use_source, expected):
    try:
        folder = write(tmp_path / "data", make(), form)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        pytest.skip("pyarrow writes no such file")
    use_source(folder)
    preflight.check(list(TASKS))
    split = micrographs.resolve().rows
    made = {name: document_digest.digest(documents.TaskDocuments(catalog.TASKS[name])(split, "data")) for name in TASKS}
    assert made == expected


# --- forms that are refused ----------------------------------------------------------------


def first_row(**changes):
    return release.table([ROWS[0] | changes, *ROWS[1:]]).data.table.replace_schema_metadata(None)


def with_question(**changes):
    asked = release.question("domain", 0) | changes
    return first_row(questions=ROWS[0]["questions"] | {"domain": asked})


def with_captions(options):
    stated = release.caption("domain", 1, 0) | {"options": options}
    return first_row(captions=ROWS[0]["captions"] | {"domain_1": stated})


REFUSED = {
    "a needed column is missing": lambda: TABLE.drop_columns(["stain"]),
    "the image as a path alone": lambda: with_column(
        "image",
        [{"bytes": None, "path": "cell.png"}] * len(ROWS),
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    ),
    "the image as text": lambda: with_column("image", ["cell.png"] * len(ROWS)),
    "a row without a known dataset": lambda: first_row(dataset=None, stain="DAPI"),
    "an answer that is no option": lambda: with_question(answer="botany"),
    "a position of another option": lambda: with_question(answer_idx=1),
    "captions that are not one for each option": lambda: with_captions(["A pathology micrograph."]),
    "points of a polygon not in pairs": lambda: first_row(polygon=[release.instance("nucleus", [1.0, 2.0, 3.0])]),
}


@pytest.mark.parametrize("form", list(REFUSED))
def test_what_the_page_says_is_refused_is_refused_with_its_words(form, tmp_path, use_source):
    message = dict(table_after("What is refused"))[form]
    use_source(write(tmp_path / "data", REFUSED[form]()))
    with pytest.raises(DataError, match=re.escape(message)):
        preflight.check(list(TASKS))


def test_rows_of_held_et_al_get_their_dataset_from_the_stain(tmp_path, use_source):
    """The two stains of the page, as it writes them."""
    named = re.findall(r"`([^`]+)` (?:\([^)]*\) )?is\s+`(held_[^`]+)`", PAGE)
    rows = [release.row(number, None, stain=stain) for number, (stain, _) in enumerate(named)]
    use_source(release.write_parquet(tmp_path / "data", rows))
    split = micrographs.resolve().rows
    found = documents.TaskDocuments(catalog.TASKS["microbench_fine_cell_phenotype"])(split, "data")
    assert [(doc["image_id"], doc["dataset"]) for doc in found] == [
        (row["image_id"], dataset) for row, (_, dataset) in zip(rows, named, strict=True)
    ]
    assert {dataset for _, dataset in named} == {"held_et_al_2010_h2b", "held_et_al_2010_galt"}
