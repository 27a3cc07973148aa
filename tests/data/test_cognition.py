"""Claims about MICROBENCH_COGNITION: where the cognition questions come from, and every way they can be wrong."""

import json
import os
import re

import datasets
import numpy as np
import pytest
from PIL import Image

from microbench_tasks import catalog
from microbench_tasks.data import cognition, documents, micrographs, resolved_data
from microbench_tasks.tasks import yaml_values
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError
from tests.support import release

ASKED = {
    "cell.png": [release.cognition_question(3), release.cognition_question(5, question="Which is absent?")],
    "pollen.png": [release.cognition_question(0, options=["yes", "no"], answer="no")],
}


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("MICROBENCH_COGNITION", raising=False)
    monkeypatch.delenv("MICROBENCH_DATASET", raising=False)


@pytest.fixture
def use_cognition(monkeypatch):
    return lambda value: monkeypatch.setenv("MICROBENCH_COGNITION", str(value))


@pytest.fixture
def written(tmp_path, use_cognition):
    """The split of a valid folder, which the setting names."""
    use_cognition(tmp_path)
    return release.write_cognition(tmp_path / "cognition" / "test", ASKED)


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """A cache that cannot be made: a file is in its place."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(files, "cache_dir", lambda: tmp_path / "file" / "cache")
    return tmp_path / "file" / "cache"


def docs():
    found = cognition.resolve()
    return documents.microbench_cognition_docs(found.rows, found.label)


def edit(path, change):
    """Let ``change`` alter the content of a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# --- a folder ------------------------------------------------------------------------


def test_a_document_holds_a_question_and_captions_of_question_and_option(written):
    document = docs()[0]
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
    found = docs()
    assert list(zip(found["image_id"], found["question"], found["answer_idx"], strict=False)) == [
        ("cell.png", "Which protein is stained?", 3),
        ("cell.png", "Which is absent?", 5),
        ("pollen.png", "Which protein is stained?", 1),
    ]
    assert found[2]["captions"] == ["Which protein is stained? yes", "Which protein is stained? no"]


def test_images_are_those_of_the_files(written):
    for document in docs():
        assert document["image"].tobytes() == Image.open(written / document["image_id"]).tobytes()
        assert document["image"].size == Image.open(written / document["image_id"]).size


def test_questions_about_one_image_share_its_key(written):
    first, second, third = docs()["image_key"]
    assert first == second != third


def test_two_files_may_ask_about_one_image(written):
    (written / "more.json").write_text((written / "cell.json").read_text())
    found = docs()
    assert found["image_id"] == ["cell.png", "cell.png", "cell.png", "cell.png", "pollen.png"]
    assert len(set(found["image_key"])) == 2


def test_other_files_in_the_folder_are_passed_over(written):
    (written / "notes.txt").write_text("not a question")
    (written / "unused.png").write_bytes(b"not an image")
    assert len(docs()) == 3


@pytest.mark.parametrize("level", [".", "cognition", "cognition/test"])
def test_the_folder_may_be_named_at_any_level(level, written, tmp_path, use_cognition):
    use_cognition(tmp_path / level)
    assert len(docs()) == 3


