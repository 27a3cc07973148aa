"""Claims about malformed files of cognition questions: each is named with its field."""

import os

import pytest

from microbench_tasks.data import cognition
from microbench_tasks.util.errors import DataError
from tests.support.cognition_folder import documents, edit, question


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
            r"custom_metadata\.questions\.cognition_1\.answer: expected one of .*which must occur once; got 'myosin'",
        ),
        (
            lambda content: question(content)["options"].append("None of the above"),
            r"custom_metadata\.questions\.cognition_1\.answer: expected one of .*which must occur once; got "
            r"'None of the above'",
        ),
        (
            lambda content: question(content).pop("options"),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got None",
        ),
        (
            lambda content: question(content).update(options="actin, None of the above"),
            r"custom_metadata\.questions\.cognition_1\.options: expected a list of 2 to 8 texts, got 'actin, "
            r"None of the above'",
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
    assert documents()[1]["options"] == [*options]
    assert documents()[1]["answer_idx"] == len(options) - 1


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
    assert documents()[1]["question"] == "Which is \N{MICROSCOPE}?"


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
        match=(
            rf"^MICROBENCH_COGNITION={tmp_path}: cell\.json: ValueError: a key occurs twice among {keys}\. "
            r"Expected a folder cognition/<split>"
        ),
    ):
        cognition.resolve()


def test_what_macos_leaves_beside_the_files_is_no_question(written):
    expected = list(documents()["question"])
    for file in list(written.iterdir()):
        file.with_name(f"._{file.name}").write_bytes(b"left by macOS")
    assert list(documents()["question"]) == expected
