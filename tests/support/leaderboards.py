"""Entries, logs and files of small leaderboards."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np

from microbench_tasks.data import source_identity
from microbench_tasks.leaderboard.data import Data
from microbench_tasks.leaderboard.entries import Entry
from microbench_tasks.leaderboard.ranking import Leaderboard, rank
from microbench_tasks.runs import found_runs, rescoring
from microbench_tasks.tasks.results import microbench_process_results

COARSE = "microbench_coarse"
DEMO = Data("demo", '[{"source": "demo", "sha256": "0123456789abcdef"}]')
OTHER_DEMO = Data("demo", '[{"source": "demo", "sha256": "fedcba9876543210"}]')
LOCAL = Data("local", '[{"source": "folder", "sha256": "aaaabbbbcccc"}]')
RELEASE = Data("release", '[{"source": "hub", "revision": "3f2c5b59"}]')


def entry(
    model,
    scores,
    group=COARSE,
    data=DEMO,
    version=1.0,
    questions_per_image=2,
    right="A",
    tasks=("domain", "stain", "modality"),
):
    scores = np.array(scores, dtype=float)
    questions = tuple(
        (f"{group}_{tasks[0]}", number, f"set/{number // questions_per_image:04d}", right)
        for number in range(len(scores))
    )
    return Entry(
        model,
        group,
        data,
        version,
        questions,
        scores,
        {"acc_strict": scores.mean(), "unparsed": 0.125, "chance": 0.25, "majority": 0.375},
        {f"{group}_{task}": scores.mean() for task in tasks},
    )


def answers(rate, seed, number=200):
    return np.random.default_rng(seed).random(number) < rate


def board(entries, models=None):
    return Leaderboard(tuple(rank(entries, models or list(dict.fromkeys(found.model for found in entries)))))


def right_about(*ranges):
    """Answers to 100 questions, one about each image: right within the ranges."""
    return np.array([any(start <= number < end for start, end in ranges) for number in range(100)])


# A is better than B: it alone is right on 14 questions, and B alone on none.
# A and C differ on 50 and 35, B and C on 36 and 35.
INTRANSITIVE = {"A": right_about((0, 60)), "B": right_about((0, 46)), "C": right_about((0, 10), (60, 95))}


def intransitive(models):
    return [entry(model, INTRANSITIVE[model], questions_per_image=1) for model in models]


def question(number, kind, dataset="jung_et_al_2022", answer_idx=0):
    return {
        "image_id": str(number),
        "dataset": dataset,
        "kind": kind,
        "options": ["yes", "no"],
        "answer_idx": answer_idx,
    }


def logged(folder, task, docs, responses):
    samples = [
        {"doc_id": number, "target": str(doc["answer_idx"]), "filtered_resps": response, "input": "?"}
        | microbench_process_results(doc, [response])
        for number, (doc, response) in enumerate(zip(docs, responses, strict=False))
    ]
    (folder / f"run_samples_{task}.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))


def logged_coarse(folder, responses=("A", "B", "A")):
    for kind in ("domain", "subdomain", "modality", "submodality", "stain"):
        logged(folder, f"{COARSE}_{kind}", [question(number, kind) for number in range(3)], responses)
    return rescoring.rescore(found_runs.find_run([folder]))


def hub_sources(tasks):
    return dict.fromkeys(tasks, source_identity.release_identity())


def rows_of(markdown):
    """Return the cells of a Markdown page's tables by GitHub's rule: a pipe divides unless it follows a backslash."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]
        for line in markdown.splitlines()
        if line.startswith("| ")
    ]


class Page(HTMLParser):
    """The texts and tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags = [], []
        self.feed(text)

    def handle_data(self, data):
        self.texts.append(data)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def unescaped(page):
    return " ".join(Page(page).texts)
