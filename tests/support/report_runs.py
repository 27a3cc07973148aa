"""Small data and runs that reports are made of."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from tests.support import release, tiny_runs
from tests.support.independent import LETTERS

HOSTILE = '</script><script>alert(1)</script><img src="x" onerror="alert(2)">'
TASKS = (
    "microbench_coarse_modality",
    "microbench_coarse_stain",
    "microbench_fine_white_blood_cell",
    "microbench_fine_pollen",
    tiny_runs.BOXES,
    tiny_runs.COGNITION,
)
# dataset, modality, domain, microns per pixel of the small data's images; the last two have boxes.
IMAGES = [
    ("acevedo_et_al_2020", "light microscopy", "pathology", 0.5),
    ("acevedo_et_al_2020", "light microscopy", "pathology", 0.25),
    ("acevedo_et_al_2020", "electron microscopy", "biology", 0.005),
    ("icpr2020_pollen", "fluorescence microscopy", "biology", None),
    ("icpr2020_pollen", "light microscopy", None, 0.1),
    ("icpr2020_pollen", "light microscopy", "biology", 2.0),
]
ALL_IN_ONE = lambda items, what: items  # noqa: E731


def small_data(folder):
    rows = [
        release.row(number, dataset, modality=modality, domain=domain, microns_per_pixel=scale)
        for number, (dataset, modality, domain, scale) in enumerate(IMAGES)
    ]
    rows += [
        release.row(10 + number, "opencell", polygon=[release.instance("nucleus", [2, 3, 9 + number, 12])])
        for number in range(2)
    ]
    release.write_parquet(folder, rows)
    release.write_cognition(
        folder / "cognition" / "test",
        {
            "a.png": [release.cognition_question(), release.cognition_question(1)],
            "b.png": [release.cognition_question(2)],
        },
    )
    return folder


def answers(number, doc):
    """Right, wrong, unreadable and hostile answers in turn; of questions the even ones with probabilities."""
    if "boxes" in doc:
        return json.dumps([{"x1": 2, "y1": 3, "x2": 20, "y2": 12}]) if number else "[]"
    options = len(doc["options"])
    letter = (doc["answer_idx"] + (number % 3 == 1)) % options
    if number % 6 == 5:
        return f"I cannot say. {HOSTILE}"
    probabilities = [0.1 / (options - 1)] * options
    probabilities[letter] = 0.9
    return LETTERS[letter] + (
        "" if number % 2 else "\n" + json.dumps({"probabilities": dict(zip(LETTERS, probabilities, strict=False))})
    )


def items_of(run, task):
    return [sample.items["acc"] for sample in run.rescored.samples[task]]


def parts_of(record, kind):
    return [part[kind] for section in record["chapters"] for part in section["parts"] if kind in part]


class Parsed(HTMLParser):
    """Text by tag, without the page's own script and style."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.images, self.text, self._inside = [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._inside = tag
        if tag == "img":
            self.images.append(dict(attributes))
        elif dict(attributes).get("role") == "img":
            self.images.append({"alt": dict(attributes)["aria-label"]})

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text.append(data)

    def handle_endtag(self, tag):
        self._inside = None


def table_of(record, title):
    """Of a table's rows the texts by column."""
    [table] = [table for table in parts_of(record, "table") if table["title"] == title]
    texts = [[cell["text"] if isinstance(cell, dict) else cell for cell in row] for row in table["rows"]]
    return [dict(zip(table["header"], row, strict=False)) for row in texts], table["note"]
