"""Read boxes that models write as location tokens. Imports only `box_forms`."""

from __future__ import annotations

import re

from microbench_tasks.parsing.box_forms import Corners, Extraction, Order, ordered, status_of

_PALIGEMMA_TOKEN = re.compile(r"<loc([0-9]{4})>")
FLORENCE_TOKEN = re.compile(r"<loc_([0-9]{1,4})>")
KOSMOS_TOKEN = re.compile(r"<patch_index_([0-9]{1,4})>")
_CUT_TOKEN = re.compile(r"<[a-z_]*+[0-9]*+\s*+\Z")
_KOSMOS_SIDE = 32


def paligemma_boxes(text: str, order: Order) -> Extraction:
    """Read one box per part between semicolons: its first four tokens. Fewer tokens are ignored.

    Source: GitHub ``Ale9806/eVLLM``, which raises where fewer than four are left.
    """
    parts = [_PALIGEMMA_TOKEN.findall(part)[:4] for part in text.split(";")]
    boxes = [ordered(map(float, part), order) for part in parts if len(part) == 4]
    return Extraction(boxes, status_of(len(boxes), 0 < len(parts[-1]) < 4 or _is_cut(text)))


def token_boxes(text: str, token: re.Pattern, size: int) -> Extraction:
    """Collect groups of ``size`` consecutive tokens; any text between two tokens ends a group."""
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
    return Extraction(groups, status_of(len(groups), breaks_off or _is_cut(text)))


def _is_cut(text: str) -> bool:
    """Tell whether ``text`` ends inside a token."""
    return _CUT_TOKEN.match(text, max(0, text.rfind("<"))) is not None


def half_cells(upper_left: int, lower_right: int) -> Corners:
    """Return the box between the centres of two cells of Kosmos-2's grid, in units of half a cell.

    For cells in one row or column that box would be empty, so the box spans both cells in full.
    """
    y1, x1 = divmod(upper_left, _KOSMOS_SIDE)
    y2, x2 = divmod(lower_right, _KOSMOS_SIDE)
    if x1 == x2 or y1 == y2:
        return 2 * x1, 2 * y1, 2 * x2 + 2, 2 * y2 + 2
    return 2 * x1 + 1, 2 * y1 + 1, 2 * x2 + 1, 2 * y2 + 1
