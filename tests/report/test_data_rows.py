"""Claims about the data behind a report: found, checked, or left out with a reason."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from microbench_tasks.data import table_rows
from microbench_tasks.report import (
    data_rows,
    runs,
    slices,
    writing,
)
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import no_progress
from tests.support import release, tiny_runs
from tests.support.report_runs import (
    ALL_IN_ONE,
    Parsed,
    parts_of,
)


def test_without_the_runs_data_slices_and_examples_are_left_out_and_it_is_said_what_to_set(
    brief, monkeypatch, tmp_path
):
    monkeypatch.setenv("MICROBENCH_DATASET", str(release.write_parquet(tmp_path / "another", [release.row(1)])))
    report = writing.write([brief], tmp_path / "out", 2, 0, ALL_IN_ONE)
    record = json.loads((report.folder / "report.json").read_text())
    assert [section["title"] for section in record["chapters"] if section["title"] == "Examples"] == []
    assert {picture["name"] for picture in parts_of(record, "picture") if picture["name"].startswith("slice-")} == {
        "slice-pathology-fine"
    }
    said = " ".join(report.left_out)
    assert (
        "Left out: slices by modality, domain and scale and examples" in said
        and f"The run recorded MICROBENCH_DATASET={brief.parent / 'data'}: type this in front of the command." in said
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
    [found], _ = runs.read([bare], no_progress)
    rows = data_rows.read([found])
    assert rows.perception is None
    assert "has no image acevedo_et_al_2020/" in rows.missing[0] and "and 3 more" in rows.missing[0]


def test_a_copy_without_a_column_has_no_slices_by_it(run, data, monkeypatch, tmp_path):
    table = pq.read_table(next(data.glob("*.parquet"))).drop_columns(["domain", "microns_per_pixel"])
    pq.write_table(table, tmp_path / "test.parquet")
    monkeypatch.setenv("MICROBENCH_DATASET", str(tmp_path))
    unrecorded = runs.Run(run.label, run.name, run.rescored, dict.fromkeys(run.sources))
    assert slices.row_dimensions(data_rows.read([unrecorded]).perception).keys() == {"modality"}


def test_without_a_run_no_data_are_looked_for(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "/no/such/folder")
    assert data_rows.read([]) == data_rows.Data({}, ())


def test_a_column_of_another_type_is_named(data, tmp_path):
    table = pq.read_table(next(data.glob("*.parquet")))
    wrong = table.set_column(table.column_names.index("modality"), "modality", [list(range(len(table)))])
    with pytest.raises(DataError, match="somewhere: column modality is of type int64; expected text"):
        table_rows.slice_values(wrong, "somewhere")