def test_a_home_folder_is_expanded(written, tmp_path, use_cognition, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    use_cognition("~/cognition")
    assert len(docs()) == 3


@pytest.mark.parametrize("level", [".", "cognition"])
def test_the_only_split_is_taken_whatever_it_is_called(level, written, tmp_path, use_cognition):
    written.rename(tmp_path / "cognition" / "validation")
    use_cognition(tmp_path / level)
    assert len(docs()) == 3


def test_of_several_splits_the_benchmarks_is_taken(written, tmp_path):
    release.write_cognition(tmp_path / "cognition" / "dev", {"other.png": [release.cognition_question()]})
    assert set(docs()["image_id"]) == set(ASKED)


def test_several_splits_without_the_benchmarks_are_refused_unless_one_is_named(written, tmp_path, use_cognition):
    written.rename(tmp_path / "cognition" / "validation")
    release.write_cognition(tmp_path / "cognition" / "dev", {"other.png": [release.cognition_question()]})
    with pytest.raises(
        DataError,
        match=f"MICROBENCH_COGNITION={tmp_path}: contains several splits: dev, validation, and none called test. Name the folder of one.",
    ):
        cognition.resolve()
    use_cognition(tmp_path / "cognition" / "dev")
    assert docs()["image_id"] == ["other.png"]


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
        match=r"^MICROBENCH_COGNITION=~no_such_user/cognition: [^.]*home directory\. \(The plugin keeps its own files in .*\) Expected a folder cognition/<split>",
    ):
        cognition.resolve()


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_setting_is_refused_even_where_the_working_folder_has_questions(
    value, written, tmp_path, use_cognition, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    use_cognition(".")
    assert len(docs()) == 3
    use_cognition(value)
    with pytest.raises(
        DataError, match=f"^MICROBENCH_COGNITION={value}: no such folder. Expected a folder cognition/<split>"
    ):
        cognition.resolve()


def test_a_cache_that_cannot_be_written_is_named(written, tmp_path, no_cache):
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_COGNITION={tmp_path}: .*[^.]\. \(The plugin keeps its own files in {no_cache}; XDG_CACHE_HOME moves that\.\) Expected a folder cognition/<split>",
    ):
        cognition.resolve()


# --- malformed files -----------------------------------------------------------------


