"""From a response to boxes in pixels, by a named convention. Imports nothing of ours.

Three stages are kept apart: this module extracts and converts boxes exactly as written; what
is degenerate or doubled is counted, not repaired; `microbench_tasks.metrics.grit` scores. The
convention is given and never guessed: numbers do not tell their unit.

Each reader goes over the response once, in time linear in its length.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

# More boxes than any micrograph has instances: a model that repeats itself until its token limit.
MAX_BOXES = 10_000

Size = tuple[float, float]
Corners = tuple[float, ...]
Status = Literal["parsed", "truncated", "unparsed"]


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


def parse_boxes(text: str, convention: str, image_size: Size, model_input_size: Size | None = None, *, max_boxes: int = MAX_BOXES) -> ParsedBoxes:
    """Read the boxes of a response.

    Only what follows the last ``</think>`` counts, and of that only the last ``<answer>`` if
    there is one; with an unclosed ``<think>`` there is no answer. Labels are ignored. Four
    numbers in prose, points, boxes with a score and quadrilaterals are no boxes.

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


@dataclass(frozen=True)
class _Extraction:
    """Boxes ``x1 y1 x2 y2`` as written, and what the response says as a whole."""

    boxes: list[Corners]
    status: Status


_UNPARSED = _Extraction([], "unparsed")

# Full-width forms of ASCII and other characters that stand for plain punctuation; backslashes
# only escape (Markdown's \_, LaTeX's \[).
_PLAIN = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict(zip("、【】“”‘’\N{MINUS SIGN}", ",[]\"\"''-"))
    | {"\\": None, "\N{ZERO WIDTH SPACE}": None, "\N{ZERO WIDTH NO-BREAK SPACE}": None}
)
_REASONING = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_ANSWER = re.compile(r"<answer>((?:(?!</?answer>).)*+)", re.IGNORECASE | re.DOTALL)
_NONE = re.compile(r"\W*+(?:json\b\W*+)?(?:none|null)\W*+", re.IGNORECASE)


def _extracted(text: str, rule: Convention) -> _Extraction:
    answer = _answer(text.translate(_PLAIN))
    if answer is None or rule.grammar is None:
        return _UNPARSED
    if _NONE.fullmatch(answer) or (rule.silence_is_none and not answer.strip()):
        return _Extraction([], "parsed")
    if rule.grammar == "paligemma":
        return _paligemma_boxes(answer, rule.order)
    if rule.grammar == "florence":
        return _token_boxes(answer, _FLORENCE_TOKEN, 4)
    if rule.grammar == "kosmos":
        cells = _token_boxes(answer, _KOSMOS_TOKEN, 2)
        return _Extraction([_half_cells(*map(int, pair)) for pair in cells.boxes], cells.status)
    return _NumbersReader(answer, rule.order).read()


def _answer(text: str) -> str | None:
    """The part of a response that counts; None if its reasoning never ends."""
    tags = list(_REASONING.finditer(text))
    if tags:
        if not tags[-1][1]:
            return None
        text = text[tags[-1].end() :]
    return (_ANSWER.findall(text) or [text])[-1]


def _corners(values: Iterable[float], order: str) -> Corners:
    """Four values in the given order as ``x1 y1 x2 y2``."""
    first, second, third, fourth = values
    return (second, first, fourth, third) if order == "yxyx" else (first, second, third, fourth)


def _status(num_boxes: int, is_truncated: bool, says_none: bool = False) -> Status:
    if is_truncated:
        return "truncated"
    return "parsed" if num_boxes or says_none else "unparsed"


# --- tokens --------------------------------------------------------------------------

_PALIGEMMA_TOKEN = re.compile(r"<loc([0-9]{4})>")
_FLORENCE_TOKEN = re.compile(r"<loc_([0-9]{1,4})>")
_KOSMOS_TOKEN = re.compile(r"<patch_index_([0-9]{1,4})>")
_CUT_TOKEN = re.compile(r"<[a-z_]*+[0-9]*+\s*+\Z")
_KOSMOS_SIDE = 32


def _paligemma_boxes(text: str, order: str) -> _Extraction:
    """One box per part between semicolons: its first four tokens; fewer are no box.

    Source: GitHub ``Ale9806/eVLLM``, which raises where fewer than four are left.
    """
    parts = [_PALIGEMMA_TOKEN.findall(part)[:4] for part in text.split(";")]
    boxes = [_corners(map(float, part), order) for part in parts if len(part) == 4]
    return _Extraction(boxes, _status(len(boxes), 0 < len(parts[-1]) < 4 or _is_cut(text)))


