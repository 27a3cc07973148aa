"""The protocol in a second hand: what tests compare whole runs with. Shares no code with the package."""

from __future__ import annotations

import collections
import zlib

import pyarrow.parquet as pq
import torch
from lmms_eval.api.model import lmms

KINDS = ("domain", "subdomain", "modality", "submodality", "stain")
LETTERS = "ABCDEFGH"
BOXES_ONLY = ("opencell", "sirinukunwattana_et_al_2016")


class StandIn(lmms):
    """Answers by a function of prompt and image, and keeps what it was asked and shown."""

    def __init__(self, answer):
        super().__init__()
        self.device = torch.device("cpu")
        self.answer = answer
        self.asked = collections.defaultdict(list)

    def generate_until(self, requests):
        responses = []
        for request in requests:
            context, _, doc_to_visual, doc_id, task, split = request.args
            [image] = doc_to_visual(self.task_dict[task][split][doc_id])
            self.asked[task].append((context, image))
            responses.append(self.answer(context, image))
        return responses

    def loglikelihood(self, requests):
        raise AssertionError("nothing of ours asks for this")

    generate_until_multi_round = loglikelihood


def raw_rows(folder):
    """The stored rows as Arrow reads them, without our code."""
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def raw_questions(rows, kind):
    """(row, question) by the release's description: two datasets left out, nulls absent."""
    pairs = ((row, (row["questions"] or {}).get(kind)) for row in rows if row["dataset"] not in BOXES_ONLY)
    return [(row, question) for row, question in pairs if question is not None and question["question"] is not None]


def protocol_prompt(question):
    """Section by section as the protocol words it, not by our function."""
    text = "Answer with a single letter, no extra details." + "\n" + "Question:" + question["question"] + "\n"
    return text + "\n".join(LETTERS[number] + ") " + option for number, option in enumerate(question["options"]))


def reply(prompt):
    """Right, wrong, empty and chatty answers, decided by the prompt alone."""
    lines = prompt.split("\n")[2:]
    choice = zlib.crc32(prompt.encode()) % (len(lines) + 3)
    if choice < len(lines):
        return lines[choice] if choice % 2 else lines[choice][0]
    return ["", "The answer is " + lines[0][0], "I think " + lines[1]][choice - len(lines)]


def protocol_score(response, question):
    gold = question["answer_idx"]
    lettered = LETTERS[gold] + ") " + question["options"][gold]
    return float(lettered in response or response[:1] == LETTERS[gold])