def question(content):
    return content["custom_metadata"]["questions"]["cognition_1"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("metadata"), "KeyError: 'metadata'"),
        (lambda content: content["metadata"].pop("name"), "KeyError: 'name'"),
        (lambda content: content.update(metadata=["cell.png"]), "TypeError"),
        (lambda content: content["metadata"].update(name=None), "TypeError"),
        (lambda content: content.pop("custom_metadata"), "KeyError: 'custom_metadata'"),
        (lambda content: content["custom_metadata"].pop("questions"), "KeyError: 'questions'"),
        (lambda content: content["custom_metadata"].update(questions=[]), "AttributeError"),
        (
            lambda content: content["metadata"].update(name="gone.png"),
            r"metadata\.name is 'gone\.png'; expected an image file beside it in ",
        ),
        (
            lambda content: content["metadata"].update(name="../outside.png"),
            r"metadata\.name is '\.\./outside\.png'; expected an image file beside it in ",
        ),
        (
            lambda content: content["metadata"].update(name="inside/cell.png"),
            r"metadata\.name is 'inside/cell\.png'; expected an image file beside it",
        ),
        (
            lambda content: content["metadata"].update(name="inside"),
            r"metadata\.name is 'inside'; expected an image file beside it",
        ),
        (
            lambda content: content["metadata"].update(name=""),
            r"metadata\.name is ''; expected an image file beside it",
        ),
        (
            lambda content: content["custom_metadata"]["questions"].update(cognition_1="Why?"),
            r"custom_metadata\.questions\.cognition_1: expected an object, got str",
        ),
        (
            lambda content: question(content).pop("question"),
            r"custom_metadata\.questions\.cognition_1\.question: expected text, got None",
        ),
        (
            lambda content: question(content).update(question=7),
            r"custom_metadata\.questions\.cognition_1\.question: expected text, got 7",
        ),
        (
            lambda content: question(content).pop("answer"),
            r"custom_metadata\.questions\.cognition_1\.answer: expected text, got None",
        ),
        (
            lambda content: question(content).update(answer=3),
            r"custom_metadata\.questions\.cognition_1\.answer: expected text, got 3",
        ),
        (
            lambda content: question(content).update(answer="myosin"),
            r"custom_metadata\.questions\.cognition_1\.answer: expected one of the options .*there once; got 'myosin'",
        ),
        (
            lambda content: question(content)["options"].append("None of the above"),
            r"custom_metadata\.questions\.cognition_1\.answer: expected one of the options .*there once; got 'None of the above'",
        ),
        (
            lambda content: question(content).pop("options"),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got None",
        ),
        (
            lambda content: question(content).update(options="actin, None of the above"),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got 'actin, None of the above'",
        ),
        (
            lambda content: question(content).update(options={"A": "None of the above"}),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got \{",
        ),
        (
            lambda content: question(content)["options"].append(None),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got \[",
        ),
        (
            lambda content: question(content).update(options=[]),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got \[\]",
        ),
        (
            lambda content: question(content)["options"].append(["myosin"]),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got \[",
        ),
    ],
)
def test_a_malformed_file_is_named_with_its_field(change, said, written):
    (written / "inside").mkdir()
    for place in (written / "inside" / "cell.png", written.parent / "outside.png"):
        place.write_bytes((written / "cell.png").read_bytes())
    edit(written / "cell.json", change)
    with pytest.raises(DataError, match=rf"MICROBENCH_COGNITION=.*: cell\.json: {said}"):
        cognition.resolve()


def test_a_named_pipe_is_refused_without_waiting_for_its_writer(written):
    os.mkfifo(written / "pipe.json")
    with pytest.raises(DataError, match=r"MICROBENCH_COGNITION=.*: pipe\.json: .*pipe\.json: is a named pipe"):
        cognition.resolve()


@pytest.mark.parametrize(
    "content",
    [b"", b'{"metadata": ', b"[]", b"null", b"\xff\xfe\x00"],
    ids=["empty", "cut off", "a list", "null", "no text"],
)
def test_a_file_that_is_no_such_json_is_named_with_the_layout(content, written):
    (written / "cell.json").write_bytes(content)
    with pytest.raises(
        DataError,
        match=r"MICROBENCH_COGNITION=.*: cell\.json: \w+Error: .*Expected a folder cognition/<split> of JSON files",
    ):
        cognition.resolve()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"options": [*"abcdefghi"], "answer": "a"},
            r"options: expected a list of 2 to 8 texts, got \['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'\]",
        ),
        ({"options": ["a"], "answer": "a"}, r"options: expected a list of 2 to 8 texts, got \['a'\]"),
        ({"options": ["a", " "], "answer": "a"}, r"options: expected a list of 2 to 8 texts, got \['a', ' '\]"),
        ({"options": ["", "a"], "answer": "a"}, r"options: expected a list of 2 to 8 texts, got \['', 'a'\]"),
        (
            {"options": ["a", "\u3000"], "answer": "a"},
            r"options: expected a list of 2 to 8 texts, got \['a', '\\u3000'\]",
        ),
        ({"options": [" ", "a"], "answer": " "}, "answer: expected text, got ' '"),
        ({"question": ""}, "question: expected text, got ''"),
        ({"question": "\n\t"}, r"question: expected text, got '\\n\\t'"),
    ],
)
def test_a_question_that_cannot_be_asked_is_named_by_file_and_key(changes, said, written, tmp_path):
    edit(written / "cell.json", lambda content: question(content).update(changes))
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_COGNITION={tmp_path}: cell\.json: custom_metadata\.questions\.cognition_1\.{said}",
    ):
        cognition.resolve()


@pytest.mark.parametrize("options", ["ab", "abcdefgh"])
def test_two_to_eight_options_are_asked(options, written):
    edit(written / "cell.json", lambda content: question(content).update(options=[*options], answer=options[-1]))
    assert docs()[1]["options"] == [*options]
    assert docs()[1]["answer_idx"] == len(options) - 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": "Which is absent? \ud83d"}, r"question: expected text, got 'Which is absent\? \\ud83d'"),
        ({"question": "\udc00"}, r"question: expected text, got '\\udc00'"),
        # The halves of a character in the wrong order.
        ({"question": "\ude00\ud83d"}, r"question: expected text, got '\\ude00\\ud83d'"),
        (
            {"options": ["a", "\ud800"], "answer": "a"},
            r"options: expected a list of 2 to 8 texts, got \['a', '\\ud800'\]",
        ),
        ({"options": ["a", "b\udfff"], "answer": "b\udfff"}, r"answer: expected text, got 'b\\udfff'"),
    ],
    ids=["first half", "second half", "wrong order", "option", "answer"],
)
def test_half_a_character_is_named_by_file_and_field(changes, said, written, tmp_path):
    """JSON can escape the halves of a character one by one."""
    edit(written / "cell.json", lambda content: question(content).update(changes))
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_COGNITION={tmp_path}: cell\.json: custom_metadata\.questions\.cognition_1\.{said}",
    ) as error:
        cognition.resolve()
    # It can be written out, which the half itself cannot.
    assert str(error.value).encode()


