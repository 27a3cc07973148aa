"""Responses with boxes and how to read them: documented answers of model families, on an image of 1000 x 1000."""

import json
from pathlib import Path

from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.parsing.boxes.parser import parse_boxes

DATA = Path(__file__).parent / "data"
CASES = json.loads((DATA / "box-cases.json").read_text(encoding="utf-8"))
SIZE = (1000, 1000)
# On an image of 1000 x 1000, the grid of 1000 and pixels are the same numbers.
NUMBER_CONVENTIONS = [name for name, rule in CONVENTIONS.items() if rule.grammar == "numbers"]


def read_boxes(text, convention="grid1000_xyxy", **options):
    """Read the boxes of a text."""
    return parse_boxes(text, convention, SIZE, SIZE, **options)


def boxes_of(text, convention="grid1000_xyxy"):
    """Return the boxes of a text as lists."""
    return read_boxes(text, convention).boxes.tolist()
