"""Claims about MICROBENCH_DATASET: every form it takes, and every way it can be wrong."""

import hashlib
import json
import os
from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from microbench_tasks import catalog
from microbench_tasks.data import micrographs, resolved_data
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util.errors import DataError
from tests.support import release

ROWS = [release.row(index) for index in range(6)]


def write_arrow_shards(folder, name="ubench-test-{index:05d}-of-00002.arrow", skip=()):
    """The release's own layout: Arrow streams under perception/0.1.0."""
    target = folder / "perception" / "0.1.0"
    target.mkdir(parents=True)
    for index, part in enumerate((ROWS[:2], ROWS[2:])):
        table = release.table(part).data.table
        if index not in skip:
            with (
                pa.OSFile(str(target / name.format(index=index)), "wb") as sink,
                pa.ipc.new_stream(sink, table.schema) as writer,
            ):
                writer.write_table(table)
    return folder


def write_arrow_file(folder):
    folder.mkdir()
    table = release.table(ROWS).data.table
    with pa.OSFile(str(folder / "test.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return folder


def save_dict(folder):
    datasets.DatasetDict({"test": release.table(ROWS), "train": release.table(ROWS[:1])}).save_to_disk(folder)
    return folder


def save_single(folder):
    release.table(ROWS).save_to_disk(folder)
    return folder


FORMS = {
    "hub snapshot": write_arrow_shards,
    "arrow file format": write_arrow_file,
    "parquet": lambda folder: release.write_parquet(folder, ROWS),
    "saved DatasetDict": save_dict,
    "saved Dataset": save_single,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_folder_gives_the_same_rows(form, tmp_path, use_source):
    use_source(FORMS[form](tmp_path / "data"))
    loaded = micrographs.resolve().rows
    assert loaded["image_id"] == [row["image_id"] for row in ROWS]
    assert loaded.cast_column("image", datasets.Image(decode=False))[3]["image"]["bytes"] == ROWS[3]["image"]["bytes"]


@pytest.mark.parametrize("form", FORMS)
def test_the_harness_loads_what_we_load(form, tmp_path, use_source):
    """The call is the one in lmms_eval/api/task.py, ConfigurableTask.download."""
    use_source(FORMS[form](tmp_path / "data"))
    assert yaml_values.DATASET_KWARGS == {"load_from_disk": True}
    loaded = datasets.load_from_disk(dataset_path=yaml_values.DATASET_PATH)
    assert loaded["test"]["image_id"] == [row["image_id"] for row in ROWS]


def test_arrow_streams_are_mapped_where_they_lie(tmp_path, use_source):
    folder = write_arrow_shards(tmp_path / "data")
    use_source(folder)
    files = {entry["filename"] for entry in micrographs.resolve().rows.cache_files}
    assert files == {str(file) for file in folder.rglob("*.arrow")}


def test_the_identity_is_the_hash_of_the_content(tmp_path, use_source):
    folder = write_arrow_shards(tmp_path / "data")
    use_source(folder)
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*.arrow"))]
    expected = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    assert micrographs.resolve().identity == {
        "source": "folder",
        "path": str(folder),
        "sha256": expected,
        "is_release": False,
    }


@pytest.mark.parametrize("form", ["parquet", "arrow file format"])
def test_changed_content_gives_other_rows_under_another_identity_even_at_the_same_time(
    form, tmp_path, use_source, monkeypatch
):
    """Copying tools keep a file's time; `datasets` alone would go on serving the old rows."""
    folder = FORMS[form](tmp_path / "data")
    [file] = folder.iterdir()
    os.utime(file, ns=(0, 10**18))
    use_source(folder)
    before = micrographs.resolve().identity["sha256"]
    assert len(micrographs.resolve().rows) == len(ROWS)
    monkeypatch.setattr(f"{__name__}.ROWS", ROWS[:2])
    file.unlink()
    folder.rmdir()
    FORMS[form](folder)
    os.utime(file, ns=(0, 10**18))
    assert len(micrographs.resolve().rows) == 2
    assert micrographs.resolve().identity["sha256"] != before


def test_the_release_is_recognised_by_its_checksums(tmp_path, use_source, monkeypatch):
    folder = write_arrow_shards(tmp_path / "data")
    hashes = tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*.arrow")))
    from microbench_tasks.catalog import pinned_release

    monkeypatch.setattr(pinned_release, "RELEASE_SHARDS", hashes)
    use_source(folder)
    assert micrographs.resolve().identity["is_release"]


def test_demo_is_recorded_with_its_version_seed_and_hash(demo_folder, use_source):
    use_source("demo")
    identity = yaml_values.METADATA["dataset"]
    assert identity["source"] == "demo"
    assert set(identity) == {"source", "version", "seed", "sha256"}
    assert micrographs.resolve().rows.num_rows >= 24 * 12


def test_metadata_names_version_of_tasks_and_project(use_source, demo_folder):
    from importlib.metadata import version

    use_source("demo")
    assert yaml_values.METADATA["version"] == catalog.TASK_VERSION
    assert yaml_values.METADATA["microbench_version"] == version("microbench-lmms")
    assert {name: yaml_values.METADATA["packages"][name] for name in ("torch", "lmms-eval")} == {
        name: version(name) for name in ("torch", "lmms-eval")
    }


def test_the_harness_may_empty_the_mapping_it_is_given(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", ROWS))
    yaml_values.DATASET_KWARGS.clear()
    assert yaml_values.DATASET_KWARGS == {"load_from_disk": True}


@pytest.mark.parametrize("value", ["", " ", "/no/such/folder", "Demo"])
def test_a_value_that_names_nothing_is_refused_with_the_choices(value, use_source):
    use_source(value)
    with pytest.raises(DataError, match="no such folder.*may be unset.*demo"):
        micrographs.resolve()


def test_a_file_is_refused(tmp_path, use_source):
    (tmp_path / "data.parquet").write_bytes(b"")
    use_source(tmp_path / "data.parquet")
    with pytest.raises(DataError, match="is a file"):
        micrographs.resolve()


def test_an_empty_folder_is_refused(tmp_path, use_source):
    use_source(tmp_path)
    with pytest.raises(DataError, match=r"contains no \.arrow or \.parquet files"):
        micrographs.resolve()


@pytest.mark.parametrize("number", [0, 1])
def test_a_partial_download_is_refused_by_the_missing_shard(number, tmp_path, use_source):
    use_source(write_arrow_shards(tmp_path / "data", skip=(number,)))
    with pytest.raises(DataError, match=rf"ubench-test should have 2 shards; missing number\(s\) {number}"):
        micrographs.resolve()


def test_shards_spread_over_two_folders_are_refused(tmp_path, use_source):
    folder = write_arrow_shards(tmp_path / "data")
    shard = next(folder.rglob("*00001-of*"))
    (folder / "perception" / "other").mkdir()
    shard.rename(folder / "perception" / "other" / shard.name)
    use_source(folder)
    with pytest.raises(DataError, match="several sets of shards"):
        micrographs.resolve()


@pytest.mark.parametrize("name", ["train-00000-of-00001.parquet", "latest-train.parquet", "validation.parquet"])
def test_files_of_other_splits_only_are_refused(name, tmp_path, use_source):
    release.table(ROWS).to_parquet(tmp_path / name)
    use_source(tmp_path)
    with pytest.raises(DataError, match=f"contains other splits only .{name}"):
        micrographs.resolve()


@pytest.mark.parametrize("name", ["cells[1]", "what?", "a*", "with space", "käse", "a,b=c", "100%"])
def test_other_unusual_names_work(name, tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / name, ROWS))
    assert len(micrographs.resolve().rows) == len(ROWS)


def test_a_home_that_does_not_exist_is_refused(use_source):
    use_source("~nosuchuser/data")
    with pytest.raises(
        DataError,
        match=(
            r"^MICROBENCH_DATASET=~nosuchuser/data: [^.]*home directory\. \(The plugin keeps its own files in .*; "
            r"XDG_CACHE_HOME moves that\.\)$"
        ),
    ):
        micrographs.resolve()


def test_a_snapshot_whose_link_points_nowhere_is_refused(tmp_path, use_source):
    folder = write_arrow_shards(tmp_path / "data")
    shard = next(folder.rglob("*00001-of*"))
    shard.unlink()
    shard.symlink_to(tmp_path / "blob")
    use_source(folder)
    with pytest.raises(DataError, match=r"missing file\(s\) .*00001-of-00002.arrow"):
        micrographs.resolve()


def test_two_kinds_of_files_are_refused(tmp_path, use_source):
    folder = write_arrow_shards(tmp_path / "data")
    release.write_parquet(folder / "perception", ROWS)
    use_source(folder)
    with pytest.raises(DataError, match="both Arrow and Parquet"):
        micrographs.resolve()


def test_a_saved_dict_without_the_split_is_refused(tmp_path, use_source):
    datasets.DatasetDict({"train": release.table(ROWS)}).save_to_disk(tmp_path / "data")
    use_source(tmp_path / "data")
    with pytest.raises(DataError, match=r"without a 'test' split; found \['train'\]"):
        micrographs.resolve()


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"_data_files": 3}', '{"_data_files": [{}]}', '{"_data_files": ["a"]}']
)
def test_a_torn_saved_folder_is_refused_by_its_file(content, tmp_path, use_source):
    folder = save_single(tmp_path / "data")
    (folder / "state.json").write_text(content)
    use_source(folder)
    with pytest.raises(DataError, match=r"state\.json: expected a file of save_to_disk, got \w+Error"):
        micrographs.resolve()


def test_a_surplus_shard_is_refused(tmp_path, use_source):
    folder = write_arrow_shards(tmp_path / "data")
    shard = next(folder.rglob("*00000-of*"))
    shard.with_name("ubench-test-00002-of-00002.arrow").write_bytes(shard.read_bytes())
    use_source(folder)
    with pytest.raises(DataError, match=r"ubench-test should have 2 shards; surplus number\(s\) 2"):
        micrographs.resolve()


def test_two_copies_of_the_data_are_refused(tmp_path, use_source):
    for name in ("one", "two"):
        release.write_parquet(tmp_path / name, ROWS)
    use_source(tmp_path)
    with pytest.raises(
        DataError, match="contains several sets of shards: .*/one/test .of 1., .*/two/test .of 1.. Expected one"
    ):
        micrographs.resolve()


def test_a_split_without_rows_is_refused(tmp_path, use_source):
    folder = tmp_path / "data"
    folder.mkdir()
    with (
        pa.OSFile(str(folder / "test.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, release.table(ROWS).data.table.schema) as writer,
    ):
        writer.write_table(release.table(ROWS).data.table.slice(0, 0))
    use_source(folder)
    with pytest.raises(DataError, match=f"MICROBENCH_DATASET={folder}: contains no rows"):
        len(micrographs.resolve().rows)


def test_a_torn_parquet_file_says_what_is_wrong(tmp_path, use_source):
    folder = release.write_parquet(tmp_path / "data", ROWS)
    file = next(folder.iterdir())
    file.write_bytes(file.read_bytes()[:-10])
    use_source(folder)
    with pytest.raises(DataError, match="cannot be loaded: .*00001.parquet is damaged or cut off .*[Pp]arquet"):
        len(micrographs.resolve().rows)


def test_a_parquet_file_that_is_torn_in_its_data_is_refused(tmp_path, use_source):
    folder = release.write_parquet(tmp_path / "data", ROWS)
    file = next(folder.iterdir())
    content = file.read_bytes()
    file.write_bytes(content[:4] + b"\xff" * 400 + content[404:])
    use_source(folder)
    with pytest.raises(DataError, match=f"^MICROBENCH_DATASET={folder}: cannot be loaded: "):
        len(micrographs.resolve().rows)


def test_a_disk_that_fills_up_while_files_are_converted_is_named(tmp_path, use_source, monkeypatch):
    def fill(*arguments):
        raise OSError(28, "No space left on device")

    use_source(release.write_parquet(tmp_path / "data", [release.row(77)]))
    monkeypatch.setattr(micrographs.tables.arrow_conversion, "rewrite", fill)
    with pytest.raises(
        DataError,
        match=(
            rf"cannot be converted into {datasets.config.HF_DATASETS_CACHE}/microbench/.*No space left on device. "
            r"Free some space there, or set HF_DATASETS_CACHE"
        ),
    ):
        micrographs.resolve()


def test_a_converted_table_that_was_changed_is_refused(tmp_path, use_source):
    """By its name it would stand in for the data that it was once made of."""
    use_source(release.write_parquet(tmp_path / "data", [release.row(78)]))
    [made] = micrographs.resolve().rows.cache_files
    resolved_data.forget()
    with open(made["filename"], "r+b") as file:
        file.seek(-20, 2)
        file.write(b"x")
    with pytest.raises(
        DataError,
        match=(
            rf"^MICROBENCH_DATASET={tmp_path}/data: {os.path.dirname(made['filename'])} has been changed since it "
            r"was written. Delete that folder and run again\.$"
        ),
    ):
        micrographs.resolve()


def test_a_view_that_was_made_to_name_other_files_is_refused(tmp_path, use_source):
    use_source(write_arrow_shards(tmp_path / "data"))
    view = micrographs.resolve().path
    resolved_data.forget()
    path = Path(view, "test", "state.json")
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"_data_files": state["_data_files"][:1]}))
    with pytest.raises(
        DataError, match=f"{view} has been changed since it was written. Delete that folder and run again"
    ):
        micrographs.resolve()