def test_both_halves_of_a_character_are_text(written):
    edit(written / "cell.json", lambda content: question(content).update(question="Which is \N{MICROSCOPE}?"))
    assert r"\ud83d\udd2c" in (written / "cell.json").read_text()
    assert docs()[1]["question"] == "Which is \N{MICROSCOPE}?"


@pytest.mark.parametrize(
    ("once", "twice", "keys"),
    [
        ('"cognition_1": ', '"cognition_0": ', "cognition_0, cognition_0"),
        ('"answer": "keratin"', '"answer": "actin", "answer": "keratin"', "question, options, answer, answer"),
        ('"metadata": ', '"metadata": {}, "metadata": ', "metadata, metadata, custom_metadata"),
        ('"name": ', '"name": "cell.png", "name": ', "name, name"),
        ('"domain": ', '"domain": "pathology", "domain": ', "domain, domain, microns_per_pixel, questions"),
    ],
    ids=["question", "field", "part", "name", "of no use to us"],
)
def test_a_key_that_is_there_twice_is_refused_by_file(once, twice, keys, written, tmp_path):
    """Python alone would drop the first value without a word."""
    text = (written / "cell.json").read_text()
    assert text.count(once) == 1
    (written / "cell.json").write_text(text.replace(once, twice))
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_COGNITION={tmp_path}: cell\.json: ValueError: a key is there twice among {keys}\. Expected a folder cognition/<split>",
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
    before, shown = cognition.resolve(), [document["image"].tobytes() for document in docs()]
    asked = docs().remove_columns(["image", "image_key"]).to_list()
    change(written)
    after = cognition.resolve()
    assert after.identity["sha256"] != before.identity["sha256"]
    found = docs()
    assert (
        found.remove_columns(["image", "image_key"]).to_list(),
        [document["image"].tobytes() for document in found],
    ) != (asked, shown)


def test_changed_content_has_other_image_keys(written):
    before = docs()["image_key"]
    swap_images(written)
    assert not set(docs()["image_key"]) & set(before)


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
    assert len(docs()) == 3


def test_the_harness_loads_what_we_load(written):
    """The call is the one in lmms_eval/api/task.py, ConfigurableTask.download."""
    loaded = datasets.load_from_disk(dataset_path=yaml_values.COGNITION_PATH)
    assert yaml_values.DATASET_KWARGS == {"load_from_disk": True}
    assert loaded["test"]["image_id"] == ["cell.png", "cell.png", "pollen.png"]


@pytest.mark.parametrize("name", ["DATASET_PATHS", "METADATA_", "dataset_path"])
def test_an_unknown_attribute_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"microbench_tasks.data.cognition.* has no attribute '{name}'"):
        getattr(cognition, name)


# --- beside the images ---------------------------------------------------------------


def test_questions_come_with_a_folder_of_images(tmp_path, use_source):
    release.write_parquet(tmp_path / "data" / "perception", [release.row(0)])
    release.write_cognition(tmp_path / "data" / "cognition" / "test", ASKED)
    use_source(tmp_path / "data")
    found = cognition.resolve()
    assert found.label == f"MICROBENCH_DATASET={tmp_path}/data, cognition"
    assert found.identity["path"] == str(tmp_path / "data")
    assert len(docs()) == 3
    assert len(micrographs.resolve().rows) == 1


