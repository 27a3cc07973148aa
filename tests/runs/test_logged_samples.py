"""Claims about reading the samples of a run, and what is refused in them."""

import json
import re

import pytest

from microbench_tasks.runs import logged_samples
from microbench_tasks.util.errors import DataError
from tests.support.logged_runs import TASK, logged_sample, rescore, write_samples


def changed_sample(**fields):
    return json.dumps(logged_sample(1, "A") | fields)


def changed_item(**fields):
    return changed_sample(acc=logged_sample(1, "A")["acc"] | fields)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"doc_id": 1, "acc": {"', "incomplete JSON; if the run was killed while it wrote, run it again"),
        ("[]", "expected an object, got []"),
        ('{"filtered_resps": "A"}', "doc_id: is missing"),
        ('{"doc_id": [1], "filtered_resps": "A"}', "doc_id: expected a whole number, got [1]"),
        ('{"doc_id": true, "filtered_resps": "A"}', "doc_id: expected a whole number, got True"),
        ('{"doc_id": 1, "score": 1.0}', "filtered_resps: is missing"),
        ('{"doc_id": 1, "filtered_resps": 5}', "filtered_resps: expected a text or a list, got 5"),
        (changed_sample(score="1"), "score: expected a number, got '1'"),
        (changed_sample(target=0), "target: expected a text, got 0"),
        (changed_sample(input=7), "input: expected a text, got 7"),
        (changed_sample(acc="x"), "acc: expected an object, got 'x'"),
        (changed_sample(acc={"gold": "A"}), "acc.image_id: is missing"),
        (changed_item(options=5), "acc.options: expected a list, got 5"),
        (changed_item(options=["light", 5]), "acc.options[1]: expected a text, got 5"),
        (changed_item(gold="Q"), "acc.gold: expected a letter of 3 options, got 'Q'"),
    ],
)
def test_a_sample_that_is_malformed_is_named_by_file_line_and_field(line, message, tmp_path):
    path = write_samples(tmp_path, [logged_sample(0, "A")])
    path.write_text(path.read_text() + line + "\n")
    expected = f"{path}, line 2: not a sample of {TASK} as this version logs it ({message})."
    with pytest.raises(DataError, match=re.escape(expected)):
        rescore(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (json.dumps(logged_sample(0, "A")), "document 0 is there already, on line 1"),
        (changed_sample(target="1"), "the right letter is A, but the target is option 1: the log has been changed"),
        (changed_item(dataset="opencell"), f"the sample is of the dataset opencell, which {TASK} does not ask about"),
    ],
)
def test_a_sample_that_contradicts_its_task_or_itself_is_named_by_file_and_line(line, message, tmp_path):
    path = write_samples(tmp_path, [logged_sample(0, "A")])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=re.escape(f"{path}, line 2: {message}")):
        rescore(tmp_path)


def test_a_response_may_contain_an_unpaired_surrogate(tmp_path):
    """Python writes it as an escape, which other readers of JSON refuse."""
    path = write_samples(tmp_path, [logged_sample(0, "A \ud83d")])
    assert [sample.responses for sample in logged_samples.read_samples(path, TASK)] == [["A \ud83d"]]


def test_a_response_may_hold_any_line_break(tmp_path):
    path = write_samples(tmp_path, [])
    # The harness writes text as it is.
    path.write_text(
        json.dumps(logged_sample(0, "A\u2028\x85\x0b\rB"), ensure_ascii=False) + "\n", encoding="utf-8", newline=""
    )
    assert rescore(path).scores[TASK]["acc"] == 1


def test_an_empty_log_is_named(tmp_path):
    path = write_samples(tmp_path, [])
    with pytest.raises(DataError, match=f"{path}: contains no samples"):
        rescore(path)
