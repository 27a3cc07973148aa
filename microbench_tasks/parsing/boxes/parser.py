"""Read boxes in pixels from a response, by a named convention.

Three stages are kept apart:

1. The readers extract boxes exactly as written, each in one pass over the response, in time linear in its length.
2. `microbench_tasks.parsing.boxes.conventions` converts them to pixels. Degenerate and duplicate boxes are counted,
   not repaired.
3. `microbench_tasks.metrics.grit` scores them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from microbench_tasks.parsing.boxes import location_tokens
from microbench_tasks.parsing.boxes.conventions import Convention, Size, checked_convention, to_pixels
from microbench_tasks.parsing.boxes.extraction import Extraction, Status
from microbench_tasks.parsing.boxes.number_reader import NumbersReader
from microbench_tasks.parsing.cleaning.reasoning import answer_part

# More boxes than instances in any micrograph: only a model that repeats itself until its token limit writes so many.
MAX_BOXES = 10_000


@dataclass(frozen=True, eq=False)
class ParsedBoxes:
    """Hold the boxes that one response states, in its order.

    Args:
        boxes: shape (N, 4), finite, corners ``x1 y1 x2 y2`` in pixels of the original image,
            as written: nothing is clipped, swapped, rounded or made unique.
        status: ``parsed`` (with zero boxes for an explicit "none"), ``truncated`` (the response ends
            inside a box or a list; complete boxes are kept) or ``unparsed`` (neither a
            box nor an explicit "none": prose, refusals, points).
        num_non_finite: boxes left out because a value is NaN or beyond floating point.
        num_beyond_cap: boxes left out because there are too many.
    """

    boxes: np.ndarray
    status: Status
    num_non_finite: int = 0
    num_beyond_cap: int = 0

    @property
    def num_left_out(self) -> int:
        """Return the number of predictions that are not in ``boxes``: ``num_extra`` of `grit_score`."""
        return self.num_non_finite + self.num_beyond_cap

    @property
    def num_degenerate(self) -> int:
        """Count boxes without area: ``x2 <= x1`` or ``y2 <= y1``."""
        return int((self.boxes[:, 2:] <= self.boxes[:, :2]).any(axis=1).sum())

    @property
    def num_duplicate(self) -> int:
        """Count boxes that equal an earlier one."""
        return len(self.boxes) - len(np.unique(self.boxes, axis=0))


def parse_boxes(
    text: str, convention: str, image_size: Size, model_input_size: Size | None = None, *, max_boxes: int = MAX_BOXES
) -> ParsedBoxes:
    """Read the boxes of a response.

    Only the answer counts (`answer_part`), and of that only the last ``<answer>`` if there is one. Reasoning that
    never ends is a truncated response without boxes. Labels and scores are ignored. A key that states an order
    (``bbox_xywh``) takes precedence over the convention's order. Four numbers in prose, points and quadrilaterals are
    not boxes.

    Args:
        text: the response; any text is accepted.
        convention: a key of `microbench_tasks.parsing.boxes.conventions.CONVENTIONS`.
        image_size: width and height of the original image in pixels.
        model_input_size: width and height of the image as the model received it; for
            conventions in that frame.
        max_boxes: maximum number of boxes; the first ones are kept and the others are counted.

    Raises:
        ValueError: the convention is unknown, a size is missing or not positive, or
            ``max_boxes`` is negative. No text raises.

    >>> parse_boxes("nucleus(100,200),(300,400)", "grid1000_xyxy", (500, 400)).boxes.tolist()
    [[50.0, 80.0, 150.0, 160.0]]
    >>> parse_boxes("Sorry, I see no nucleus.", "grid1000_xyxy", (500, 400)).status
    'unparsed'
    """
    if max_boxes < 0:
        raise ValueError(f"Expected max_boxes of at least 0, got {max_boxes}.")
    rule, frame = checked_convention(convention, image_size, model_input_size)
    extraction = _extract(text, rule)
    boxes = to_pixels(extraction.boxes, rule, frame)
    finite = boxes[np.isfinite(boxes).all(axis=1)]
    return ParsedBoxes(finite[:max_boxes], extraction.status, len(boxes) - len(finite), len(finite[max_boxes:]))


# Full-width forms of ASCII, and other characters that stand for plain punctuation. Backslashes only escape
# (Markdown's \_, LaTeX's \[).
_PLAIN = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict(zip("、【】“”‘’\N{MINUS SIGN}", ",[]\"\"''-", strict=True))
    | {"\\": None, "\N{ZERO WIDTH SPACE}": None, "\N{ZERO WIDTH NO-BREAK SPACE}": None}
)
_ANSWER = re.compile(r"<answer>((?:(?!</?answer>).)*+)", re.IGNORECASE | re.DOTALL)
_NONE = re.compile(r"\W*+(?:json\b\W*+)?(?:none|null)\W*+", re.IGNORECASE)


def _extract(text: str, rule: Convention) -> Extraction:
    part = answer_part(text.translate(_PLAIN))
    if part.truncated:
        return Extraction([], "truncated")
    answer = (_ANSWER.findall(part.text) or [part.text])[-1]
    if rule.grammar is None:
        return Extraction([], "unparsed")
    if _NONE.fullmatch(answer) or (rule.empty_means_none and not answer.strip()):
        return Extraction([], "parsed")
    if rule.grammar == "paligemma":
        return location_tokens.paligemma_boxes(answer, rule.order)
    if rule.grammar == "florence":
        return location_tokens.florence_boxes(answer)
    if rule.grammar == "kosmos":
        return location_tokens.kosmos_boxes(answer)
    return NumbersReader(answer, rule.order).read()