def test_their_own_setting_comes_first(written, tmp_path, use_source):
    release.write_cognition(tmp_path / "data" / "cognition" / "test", {"other.png": [release.cognition_question()]})
    use_source(tmp_path / "data")
    assert set(docs()["image_id"]) == set(ASKED)


def test_a_folder_of_images_alone_has_none(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    with pytest.raises(
        DataError,
        match=f"MICROBENCH_DATASET={tmp_path}/data: has no folder cognition. The cognition questions are not in the public release. Set MICROBENCH_COGNITION to a folder",
    ):
        cognition.resolve()


@pytest.mark.parametrize("value", ["", " ", "/no/such/folder", "Demo"])
def test_a_setting_for_images_that_names_nothing_is_refused_by_its_name(value, use_source):
    use_source(value)
    with pytest.raises(
        DataError,
        match=f"^MICROBENCH_DATASET={value}: no such folder. The cognition questions are not in the public release. Set MICROBENCH_COGNITION to a folder",
    ):
        cognition.resolve()


def test_an_empty_setting_for_images_is_refused_even_where_the_working_folder_has_questions(
    tmp_path, use_source, monkeypatch
):
    release.write_cognition(tmp_path / "cognition" / "test", ASKED)
    monkeypatch.chdir(tmp_path)
    use_source(".")
    assert len(docs()) == 3
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
        match=rf"^MICROBENCH_DATASET={tmp_path}, cognition: cell\.json: custom_metadata\.questions\.cognition_1\.answer: expected text",
    ):
        cognition.resolve()


@pytest.mark.parametrize("value", ["demo", "folder"])
def test_a_cache_that_cannot_be_written_is_named_with_the_setting_for_images(value, tmp_path, use_source, no_cache):
    release.write_cognition(tmp_path / "data" / "cognition" / "test", ASKED)
    setting = "demo" if value == "demo" else tmp_path / "data"
    use_source(setting)
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_DATASET={setting}: .*[^.]\. \(The plugin keeps its own files in {no_cache}; XDG_CACHE_HOME moves that\.\) Expected a folder",
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
    found = docs()
    assert found["question"] == [entry["question"] for entry in expected]
    assert [document["options"][document["answer_idx"]] for document in found] == [
        entry["answer"] for entry in expected
    ]
    assert set(cognition.resolve().identity) == {"source", "version", "seed", "sha256"}
    assert cognition.resolve().identity["sha256"] != micrographs.resolve().identity["sha256"]


def test_a_copy_of_the_demo_set_has_the_same_questions(demo_folder, use_source):
    use_source("demo")
    asked, identity = docs()["question"], cognition.resolve().identity
    use_source(demo_folder)
    assert docs()["question"] == asked
    assert cognition.resolve().identity == {"source": "folder", "path": str(demo_folder), "sha256": identity["sha256"]}


# --- the Hub -------------------------------------------------------------------------


def test_without_a_setting_and_a_network_the_error_says_what_to_supply():
    """The tests run with HF_HUB_OFFLINE=1."""
    with pytest.raises(DataError) as error:
        cognition.resolve()
    message = str(error.value)
    assert message.startswith("jnirschl/uBench: cognition/** is not in the Hub's cache (")
    assert (
        "The cognition questions are not in the public release. Set MICROBENCH_COGNITION to a folder that holds them, or leave microbench_cognition (and microbench_all) out."
        in message
    )
    assert "cognition/<split> of JSON files" in message and '"options": [texts]' in message


def test_the_hub_is_not_asked_for_questions_that_lie_in_a_folder(written, monkeypatch):
    monkeypatch.setattr(cognition.hub, "snapshot", lambda *arguments: pytest.fail("asked the Hub"))
    assert len(docs()) == 3


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
        f"MICROBENCH_COGNITION={os.environ['MICROBENCH_COGNITION']}: {copied} question(s) are there more than once about the same image and are counted again."
    ]
