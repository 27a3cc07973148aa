"""Tasks with a prompt about each of some drawn images, for models that write answers, without a harness run."""

from __future__ import annotations

from types import SimpleNamespace

from lmms_eval.api.instance import Instance

from tests.support import questions

SETTINGS = {"max_new_tokens": 16, "until": [], "temperature": 0, "do_sample": False}


class Task:
    """What the adapter uses of a harness task: drawn images, a prompt about each."""

    def __init__(
        self, name, prompt_of, choices_of=None, when_empty=None, count=questions.COUNT, settings=SETTINGS, images=None
    ):
        self.name, self.settings = name, settings
        self.images = questions.images(count) if images is None else images
        self.docs = [{"number": number} for number in range(len(self.images))]
        self.dataset_no_image = {"test": self}
        self.dataset = {"test": self.docs}

        def doc_to_text(doc):
            return prompt_of(doc["number"])

        def doc_to_choice(doc):
            return choices_of(doc["number"])

        if when_empty is not None:
            doc_to_text.when_empty = when_empty
        doc_to_choice.wants_probabilities = True
        self.config = SimpleNamespace(doc_to_text=doc_to_text, doc_to_choice=doc_to_choice if choices_of else None)
        self.decoded = []

    def __getitem__(self, places):
        """Without images: one document, or a list per column."""
        return {
            "number": [self.docs[place]["number"] for place in places]
            if isinstance(places, list)
            else self.docs[places]["number"]
        }

    def doc_to_visual(self, doc):
        self.decoded.append(doc["number"])
        return [self.images[doc["number"]]]

    def doc_to_choice(self, doc):
        return self.config.doc_to_choice(doc)

    def requests(self):
        return [
            Instance(
                "generate_until",
                (
                    self.config.doc_to_text(doc),
                    dict(self.settings),
                    self.doc_to_visual,
                    doc["number"],
                    self.name,
                    "test",
                ),
                0,
                {"task": self.name, "doc_id": doc["number"], "repeats": 1},
            )
            for doc in self.docs
        ]


def asked(model, *tasks, order=None):
    """The answers to the tasks' requests, asked in ``order``, in their own order."""
    requests = [request for task in tasks for request in task.requests()]
    order = range(len(requests)) if order is None else order
    answer_of = dict(zip(order, model.generate_until([requests[index] for index in order]), strict=True))
    return [answer_of[index] for index in range(len(requests))]
