"""Claims about MICROBENCH_COGNITION: where the cognition questions come from, and what is recorded of them."""

import json
import os
import re

import datasets
import numpy as np
import pytest
from PIL import Image

from microbench_tasks import catalog
from microbench_tasks.data import cognition, micrographs, resolved_data
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError
from tests.support import release
from tests.support.cognition_folder import ASKED, documents, edit, question


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("MICROBENCH_COGNITION", raising=False)
    monkeypatch.delenv("MICROBENCH_DATASET", raising=False)


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """A cache that cannot be made: a file is in its place."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(files, "cache_dir", lambda: tmp_path / "file" / "cache")
    return tmp_path / "file" / "cache"


# --- a folder ------------------------------------------------------------------------


def test_a_document_holds_a_question_and_captions_of_question_and_option(written):
    document = documents()[0]
    document.pop("image"), document.pop("image_key")
    options = ["actin", "tubulin", "collagen", "keratin", "lamin", "None of the above"]
    assert document == {
        "image_id": "cell.png",
        "dataset": "cognition",
        "kind": "cognition",
        "question": "Which protein is stained?",
        "options": options,
        "answer_idx": 3,
        "captions": [
            "Which protein is stained? actin",
            "Which protein is stained? tubulin",
            "Which protein is stained? collagen",
            "Which protein is stained? keratin",
            "Which protein is stained? lamin",
            "Which protein is stained? None of the above",
        ],
    }


def test_all_questions_of_all_files_are_asked_in_order(written):
    found = documents()
    assert list(zip(found["image_id"], found["question"], found["answer_idx"], strict=False)) == [
        ("cell.png", "Which protein is stained?", 3),
        ("cell.png", "Which is absent?", 5),
        ("pollen.png", "Which protein is stained?", 1),
    ]
    assert found[2]["captions"] == ["Which protein is stained? yes", "Which protein is stained? no"]


def test_images_are_those_of_the_files(written):
    for document in documents():
        assert document["image"].tobytes() == Image.open(written / document["image_id"]).tobytes()
        assert document["image"].size == Image.open(written / document["image_id"]).size


def test_questions_about_one_image_share_its_key(written):
    first, second, third = documents()["image_key"]
    assert first == second != third


def test_two_files_may_ask_about_one_image(written):
    (written / "more.json").write_text((written / "cell.json").read_text())
    found = documents()
    assert found["image_id"] == ["cell.png", "cell.png", "cell.png", "cell.png", "pollen.png"]
    assert len(set(found["image_key"])) == 2


def test_other_files_in_the_folder_are_passed_over(written):
    (written / "notes.txt").write_text("not a question")
    (written / "unused.png").write_bytes(b"not an image")
    assert len(documents()) == 3


@pytest.mark.parametrize("level", [".", "cognition", "cognition/test"])
def test_the_folder_may_be_named_at_any_level(level, written, tmp_path, use_cognition):
    use_cognition(tmp_path / level)
    assert len(documents()) == 3


def test_a_home_folder_is_expanded(written, tmp_path, use_cognition, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    use_cognition("~/cognition")
    assert len(documents()) == 3


@pytest.mark.parametrize("level", [".", "cognition"])
def test_the_only_split_is_taken_whatever_it_is_called(level, written, tmp_path, use_cognition):
    written.rename(tmp_path / "cognition" / "validation")
    use_cognition(tmp_path / level)
    assert len(documents()) == 3


def test_of_several_splits_the_benchmarks_is_taken(written, tmp_path):
    release.write_cognition(tmp_path / "cognition" / "dev", {"other.png": [release.cognition_question()]})
    assert set(documents()["image_id"]) == set(ASKED)


def test_several_splits_without_the_benchmarks_are_refused_unless_one_is_named(written, tmp_path, use_cognition):
    written.rename(tmp_path / "cognition" / "validation")
    release.write_cognition(tmp_path / "cognition" / "dev", {"other.png": [release.cognition_question()]})
    with pytest.raises(
        DataError,
        match=(
            f"MICROBENCH_COGNITION={tmp_path}: contains several splits: dev, validation, and none called test. Name "
            "the folder of one."
        ),
    ):
        cognition.resolve()
    use_cognition(tmp_path / "cognition" / "dev")
    assert documents()["image_id"] == ["other.png"]


@pytest.mark.parametrize(
    ("name", "said"), [("missing", "no such folder"), ("file", "no such folder"), ("empty", "contains no JSON files")]
)
def test_a_folder_without_questions_is_refused_with_the_layout(name, said, tmp_path, use_cognition):
    (tmp_path / "file").write_text("{}")
    (tmp_path / "empty").mkdir()
    use_cognition(tmp_path / name)
    with pytest.raises(
        DataError,
        match=f"MICROBENCH_COGNITION={tmp_path}/{name}: {said}. Expected a folder cognition/<split> of JSON files",
    ):
        cognition.resolve()


def test_files_that_ask_nothing_are_refused(written):
    for path in written.glob("*.json"):
        edit(path, lambda content: content["custom_metadata"].update(questions={}))
    with pytest.raises(DataError, match="none of 2 JSON files asks a question"):
        cognition.resolve()


def test_a_home_folder_that_does_not_exist_is_refused_by_name(use_cognition):
    use_cognition("~no_such_user/cognition")
    with pytest.raises(
        DataError,
        match=(
            r"^MICROBENCH_COGNITION=~no_such_user/cognition: [^.]*home directory\. \(The plugin keeps its own files "
            r"in .*\) Expected a folder cognition/<split>"
        ),
    ):
        cognition.resolve()


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_setting_is_refused_even_where_the_working_folder_has_questions(
    value, written, tmp_path, use_cognition, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    use_cognition(".")
    assert len(documents()) == 3
    use_cognition(value)
    with pytest.raises(
        DataError, match=f"^MICROBENCH_COGNITION={value}: no such folder. Expected a folder cognition/<split>"
    ):
        cognition.resolve()


def test_a_cache_that_cannot_be_written_is_named(written, tmp_path, no_cache):
    with pytest.raises(
        DataError,
        match=(
            rf"^MICROBENCH_COGNITION={tmp_path}: .*[^.]\. \(The plugin keeps its own files in {no_cache}; "
            r"XDG_CACHE_HOME moves that\.\) Expected a folder cognition/<split>"
        ),
    ):
        cognition.resolve()


# --- what results record -------------------------------------------------------------


def test_results_record_folder_and_content(written, tmp_path):
    recorded = yaml_values.COGNITION_METADATA["dataset"]
    assert set(recorded) == {"source", "path", "sha256"}
    assert (recorded["source"], recorded["path"]) == ("folder", str(tmp_path))
    assert re.fullmatch("[0-9a-f]{64}", recorded["sha256"])
    assert recorded == cognition.resolve().identity
    assert yaml_values.COGNITION_METADATA["version"] == catalog.TASK_VERSION


def test_the_same_content_elsewhere_has_the_same_hash(written, tmp_path, use_cognition):
    first = cognition.resolve().identity
    written.parent.rename(tmp_path / "copy")
    use_cognition(tmp_path / "copy")
    assert cognition.resolve().identity == first | {"path": str(tmp_path / "copy")}


def swap_images(folder):
    contents = [(folder / name).read_bytes() for name in ASKED]
    for name, content in zip(ASKED, reversed(contents), strict=False):
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: edit(folder / "cell.json", lambda content: question(content).update(question="Which is there?")),
        lambda folder: edit(folder / "cell.json", lambda content: question(content).update(answer="actin")),
        lambda folder: (folder / "cell.png").write_bytes((folder / "pollen.png").read_bytes()),
        swap_images,
        lambda folder: (folder / "pollen.json").unlink(),
    ],
    ids=["question", "answer", "image", "swapped images", "fewer files"],
)
def test_changed_content_is_another_source(change, written):
    before, shown = cognition.resolve(), [document["image"].tobytes() for document in documents()]
    asked = documents().remove_columns(["image", "image_key"]).to_list()
    change(written)
    after = cognition.resolve()
    assert after.identity["sha256"] != before.identity["sha256"]
    found = documents()
    assert (
        found.remove_columns(["image", "image_key"]).to_list(),
        [document["image"].tobytes() for document in found],
    ) != (asked, shown)


def test_changed_content_has_other_image_keys(written):
    before = documents()["image_key"]
    swap_images(written)
    assert not set(documents()["image_key"]) & set(before)


def test_unchanged_content_is_the_same_source(written):
    first = cognition.resolve()
    assert cognition.resolve() == first


def test_a_kept_table_that_was_changed_is_refused(written):
    cognition.resolve()
    [table] = (files.cache_dir() / "cognition").glob(
        f"*-{yaml_values.COGNITION_METADATA['dataset']['sha256'][:16]}/*.parquet"
    )
    table.write_bytes(table.read_bytes().replace(b"Which", b"Witch"))
    resolved_data.forget()
    with pytest.raises(
        DataError, match=f"{table.parent} has been changed since it was written. Delete that folder and run again"
    ):
        cognition.resolve()
    table.unlink()
    with pytest.raises(DataError, match="has been changed"):
        cognition.resolve()
    (table.parent / "test.parquet.sha256").unlink()
    table.parent.rmdir()
    assert len(documents()) == 3


def test_the_harness_loads_what_we_load(written):
    """The call is the one in lmms_eval/api/task.py, ConfigurableTask.download."""
    loaded = datasets.load_from_disk(dataset_path=yaml_values.COGNITION_PATH)
    assert yaml_values.DATASET_KWARGS == {"load_from_disk": True}
    assert loaded["test"]["image_id"] == ["cell.png", "cell.png", "pollen.png"]


# --- beside the images ---------------------------------------------------------------


def test_questions_come_with_a_folder_of_images(tmp_path, use_source):
    release.write_parquet(tmp_path / "data" / "perception", [release.row(0)])
    release.write_cognition(tmp_path / "data" / "cognition" / "test", ASKED)
    use_source(tmp_path / "data")
    found = cognition.resolve()
    assert found.label == f"MICROBENCH_DATASET={tmp_path}/data, cognition"
    assert found.identity["path"] == str(tmp_path / "data")
    assert len(documents()) == 3
    assert len(micrographs.resolve().rows) == 1


def test_their_own_setting_comes_first(written, tmp_path, use_source):
    release.write_cognition(tmp_path / "data" / "cognition" / "test", {"other.png": [release.cognition_question()]})
    use_source(tmp_path / "data")
    assert set(documents()["image_id"]) == set(ASKED)


def test_a_folder_of_images_alone_has_none(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    with pytest.raises(
        DataError,
        match=(
            f"MICROBENCH_DATASET={tmp_path}/data: has no folder cognition. The cognition questions are not in the "
            "public release. Set MICROBENCH_COGNITION to a folder"
        ),
    ):
        cognition.resolve()


@pytest.mark.parametrize("value", ["", " ", "/no/such/folder", "Demo"])
def test_a_setting_for_images_that_names_nothing_is_refused_by_its_name(value, use_source):
    use_source(value)
    with pytest.raises(
        DataError,
        match=(
            f"^MICROBENCH_DATASET={value}: no such folder. The cognition questions are not in the public release. "
            "Set MICROBENCH_COGNITION to a folder"
        ),
    ):
        cognition.resolve()


def test_an_empty_setting_for_images_is_refused_even_where_the_working_folder_has_questions(
    tmp_path, use_source, monkeypatch
):
    release.write_cognition(tmp_path / "cognition" / "test", ASKED)
    monkeypatch.chdir(tmp_path)
    use_source(".")
    assert len(documents()) == 3
    use_source("")
    with pytest.raises(DataError, match="^MICROBENCH_DATASET=(, cognition)?: no such folder. "):
        cognition.resolve()


def test_a_home_folder_of_images_that_does_not_exist_is_refused_by_name(use_source):
    use_source("~no_such_user/data")
    with pytest.raises(DataError, match=r"^MICROBENCH_DATASET=~no_such_user/data: [^.]*home directory\. "):
        cognition.resolve()


def test_a_malformed_file_beside_images_is_named_with_their_setting(tmp_path, use_source):
    folder = release.write_cognition(tmp_path / "cognition" / "test", ASKED)
    edit(folder / "cell.json", lambda content: question(content).update(answer=" "))
    use_source(tmp_path)
    with pytest.raises(
        DataError,
        match=(
            rf"^MICROBENCH_DATASET={tmp_path}, cognition: cell\.json: "
            r"custom_metadata\.questions\.cognition_1\.answer: expected text"
        ),
    ):
        cognition.resolve()


@pytest.mark.parametrize("value", ["demo", "folder"])
def test_a_cache_that_cannot_be_written_is_named_with_the_setting_for_images(value, tmp_path, use_source, no_cache):
    release.write_cognition(tmp_path / "data" / "cognition" / "test", ASKED)
    setting = "demo" if value == "demo" else tmp_path / "data"
    use_source(setting)
    with pytest.raises(
        DataError,
        match=(
            rf"^MICROBENCH_DATASET={setting}: .*[^.]\. \(The plugin keeps its own files in {no_cache}; "
            r"XDG_CACHE_HOME moves that\.\) Expected a folder"
        ),
    ) as error:
        cognition.resolve()
    assert "MICROBENCH_COGNITION=" not in str(error.value)


def test_the_demo_set_has_questions_of_its_own(demo_folder, use_source):
    use_source("demo")
    asked = [
        json.loads(path.read_text())["custom_metadata"]["questions"]
        for path in sorted((demo_folder / "cognition" / "test").glob("*.json"))
    ]
    expected = [entry for questions in asked for entry in questions.values()]
    found = documents()
    assert found["question"] == [entry["question"] for entry in expected]
    assert [document["options"][document["answer_idx"]] for document in found] == [
        entry["answer"] for entry in expected
    ]
    assert set(cognition.resolve().identity) == {"source", "version", "seed", "sha256"}
    assert cognition.resolve().identity["sha256"] != micrographs.resolve().identity["sha256"]


def test_a_copy_of_the_demo_set_has_the_same_questions(demo_folder, use_source):
    use_source("demo")
    asked, identity, of_images = documents()["question"], cognition.resolve().identity, micrographs.resolve().identity
    use_source(demo_folder)
    assert documents()["question"] == asked
    assert cognition.resolve().identity == identity
    use_source(demo_folder / "perception")
    assert micrographs.resolve().identity == of_images


# --- the Hub -------------------------------------------------------------------------


def test_without_a_setting_and_a_network_the_error_says_what_to_supply():
    """The tests run with HF_HUB_OFFLINE=1."""
    with pytest.raises(DataError) as error:
        cognition.resolve()
    message = str(error.value)
    assert message.startswith("jnirschl/uBench: cognition/** is not in the Hub's cache (")
    assert (
        "The cognition questions are not in the public release. Set MICROBENCH_COGNITION to a folder that contains "
        "them, or leave microbench_cognition (and microbench_all) out." in message
    )
    assert "cognition/<split> of JSON files" in message and '"options": [texts]' in message


def test_the_hub_is_not_asked_for_questions_that_lie_in_a_folder(written, monkeypatch):
    monkeypatch.setattr(cognition.hub, "snapshot", lambda *arguments: pytest.fail("asked the Hub"))
    assert len(documents()) == 3


# --- what may be parts missing or doubled --------------------------------------------


def test_an_image_that_nothing_is_asked_about_is_reported_once(written, warnings):
    (written / "zebra.PNG").write_bytes(release.png(np.zeros((4, 4), np.uint8)))
    for _ in range(2):
        cognition.resolve()
    [said] = warnings
    assert "no question is asked about 1 of" in said and said.endswith("such as zebra.PNG.")


def test_a_question_that_a_copied_file_asks_again_is_reported(written, warnings):
    original = min(written.glob("*.json"))
    (written / "zz_copy.json").write_bytes(original.read_bytes())
    copied = len(json.loads(original.read_text())["custom_metadata"]["questions"])
    cognition.resolve()
    assert warnings == [
        f"MICROBENCH_COGNITION={os.environ['MICROBENCH_COGNITION']}: {copied} question(s) occur more than "
        "once for the same image, and are counted each time."
    ]