def _token_boxes(text: str, token: re.Pattern, size: int) -> _Extraction:
    """Groups of ``size`` consecutive tokens; whatever stands between two tokens ends a group."""
    groups, group, end = [], [], 0
    for match in token.finditer(text):
        if text[end : match.start()].strip():
            group = []
        group.append(float(match[1]))
        end = match.end()
        if len(group) == size:
            groups.append(tuple(group))
            group = []
    breaks_off = bool(group) and not text[end:].strip()
    return _Extraction(groups, _status(len(groups), breaks_off or _is_cut(text)))


def _is_cut(text: str) -> bool:
    """Whether ``text`` ends inside a token."""
    return _CUT_TOKEN.match(text, max(0, text.rfind("<"))) is not None


def _half_cells(upper_left: int, lower_right: int) -> Corners:
    """The box between the centres of two cells of Kosmos-2's grid, in half cells.

    Cells in one row or column have no box between their centres: theirs spans both in full.
    """
    y1, x1 = divmod(upper_left, _KOSMOS_SIDE)
    y2, x2 = divmod(lower_right, _KOSMOS_SIDE)
    if x1 == x2 or y1 == y2:
        return 2 * x1, 2 * y1, 2 * x2 + 2, 2 * y2 + 2
    return 2 * x1 + 1, 2 * y1 + 1, 2 * x2 + 1, 2 * y2 + 1


# --- numbers -------------------------------------------------------------------------

_DECIMAL = r"[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?"
_NUMBER = rf"(?:{_DECIMAL}|[-+]?(?i:nan|inf(?:inity)?)\b)"
_TAG = r"(?P<tag></?+[A-Za-z|][^<>\n]*+>)"
_ANGLED = rf"(?P<angled><\s*+{_DECIMAL}(?:[\s,]++{_DECIMAL}){{3}}\s*+>)"
# Outside brackets only what can start a box is looked at; inside, everything counts. A string
# must end on its line or with the text, and an apostrophe inside a word neither starts nor ends one.
_OUTSIDE = re.compile(
    rf"""{_TAG}|{_ANGLED}|(?P<open>[\[({{])
    |(?<!\w)(?P<key>(?P<quote>["'])[^"'\n\[\](){{}}<>]*+(?P=quote))\s*+:
    |\b(?P<bare_key>[^\W\d]\w*+)\s*+:""",
    re.VERBOSE,
)
_INSIDE = re.compile(
    rf"""{_TAG}|{_ANGLED}|(?P<open>[\[({{])|(?P<close>[\])}}])
    |(?P<comment>//[^\n]*+|\#[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)|(?P<fence>```)
    |(?<!\w)(?P<key>"[^"\n]*+"|'[^'\n]*+')\s*+:|(?P<bare_key>[^\W\d]\w*+)\s*+:
    |(?P<number>{_NUMBER})|(?P<quote>["'])\s*+(?P<quoted_number>{_NUMBER})\s*+(?P=quote)
    |(?<!\w)(?P<string>"[^"\n]*+(?:"|\Z)|'[^'\n]*+(?:'(?!\w)|\Z))
    |(?P<word>[^\W\d]\w*+)|(?P<cut>;)|(?P<other>[^\s,])""",
    re.VERBOSE,
)

_BOX_TAGS = {"<box>": "</box>", "<bbox>": "</bbox>", "<|box_start|>": "<|box_end|>", "<|det|>": "<|/det|>", "<|begin_of_box|>": "<|end_of_box|>"}
_CLOSING_TAGS = frozenset(_BOX_TAGS.values())
_TAGGED = "<box>"
_OPENING = {"]": "[", ")": "(", "}": "{"}

# Keys whose four numbers are a box, unless they end on something else ("box_scores").
_BOX_KEY = re.compile("box|coord|rectangle|bounds|location|region|object|detection|instance|prediction|annotation|result|answer|^rect$|^[0-9]+$")
_OTHER_KEY = re.compile(
    "(?:score|conf|confidence|prob|probability|probabilitie|logit|size|shape|point|cent(?:er|re|roid)|polygon|quad|quadrilateral|segmentation|mask)s?(?:2d)?$"
)
_NULLS = ("null", "none")

_CORNER_KEYS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"), ("x0", "y0", "x1", "y1"))
_START_KEYS = (("x", "y"), ("x1", "y1"), ("xmin", "ymin"), ("left", "top"))
_EXTENT_KEYS = (("w", "h"), ("width", "height"))


