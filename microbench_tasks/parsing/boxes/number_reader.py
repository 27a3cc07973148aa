"""Read boxes that models write as numbers: JSON or similar text, bracketed lists, pairs of points, tagged boxes."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from microbench_tasks.parsing.boxes.box_keys import Key, corners_of
from microbench_tasks.parsing.boxes.extraction import Corners, Extraction, Order, response_status, to_corners
from microbench_tasks.parsing.boxes.number_tokens import (
    BOX_TAGS,
    CLOSING_TAGS,
    INSIDE,
    NULLS,
    OPENING_BRACKETS,
    OUTSIDE,
    STRING_OF_NUMBERS,
    TAG_GROUP,
    parse_numbers,
)


@dataclass(slots=True)
class _Group:
    """Collect the content between two brackets, or between two tags of a box.

    Args:
        takes_lists: whether four numbers in it can be a box, according to its key.
        takes_objects: whether an object with named corners in it can be a box.
        order: the order of four numbers.
        name: the name of its key; empty without one.
        num_boxes: how many boxes were found before it.
    """

    bracket: str
    start: int
    takes_lists: bool
    takes_objects: bool
    order: Order
    name: str = ""
    num_boxes: int = 0
    numbers: list[float] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    fields: dict[str, float] = field(default_factory=dict)
    # Lists of two numbers among its values: of a list, and by key.
    pairs: tuple[tuple[float, float], ...] = ()
    points: dict[str, tuple[float, float]] | None = None
    num_inner: int = 0
    # Whether it says that there are no boxes.
    says_none: bool = False
    is_empty: bool = True
    # Only numbers, separators and labels.
    is_pure: bool = True
    has_labels: bool = False
    has_words: bool = False

    def parts(self) -> list[list[float]]:
        """Return the numbers, split at semicolons."""
        bounds = [0, *self.cuts, len(self.numbers)]
        return [self.numbers[start:end] for start, end in itertools.pairwise(bounds)]

    def is_pair_of_points(self) -> bool:
        """Tell whether it contains two lists of two numbers and nothing else."""
        return len(self.pairs) == self.num_inner == 2 and not (self.numbers or self.has_labels or self.has_words)

    def breaks_off(self) -> bool:
        """Tell whether a text that ends inside this group is cut off. A bracket in prose may just be left open."""
        if self.bracket == "(":
            return self.is_pure and bool(self.numbers)
        return self.bracket == "{" or not self.has_words


class NumbersReader:
    """Read JSON or similar, bracketed lists, pairs of points and tagged boxes.

    A box is complete when its own bracket closes, so outer brackets or the rest of a list may be missing. Numbers
    outside brackets are prose.
    """

    def __init__(self, text: str, order: Order):
        self.text = text
        self.root = _Group(bracket="", start=0, takes_lists=True, takes_objects=True, order=order)
        self.boxes: list[Corners] = []
        self.says_none = False
        self.groups: list[_Group] = []
        self.num_open: Counter[str] = Counter()
        # Points joined by commas: two, as in (x1,y1),(x2,y2), are a box, more are a polygon.
        self.points: list[_Group] = []
        self.points_end = 0
        self.key: Key | None = None
        self.number_end = -1

    def read(self) -> Extraction:
        """Read all boxes of the text."""
        end = 0
        while token := (INSIDE if self.groups else OUTSIDE).search(self.text, end):
            end = token.end()
            # The methods below are named after the groups of the two patterns.
            getattr(self, f"_on_{token.lastgroup}")(token)
        breaks_off = any(group.breaks_off() for group in self.groups)
        breaks_off |= bool(self.points) and self.text[self.points_end :].strip() == ","
        self._end_points()
        for group in self.groups:
            if group.bracket == "[" and group.is_pure and group.takes_lists:
                self._add_lists(group.parts()[:-1], group.order)
        return Extraction(self.boxes, response_status(len(self.boxes), breaks_off, self.says_none))

    # What a token does.

    def _on_open(self, token: re.Match[str]) -> None:
        self._open(token["open"], token)

    def _on_close(self, token: re.Match[str]) -> None:
        self._close(OPENING_BRACKETS[token["close"]], token.end())

    def _on_tag(self, token: re.Match[str]) -> None:
        tag = token["tag"].casefold()
        if tag in BOX_TAGS:
            self._open(TAG_GROUP, token)
        elif tag in CLOSING_TAGS:
            self._close(TAG_GROUP, token.end())
        else:
            self._on_other(token)

    def _on_angled(self, token: re.Match[str]) -> None:
        value = self._value(token.start(), "<")
        if value.takes_lists:
            self._end_points()
            self._add_lists([parse_numbers(token["angled"])], value.order)
        self._on_other(token)

    def _on_key(self, token: re.Match[str]) -> None:
        self._on_other(token)
        self.key = Key.of(token["key"], token.end(), is_strict=True)

    def _on_bare_key(self, token: re.Match[str]) -> None:
        self._on_other(token)
        in_object = bool(self.groups) and self.groups[-1].bracket == "{"
        self.key = Key.of(token["bare_key"], token.end(), is_strict=in_object)

    def _on_number(self, token: re.Match[str]) -> None:
        self._add_number(float(token["number"]), token)

    def _on_quoted_number(self, token: re.Match[str]) -> None:
        self._add_number(float(token["quoted_number"]), token)

    def _on_word(self, token: re.Match[str]) -> None:
        self._on_other(token)
        word, key = token["word"].casefold(), self._taken_key(token.start())
        self._note_none(word in NULLS and key is not None and key.is_box and not key.is_other, is_keyed=True)
        self.groups[-1].has_words = True

    def _on_cut(self, token: re.Match[str]) -> None:
        """Split the boxes of a list at a semicolon; in round brackets it separates clauses."""
        group = self.groups[-1]
        group.is_pure &= group.bracket != "("
        group.cuts.append(len(group.numbers))

    def _on_fence(self, token: re.Match[str]) -> None:
        """Close everything at the end of a code block."""
        self.groups.clear()
        self.num_open.clear()

    def _on_comment(self, token: re.Match[str]) -> None:
        """Ignore a comment."""

    def _on_string(self, token: re.Match[str]) -> None:
        """Read a string as a label, or as the numbers of a box."""
        group, content = self.groups[-1], token["string"][1:-1]
        is_closed = len(token["string"]) > 1 and token["string"][-1] == token["string"][0]
        if is_closed and STRING_OF_NUMBERS.fullmatch(content):
            value = self._value(token.start(), '"')
            if value.takes_lists:
                self._end_points()
                self._add_lists([parse_numbers(content)], value.order)
        elif is_closed and group.bracket == "[":
            group.has_labels, group.is_empty = True, False
            return
        self._on_other(token)

    def _on_other(self, token: re.Match[str]) -> None:
        if self.groups:
            self.groups[-1].is_empty = self.groups[-1].is_pure = False

    # Brackets.

    def _open(self, bracket: str, token: re.Match[str]) -> None:
        group = self._value(token.start(), bracket)
        self._on_other(token)
        if self.groups:
            self.groups[-1].num_inner += 1
        self.groups.append(group)
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
            self._note_none(closed.takes_lists and bracket != "(", is_keyed=bool(closed.name))
        elif bracket == "{":
            self._end_object(closed)
        elif bracket == "(" and closed.is_pure and len(closed.numbers) == 2:
            self._add_point(closed, end)
        elif bracket == "[" and closed.is_pure and len(closed.numbers) == 2 and not (closed.cuts or closed.has_labels):
            self._note_pair(closed, _point_in_order(closed.numbers, closed.order))
        elif closed.takes_lists and closed.is_pure:
            self._end_points()
            self._add_lists(closed.parts(), closed.order, may_be_scored=closed.has_labels or bool(closed.name))
        elif closed.takes_lists and closed.is_pair_of_points():
            self._end_points()
            self.boxes.append(closed.pairs[0] + closed.pairs[1])

    def _end_object(self, closed: _Group) -> None:
        """Read an object with named corners, unless it is a record of boxes that were read already, or of none."""
        is_record = len(self.boxes) > closed.num_boxes or closed.says_none
        corners = corners_of(closed.fields, closed.points or {}) if closed.takes_objects and not is_record else None
        if corners is not None:
            self._end_points()
            self.boxes.append(corners)
        elif closed.fields.keys() >= {"x", "y"}:
            self._note_pair(closed, (closed.fields["x"], closed.fields["y"]))

    def _note_none(self, says_none: bool, *, is_keyed: bool) -> None:
        self.says_none |= says_none
        if self.groups and is_keyed:
            self.groups[-1].says_none |= says_none

    def _note_pair(self, closed: _Group, pair: tuple[float, float]) -> None:
        """Add a point to the group that contains it."""
        if not self.groups:
            return
        parent = self.groups[-1]
        if parent.bracket != "{":
            # Three are kept at most: more than two points are not corners.
            parent.pairs = (*parent.pairs[:2], pair)
        elif parent.points is None:
            parent.points = {closed.name: pair}
        else:
            parent.points[closed.name] = pair

    def _value(self, start: int, bracket: str) -> _Group:
        """Return a new group. Its key, or without one its parent, decides whether it can contain boxes."""
        parent = self.groups[-1] if self.groups else self.root
        key = self._taken_key(start)
        if key is None:
            # Lists in a list are boxes unless their key suggests something else: {"nuclei": [[…], […]]}.
            takes_lists = parent.takes_lists or (parent.bracket == "[" and parent.takes_objects)
            return _Group(bracket, start, takes_lists, parent.takes_objects, parent.order, num_boxes=len(self.boxes))
        takes = not key.is_other and (key.is_box or parent.takes_objects)
        return _Group(bracket, start, takes, takes, key.order or parent.order, key.name, len(self.boxes))

    def _taken_key(self, start: int) -> Key | None:
        """Return and clear the key whose value starts at ``start``, None if there is none."""
        key, self.key = self.key, None
        return key if key is not None and not self.text[key.end : start].strip() else None

    # The content of brackets.

    def _add_number(self, number: float, token: re.Match[str]) -> None:
        group, key = self.groups[-1], self._taken_key(token.start())
        group.is_empty = False
        if group.bracket == "{":
            if key is not None:
                group.fields[key.name] = number
        else:
            # Adjacent numbers, as in 100-200, are one expression.
            group.is_pure &= token.start() != self.number_end
            group.numbers.append(number)
        self.number_end = token.end()

    def _add_lists(self, lists: list[list[float]], order: Order, *, may_be_scored: bool = False) -> None:
        """Add the lists of four numbers; of four and a score where a key or a label says that they are a box."""
        for values in lists:
            if len(values) == 4 or (may_be_scored and len(values) == 5 and 0 <= values[4] <= 1):
                self.boxes.append(to_corners(values[:4], order))

    def _add_point(self, group: _Group, end: int) -> None:
        between = self.text[self.points_end : group.start]
        is_listed = bool(self.groups) and self.groups[-1].bracket in (TAG_GROUP, "[")
        # With a space after the comma it is a list of points, except in brackets or between the tags of a box.
        if (between.strip() if is_listed else between) != ",":
            self._end_points()
        self.points.append(group)
        self.points_end = end

    def _end_points(self) -> None:
        points, self.points = self.points, []
        if len(points) == 2 and points[0].takes_lists:
            self._add_lists([points[0].numbers + points[1].numbers], points[0].order)


def _point_in_order(values: Sequence[float], order: Order) -> tuple[float, float]:
    """Return two values as ``x, y``."""
    first, second = values
    return (second, first) if order == "yxyx" else (first, second)
