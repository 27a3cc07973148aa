"""Claims about the model that answers at random."""

import collections
import json

import datasets
import pytest
from lmms_eval.api.instance import Instance

from microbench_adapters.models.random_model import RandomModel

NUM_DOCS = 400


class Task:
    """What the harness's tasks offer a model: documents, and the functions of their YAML."""

    def __init__(self, choices=None, random_answer=None):
        def doc_to_text(doc):
            return "?"

        if random_answer is not None:
            doc_to_text.random_answer = random_answer

        class Config:
            doc_to_choice = None if choices is None else (lambda doc: choices)

        self.config = Config
        self.config.doc_to_text = staticmethod(doc_to_text)
        self.dataset_no_image = {"test": datasets.Dataset.from_dict({"number": list(range(NUM_DOCS))})}
        self.doc_to_choice = lambda doc: choices

    def doc_to_visual(self, doc):
        raise AssertionError("a random model looks at nothing")


def requests(task, name="task", doc_ids=range(NUM_DOCS)):
    metadata = {"task": name, "repeats": 1}
    return [
        Instance(
            "generate_until", ("?", {}, task.doc_to_visual, doc_id, name, "test"), 0, metadata | {"doc_id": doc_id}
        )
        for doc_id in doc_ids
    ]


def test_each_choice_is_as_likely_as_the_others():
    counts = collections.Counter(RandomModel().generate_until(requests(Task(["a", "b", "c", "d"]))))
    assert set(counts) == set("ABCD")
    # 100 expected of each; five standard deviations of a binomial count are 5 * sqrt(400 * 0.25 * 0.75) = 43.
    assert all(abs(count - NUM_DOCS / 4) < 43 for count in counts.values())


def test_an_answer_depends_on_seed_task_and_document_alone():
    task = Task(["a", "b", "c", "d"])
    every = RandomModel().generate_until(requests(task))
    shard = list(range(1, NUM_DOCS, 2))
    assert RandomModel().generate_until(requests(task, doc_ids=shard)) == [every[doc_id] for doc_id in shard]
    assert RandomModel().generate_until(list(reversed(requests(task)))) == every[::-1]
    assert RandomModel(seed=1).generate_until(requests(task)) != every
    assert RandomModel().generate_until(requests(task, "another")) != every


def test_a_task_without_choices_can_say_what_a_random_answer_looks_like():
    task = Task(random_answer=lambda doc, rng: json.dumps([doc["number"], int(rng.integers(1000))]))
    answers = [json.loads(answer) for answer in RandomModel().generate_until(requests(task, doc_ids=[3, 5]))]
    assert [number for number, _ in answers] == [3, 5]
    assert answers[0][1] != answers[1][1]


def test_tasks_without_choices_are_refused_by_name_before_any_is_answered():
    with pytest.raises(ValueError, match="first, second: asked for free text, but a random model only chooses"):
        RandomModel().generate_until(
            requests(Task(), "first") + requests(Task(["a", "b"]), "fine") + requests(Task(), "second")
        )


def test_other_kinds_of_requests_are_refused_by_name():
    for method in ("loglikelihood", "generate_until_multi_round"):
        with pytest.raises(ValueError, match="^task: asked for"):
            getattr(RandomModel(), method)(requests(Task(["a"])))


def test_no_request_is_no_work():
    assert RandomModel().generate_until([]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("seed=-1", "seed: expected"),
        ("seed=1.5", "seed: expected"),
        ("sed=1", "sed is unknown. RandomModel takes seed"),
    ],
)
def test_bad_model_args_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomModel.create_from_arg_string(arguments, {"batch_size": 1, "max_batch_size": None, "device": None})


def test_the_seed_is_a_model_argument():
    assert (
        RandomModel.create_from_arg_string("seed=7", {"batch_size": 1, "max_batch_size": None, "device": None}).seed
        == 7
    )