@dataclass(frozen=True)
class _Key:
    """A key and whether its value can be a box; its name is lower-case letters and digits."""

    name: str
    end: int
    is_other: bool
    takes_lists: bool

    @classmethod
    def of(cls, text: str, end: int, *, is_strict: bool) -> _Key:
        """A strict key must speak of boxes; words before a colon in prose must only not speak of something else."""
        name = re.sub("[^a-z0-9]+", "", text.casefold())
        is_other = _OTHER_KEY.search(name) is not None
        return cls(name, end, is_other, not is_other and (not is_strict or _BOX_KEY.search(name) is not None))


def _keyed_corners(fields: dict[str, float]) -> Corners | None:
    """The box that an object's keys name; width and height count only where a key says so."""
    for names in _CORNER_KEYS:
        if all(name in fields for name in names):
            return tuple(fields[name] for name in names)
    for x, y in _START_KEYS:
        for width, height in _EXTENT_KEYS:
            if all(name in fields for name in (x, y, width, height)):
                return fields[x], fields[y], fields[x] + fields[width], fields[y] + fields[height]
    return None


@dataclass(slots=True)
class _Group:
    """What stands between two brackets, or between two tags of a box.

    ``takes_lists`` and ``takes_objects`` say whether its key lets four numbers, and an object
    with corners by name, be a box.
    """

    bracket: str
    start: int
    takes_lists: bool
    takes_objects: bool
    numbers: list[float] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    fields: dict[str, float] = field(default_factory=dict)
    is_empty: bool = True
    # Nothing but numbers and separators.
    is_pure: bool = True
    has_words: bool = False

    def parts(self) -> list[list[float]]:
        """The numbers between semicolons."""
        bounds = [0, *self.cuts, len(self.numbers)]
        return [self.numbers[start:end] for start, end in itertools.pairwise(bounds)]

    def breaks_off(self) -> bool:
        """Whether a text that ends inside this group is cut short; a bracket in prose is just left open."""
        if self.bracket == "(":
            return self.is_pure and bool(self.numbers)
        return self.bracket == "{" or not self.has_words


_ROOT = _Group(bracket="", start=0, takes_lists=True, takes_objects=True)


