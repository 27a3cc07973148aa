"""Read boxes in pixels from a response, by a named convention.

Three stages are kept apart: this module extracts and converts boxes exactly as written; what
is degenerate or doubled is counted, not repaired; `microbench_tasks.metrics.grit` scores. The
convention is given and never guessed: numbers do not tell their unit.

Each reader goes over the response once, in time linear in its length.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from microbench_tasks.parsing import box_tokens
from microbench_tasks.parsing.box_forms import Corners, Extraction, Status
from microbench_tasks.parsing.box_numbers import NumbersReader
from microbench_tasks.parsing.reasoning import answer_part

# More boxes than any micrograph has instances: a model that repeats itself until its token limit.
MAX_BOXES = 10_000

Size = tuple[float, float]


@dataclass(frozen=True)
class Convention:
    """How a family of models writes boxes.

    Args:
        grammar: what a box looks like in text; None if the family writes none.
        order: of four values that are not named by keys.
        divisor: the value that stands for the far edge of the frame; None for pixels.
        frame: what the values measure: the original image, the square that it is padded to
            (centred), or the image at the size that the model received.
        offset: added to a value before it is divided: 0.5 for the centre of a bin.
        silence_is_none: whether an empty response says that there is no object.
    """

    grammar: Literal["numbers", "paligemma", "florence", "kosmos"] | None
    order: Literal["xyxy", "yxyx"] = "xyxy"
    divisor: int | None = None
    frame: Literal["image", "padded_square", "model_input"] = "image"
    offset: float = 0.0
    silence_is_none: bool = False


CONVENTIONS = {
    "loc1024_yxyx": Convention("paligemma", order="yxyx", divisor=1024, silence_is_none=True),
    "grid1000_xyxy": Convention("numbers", divisor=1000),
    "grid1000_yxyx": Convention("numbers", order="yxyx", divisor=1000),
    "grid999_xyxy": Convention("numbers", divisor=999),
    "norm1_xyxy": Convention("numbers", divisor=1),
    "norm1_xyxy_padded_square": Convention("numbers", divisor=1, frame="padded_square"),
    "pixels_xyxy": Convention("numbers"),
    "pixels_xyxy_model_input": Convention("numbers", frame="model_input"),
    "bin1000_center_xyxy": Convention("florence", divisor=1000, offset=0.5),
    # Its reader counts half cells of the grid of 32, which makes whole numbers of their centres.
    "patch32_kosmos2": Convention("kosmos", divisor=64),
    "points_only": Convention(None),
}


@dataclass(frozen=True, eq=False)
class ParsedBoxes:
    """What one response says, in its order.

    Args:
        boxes: shape (N, 4), finite, corners ``x1 y1 x2 y2`` in pixels of the original image,
            as written: nothing is clipped, swapped, rounded or made unique.
        status: ``parsed`` (with zero boxes for an explicit "none"), ``truncated`` (it breaks
            off inside a box or a list; complete boxes are kept) or ``unparsed`` (neither a
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
        """Predictions that ``boxes`` does not hold: ``num_extra`` of `grit_score`."""
        return self.num_non_finite + self.num_beyond_cap

    @property
    def num_degenerate(self) -> int:
        """Boxes without area: ``x2 <= x1`` or ``y2 <= y1``."""
        return int((self.boxes[:, 2:] <= self.boxes[:, :2]).any(axis=1).sum())

    @property
    def num_duplicate(self) -> int:
        """Boxes that equal an earlier one."""
        return len(self.boxes) - len(np.unique(self.boxes, axis=0))


def parse_boxes(
    text: str, convention: str, image_size: Size, model_input_size: Size | None = None, *, max_boxes: int = MAX_BOXES
) -> ParsedBoxes:
    """Read the boxes of a response.

    Only the answer counts (`answer_part`), and of that only the last ``<answer>`` if there is one; reasoning that
    never ends is a truncated response without boxes. Labels and scores are ignored. A key that states an order
    (``bbox_xywh``) is obeyed. Four numbers in prose, points and quadrilaterals are no boxes.

    Args:
        text: the response; any text will do.
        convention: a key of `CONVENTIONS`.
        image_size: width and height of the original image in pixels.
        model_input_size: width and height of the image as the model received it; for
            conventions in that frame.
        max_boxes: so many are kept, the first ones; the rest is counted.

    Raises:
        ValueError: the convention is unknown, a size is missing or not positive, or
            ``max_boxes`` is negative. No text raises.

    >>> parse_boxes("nucleus(100,200),(300,400)", "grid1000_xyxy", (500, 400)).boxes.tolist()
    [[50.0, 80.0, 150.0, 160.0]]
    >>> parse_boxes("Sorry, I see no nucleus.", "grid1000_xyxy", (500, 400)).status
    'unparsed'
    """
    rule = _checked(convention, image_size, model_input_size, max_boxes)
    found = _extracted(text, rule)
    boxes = _in_pixels(found.boxes, rule, image_size, model_input_size)
    finite = boxes[np.isfinite(boxes).all(axis=1)]
    return ParsedBoxes(finite[:max_boxes], found.status, len(boxes) - len(finite), len(finite[max_boxes:]))


def _checked(convention: str, image_size: Size, model_input_size: Size | None, max_boxes: int) -> Convention:
    if convention not in CONVENTIONS:
        raise ValueError(f"Expected one of the conventions {', '.join(CONVENTIONS)}; got {convention!r}.")
    rule = CONVENTIONS[convention]
    sizes = {"image_size": image_size} | ({"model_input_size": model_input_size} if rule.frame == "model_input" else {})
    for name, size in sizes.items():
        if size is None or len(size) != 2 or not all(0 < side < math.inf for side in size):
            raise ValueError(f"Expected a positive width and height as {name} of convention {convention}, got {size}.")
    if max_boxes < 0:
        raise ValueError(f"Expected max_boxes of at least 0, got {max_boxes}.")
    return rule


def values_of(boxes: np.ndarray, convention: str, image_size: Size, model_input_size: Size | None = None) -> np.ndarray:
    """Boxes in pixels of the original image, shape (N, 4), in the unit of a convention that writes plain numbers.

    Corners stay in the order ``x1 y1 x2 y2``; it is the inverse of what `parse_boxes` does to keyed corners.

    Raises:
        ValueError: the convention is unknown or writes tokens, or a size is missing or not positive.
    """
    rule = _checked(convention, image_size, model_input_size, 0)
    if rule.grammar != "numbers":
        raise ValueError(f"Expected a convention of plain numbers, got {convention}.")
    side, padding, whole = _scale(rule, image_size, model_input_size)
    return ((boxes.reshape(-1, 2, 2) + padding) * whole / side - rule.offset).reshape(-1, 4)


# --- convert -------------------------------------------------------------------------


def _in_pixels(boxes: list[Corners], rule: Convention, image_size: Size, model_input_size: Size | None) -> np.ndarray:
    """Boxes ``x1 y1 x2 y2`` in the rule's unit as pixels of the original image, shape (N, 4)."""
    side, padding, whole = _scale(rule, image_size, model_input_size)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(boxes, dtype=np.float64).reshape(-1, 2, 2) + rule.offset
        return (values * side / whole - padding).reshape(-1, 4)


def _scale(rule: Convention, image_size: Size, model_input_size: Size | None) -> tuple[Size, Size, Size]:
    """The sides in pixels that the frame has, how far the image lies inside it, and the values that stand for its far edges."""
    side, padding, whole = image_size, (0, 0), (rule.divisor, rule.divisor)
    if rule.frame == "padded_square":
        longer = max(image_size)
        side, padding = (longer, longer), tuple((longer - extent) // 2 for extent in image_size)
    elif rule.frame == "model_input":
        whole = model_input_size
    elif rule.divisor is None:
        side = whole = (1, 1)
    return side, padding, whole


# --- extract -------------------------------------------------------------------------

# Full-width forms of ASCII and other characters that stand for plain punctuation; backslashes
# only escape (Markdown's \_, LaTeX's \[).
_PLAIN = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict(zip("、【】“”‘’\N{MINUS SIGN}", ",[]\"\"''-"))
    | {"\\": None, "\N{ZERO WIDTH SPACE}": None, "\N{ZERO WIDTH NO-BREAK SPACE}": None}
)
_ANSWER = re.compile(r"<answer>((?:(?!</?answer>).)*+)", re.IGNORECASE | re.DOTALL)
_NONE = re.compile(r"\W*+(?:json\b\W*+)?(?:none|null)\W*+", re.IGNORECASE)


def _extracted(text: str, rule: Convention) -> Extraction:
    part = answer_part(text.translate(_PLAIN))
    if part.truncated:
        return Extraction([], "truncated")
    answer = (_ANSWER.findall(part.text) or [part.text])[-1]
    if rule.grammar is None:
        return Extraction([], "unparsed")
    if _NONE.fullmatch(answer) or (rule.silence_is_none and not answer.strip()):
        return Extraction([], "parsed")
    if rule.grammar == "paligemma":
        return box_tokens.paligemma_boxes(answer, rule.order)
    if rule.grammar == "florence":
        return box_tokens.token_boxes(answer, box_tokens.FLORENCE_TOKEN, 4)
    if rule.grammar == "kosmos":
        cells = box_tokens.token_boxes(answer, box_tokens.KOSMOS_TOKEN, 2)
        return Extraction([box_tokens.half_cells(*map(int, pair)) for pair in cells.boxes], cells.status)
    return NumbersReader(answer, rule.order).read()
