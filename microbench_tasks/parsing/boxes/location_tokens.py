"""Read boxes that models write as location tokens."""

from __future__ import annotations

import re

from microbench_tasks.parsing.boxes.extraction import Corners, Extraction, Order, response_status, to_corners

_PALIGEMMA_TOKEN = re.compile(r"<loc([0-9]{4})>")
_FLORENCE_TOKEN = re.compile(r"<loc_([0-9]{1,4})>")
_KOSMOS_TOKEN = re.compile(r"<patch_index_([0-9]{1,4})>")
_CUT_TOKEN = re.compile(r"<[a-z_]*+[0-9]*+\s*+\Z")
# Kosmos-2 numbers the cells of a grid of 32 x 32, row by row.
_KOSMOS_SIDE = 32


def paligemma_boxes(text: str, order: Order) -> Extraction:
    """Read one box from each part between semicolons: its first four tokens. Fewer tokens are ignored.

    Source: GitHub ``Ale9806/eVLLM``, which raises where fewer than four are left.
    """
    parts = [_PALIGEMMA_TOKEN.findall(part)[:4] for part in text.split(";")]
    boxes = [to_corners(map(float, part), order) for part in parts if len(part) == 4]
    return Extraction(boxes, response_status(len(boxes), 0 < len(parts[-1]) < 4 or _ends_in_token(text)))


def florence_boxes(text: str) -> Extraction:
    """Read one box from each four consecutive tokens."""
    groups, is_cut = _token_groups(text, _FLORENCE_TOKEN, 4)
    boxes: list[Corners] = [tuple(map(float, group)) for group in groups]
    return Extraction(boxes, response_status(len(boxes), is_cut))


def kosmos_boxes(text: str) -> Extraction:
    """Read one box from each two consecutive tokens, in units of half a cell."""
    groups, is_cut = _token_groups(text, _KOSMOS_TOKEN, 2)
    boxes = [_box_of_cells(upper_left, lower_right) for upper_left, lower_right in groups]
    return Extraction(boxes, response_status(len(boxes), is_cut))


def _token_groups(text: str, token: re.Pattern[str], size: int) -> tuple[list[list[int]], bool]:
    """Collect groups of ``size`` consecutive tokens; any text between two tokens ends a group.

    Returns:
        The numbers of each complete group, and whether the text ends inside a group or a token.
    """
    groups: list[list[int]] = []
    group: list[int] = []
    end = 0
    for match in token.finditer(text):
        if text[end : match.start()].strip():
            group = []
        group.append(int(match[1]))
        end = match.end()
        if len(group) == size:
            groups.append(group)
            group = []
    ends_in_group = bool(group) and not text[end:].strip()
    return groups, ends_in_group or _ends_in_token(text)


def _ends_in_token(text: str) -> bool:
    return _CUT_TOKEN.match(text, max(0, text.rfind("<"))) is not None


def _box_of_cells(upper_left: int, lower_right: int) -> Corners:
    """Return the box between the centers of two cells of Kosmos-2's grid, in units of half a cell.

    For cells in one row or column that box would be empty, so the box spans both cells in full.
    """
    y1, x1 = divmod(upper_left, _KOSMOS_SIDE)
    y2, x2 = divmod(lower_right, _KOSMOS_SIDE)
    if x1 == x2 or y1 == y2:
        return 2 * x1, 2 * y1, 2 * x2 + 2, 2 * y2 + 2
    return 2 * x1 + 1, 2 * y1 + 1, 2 * x2 + 1, 2 * y2 + 1