class _NumbersReader:
    """Reads JSON and what resembles it, bracketed lists, pairs of points and tagged boxes.

    A box is found when its own bracket closes, so it does not matter what is missing around
    it: outer brackets, or the rest of a list. Numbers outside brackets are prose.
    """

    def __init__(self, text: str, order: str):
        self.text = text
        self.order = order
        self.boxes: list[Corners] = []
        self.says_none = False
        self.groups: list[_Group] = []
        self.num_open: Counter[str] = Counter()
        # Points joined by commas: two, as in (x1,y1),(x2,y2), are a box, more are a polygon.
        self.points: list[_Group] = []
        self.points_end = 0
        self.key: _Key | None = None
        self.number_end = -1

    def read(self) -> _Extraction:
        end = 0
        while token := (_INSIDE if self.groups else _OUTSIDE).search(self.text, end):
            end = token.end()
            # The methods below are named after the groups of the two patterns.
            getattr(self, f"_on_{token.lastgroup}")(token)
        breaks_off = any(group.breaks_off() for group in self.groups)
        breaks_off |= bool(self.points) and self.text[self.points_end :].strip() == ","
        self._end_points()
        for group in self.groups:
            if group.bracket == "[" and group.is_pure and group.takes_lists:
                self._add_lists(group.parts()[:-1])
        return _Extraction(self.boxes, _status(len(self.boxes), breaks_off, self.says_none))

    # What a token does.

    def _on_open(self, token: re.Match) -> None:
        self._open(token["open"], token)

    def _on_close(self, token: re.Match) -> None:
        self._close(_OPENING[token["close"]], token.end())

    def _on_tag(self, token: re.Match) -> None:
        tag = token["tag"].casefold()
        if tag in _BOX_TAGS:
            self._open(_TAGGED, token)
        elif tag in _CLOSING_TAGS:
            self._close(_TAGGED, token.end())
        else:
            self._on_other(token)

    def _on_angled(self, token: re.Match) -> None:
        takes_lists, _ = self._takes(token.start())
        if takes_lists:
            self._end_points()
            self._add_lists([[float(number) for number in re.findall(_DECIMAL, token["angled"])]])
        self._on_other(token)

    def _on_key(self, token: re.Match) -> None:
        self._on_other(token)
        self.key = _Key.of(token["key"], token.end(), is_strict=True)

    def _on_bare_key(self, token: re.Match) -> None:
        self._on_other(token)
        self.key = _Key.of(token["bare_key"], token.end(), is_strict=bool(self.groups) and self.groups[-1].bracket == "{")

    def _on_number(self, token: re.Match) -> None:
        self._add_number(float(token["number"]), token)

    def _on_quoted_number(self, token: re.Match) -> None:
        self._add_number(float(token["quoted_number"]), token)

    def _on_word(self, token: re.Match) -> None:
        self._on_other(token)
        word, key = token["word"].casefold(), self._taken_key(token.start())
        if word in _NULLS and key is not None and key.takes_lists:
            self.says_none = True
        self.groups[-1].has_words = True

    def _on_cut(self, token: re.Match) -> None:
        """Semicolons part the boxes of a list; in round brackets they part clauses."""
        group = self.groups[-1]
        group.is_pure &= group.bracket != "("
        group.cuts.append(len(group.numbers))

    def _on_fence(self, token: re.Match) -> None:
        """The end of a code block ends whatever its author left open."""
        self.groups.clear()
        self.num_open.clear()

    def _on_comment(self, token: re.Match) -> None:
        """A comment says nothing."""

    def _on_string(self, token: re.Match) -> None:
        self._on_other(token)

    def _on_other(self, token: re.Match) -> None:
        if self.groups:
            self.groups[-1].is_empty = self.groups[-1].is_pure = False

    # Brackets.

    def _open(self, bracket: str, token: re.Match) -> None:
        takes_lists, takes_objects = self._takes(token.start())
        self._on_other(token)
        self.groups.append(_Group(bracket, token.start(), takes_lists, takes_objects))
        self.num_open[bracket] += 1

    def _close(self, bracket: str, end: int) -> None:
        """Close the innermost ``bracket`` and drop what was left open inside it; a stray one closes nothing."""
        if not self.num_open[bracket]:
            if self.groups:
                self.groups[-1].is_pure = False
            return
        closed = None
        while closed is None or closed.bracket != bracket:
            closed = self.groups.pop()
            self.num_open[closed.bracket] -= 1
        if closed.is_empty:
            self.says_none |= closed.takes_lists and bracket != "("
        elif bracket == "{":
            corners = _keyed_corners(closed.fields) if closed.takes_objects else None
            if corners is not None:
                self._end_points()
                self.boxes.append(corners)
        elif closed.is_pure and bracket == "(" and len(closed.numbers) == 2:
            self._add_point(closed, end)
        elif closed.is_pure and closed.takes_lists:
            self._end_points()
            self._add_lists(closed.parts())

    def _takes(self, start: int) -> tuple[bool, bool]:
        """Whether lists and objects that start here can be boxes: as their key says, else as what they stand in."""
        parent = self.groups[-1] if self.groups else _ROOT
        key = self._taken_key(start)
        if key is None:
            # Lists in a list are boxes under any key that does not speak of something else: {"nuclei": [[…], […]]}.
            return parent.takes_lists or (parent.bracket == "[" and parent.takes_objects), parent.takes_objects
        return key.takes_lists, key.takes_lists or (parent.takes_objects and not key.is_other)

    def _taken_key(self, start: int) -> _Key | None:
        """The key whose value starts at ``start``, if one does; a key has one value."""
        key, self.key = self.key, None
        return key if key is not None and not self.text[key.end : start].strip() else None

    # What brackets hold.

    def _add_number(self, number: float, token: re.Match) -> None:
        group, key = self.groups[-1], self._taken_key(token.start())
        group.is_empty = False
        if group.bracket == "{":
            if key is not None:
                group.fields[key.name] = number
        else:
            # Numbers without anything between them, as in 100-200, are one expression.
            group.is_pure &= token.start() != self.number_end
            group.numbers.append(number)
        self.number_end = token.end()

    def _add_lists(self, lists: list[list[float]]) -> None:
        self.boxes += [_corners(values, self.order) for values in lists if len(values) == 4]

    def _add_point(self, group: _Group, end: int) -> None:
        between = self.text[self.points_end : group.start]
        is_tagged = bool(self.groups) and self.groups[-1].bracket == _TAGGED
        # With a space after the comma it is a list of points, except between the tags of a box.
        if (between.strip() if is_tagged else between) != ",":
            self._end_points()
        self.points.append(group)
        self.points_end = end

    def _end_points(self) -> None:
        points, self.points = self.points, []
        if len(points) == 2 and points[0].takes_lists:
            self._add_lists([points[0].numbers + points[1].numbers])