def test_streams_and_files_of_arrow_may_be_mixed(tmp_path, use_source):
    folder = write_arrow_file(tmp_path / "data")
    table = release.table(ROWS[:1]).data.table
    with pa.OSFile(str(folder / "test-2.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    use_source(folder)
    assert len(micrographs.resolve().rows) == len(ROWS) + 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path, use_source, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(micrographs.files, "cache_dir", lambda: tmp_path / "file" / "cache")
    use_source("demo")
    with pytest.raises(
        DataError,
        match=(
            rf"^MICROBENCH_DATASET=demo: .*[^.]\. \(The plugin keeps its own files in {tmp_path}/file/cache; "
            r"XDG_CACHE_HOME moves that\.\)$"
        ),
    ):
        micrographs.resolve()


def test_a_file_that_is_no_arrow_is_refused_by_name(tmp_path, use_source):
    (tmp_path / "test.arrow").write_bytes(b"garbage, but long enough to be looked at")
    use_source(tmp_path)
    with pytest.raises(DataError, match=f"MICROBENCH_DATASET={tmp_path}: cannot be loaded"):
        len(micrographs.resolve().rows)


def test_files_of_other_splits_and_of_the_library_are_passed_over(tmp_path, use_source):
    folder = release.write_parquet(tmp_path / "data", ROWS)
    release.table(ROWS[:1]).to_parquet(folder / "train-00000-of-00001.parquet")
    (folder / "cache-0123.arrow").write_bytes(b"left by datasets")
    (folder / "._test-00000-of-00001.parquet").write_bytes(b"left by macOS")
    use_source(folder)
    assert len(micrographs.resolve().rows) == len(ROWS)


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="DATASET_PATHS"):
        yaml_values.__getattr__("DATASET_PATHS")


def test_the_view_of_arrow_files_holds_no_copy(tmp_path, use_source):
    use_source(write_arrow_shards(tmp_path / "data"))
    view = micrographs.resolve().path
    state = json.loads(Path(view, "test", "state.json").read_text())
    assert [entry["filename"] for entry in state["_data_files"]] == sorted(
        str(file) for file in tmp_path.rglob("*.arrow")
    )


@pytest.mark.parametrize("name", ["cells[1]*?", "a::b", "käse 100%"])
def test_arrow_streams_are_mapped_in_folders_of_any_name(name, tmp_path, use_source):
    use_source(write_arrow_shards(tmp_path / name))
    assert len(micrographs.resolve().rows) == len(ROWS)
