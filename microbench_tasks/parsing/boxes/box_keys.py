"""Keys in JSON and similar text: which of them name a box, its corners, or the order of its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from microbench_tasks.parsing.boxes.extraction import Corners, Order, to_corners

# --- keys that name a value ----------------------------------------------------------

_CORNER_KEYS = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("minx", "miny", "maxx", "maxy"),
    ("left", "top", "right", "bottom"),
    ("x0", "y0", "x1", "y1"),
)
_START_KEYS = (("x", "y"), ("x1", "y1"), ("xmin", "ymin"), ("left", "top"))
_CENTER_KEYS = (
    ("cx", "cy"),
    ("xc", "yc"),
    ("xcenter", "ycenter"),
    ("centerx", "centery"),
    ("xcentre", "ycentre"),
    ("centrex", "centrey"),
)
_EXTENT_KEYS = (("w", "h"), ("width", "height"))
# Two opposite corners, each a point of its own.
_POINT_KEYS = (
    ("topleft", "bottomright"),
    ("upperleft", "lowerright"),
    ("lefttop", "rightbottom"),
    ("min", "max"),
    ("start", "end"),
    ("p1", "p2"),
)


def corners_of(values: Mapping[str, float], points: Mapping[str, tuple[float, float]]) -> Corners | None:
    """Return the box that an object's keys name, None if they name none. Width and height need keys of their own."""
    for names in _CORNER_KEYS:
        if all(name in values for name in names):
            return tuple(values[name] for name in names)
    keys_of_orders: tuple[tuple[tuple[tuple[str, str], ...], Order], ...] = (
        (_START_KEYS, "xywh"),
        (_CENTER_KEYS, "cxcywh"),
    )
    for starts, order in keys_of_orders:
        for names in ((*start, *extent) for start in starts for extent in _EXTENT_KEYS):
            if all(name in values for name in names):
                return to_corners((values[name] for name in names), order)
    for first, last in _POINT_KEYS:
        if first in points and last in points:
            return (*points[first], *points[last])
    return None


# --- keys that name a list or an object ----------------------------------------------

# Orders that keys state. In DeepSORT and its successors ``tlbr`` means corners with x first.
_STATED_ORDERS: tuple[tuple[re.Pattern[str], Order], ...] = (
    (re.compile("cxcywh|xcycwh|cxywh|cent(?:er|re)xywh"), "cxcywh"),
    (re.compile("xywh|ltwh|tlwh"), "xywh"),
    (re.compile("yxyx"), "yxyx"),
    (re.compile("xxyy"), "xxyy"),
    (re.compile("xyxy|ltrb|tlbr"), "xyxy"),
)
_BOX = re.compile(
    "box|coord|rectangle|bounds|location|region|object|detection|instance|prediction|annotation|result|answer"
    "|^rect$|^[0-9]+$"
)
# Ends of keys whose four numbers are not a box ("box_scores", "imageSize") …
_OTHER_END = re.compile(
    "(?:score|conf|confidence|prob|probability|probabilitie|logit|size|shape|point|cent(?:er|re|roid)"
    "|polygon|quad|quadrilateral|segmentation|mask)s?(?:2d)?$"
)
# … and last words of such keys. Any other word may be a class name, as in {"nucleus": [10, 20, 30, 40]}.
_OTHER_WORDS = frozenset(
    [
        "angle",
        "area",
        "aspect",
        "bgr",
        "caption",
        "category",
        "channel",
        "class",
        "color",
        "colour",
        "column",
        "comment",
        "count",
        "crop",
        "date",
        "depth",
        "description",
        "diameter",
        "dim",
        "dimension",
        "distance",
        "distribution",
        "embedding",
        "explanation",
        "extent",
        "feature",
        "file",
        "format",
        "frame",
        "h",
        "height",
        "histogram",
        "id",
        "idx",
        "image",
        "img",
        "index",
        "indice",
        "info",
        "intensity",
        "label",
        "length",
        "margin",
        "max",
        "mean",
        "measurement",
        "median",
        "meta",
        "metadata",
        "min",
        "name",
        "note",
        "number",
        "offset",
        "option",
        "original",
        "padding",
        "page",
        "path",
        "percentile",
        "photo",
        "picture",
        "pixel",
        "previous",
        "quantile",
        "radius",
        "range",
        "rank",
        "ratio",
        "reason",
        "reasoning",
        "resolution",
        "rgb",
        "rgba",
        "rotation",
        "row",
        "scale",
        "seed",
        "source",
        "stat",
        "statistic",
        "std",
        "step",
        "text",
        "thinking",
        "thought",
        "threshold",
        "time",
        "timestamp",
        "total",
        "type",
        "unit",
        "url",
        "value",
        "variance",
        "vector",
        "version",
        "view",
        "w",
        "weight",
        "width",
        "window",
        "x",
        "y",
    ]
)


@dataclass(frozen=True)
class Key:
    """Describe a key and what its value can be.

    Args:
        name: the key in lower-case letters and digits.
        end: where it ends in the text.
        is_box: whether the name suggests boxes.
        is_other: whether the name suggests something else.
        order: the order of four numbers, if the name states one.
    """

    name: str
    end: int
    is_box: bool
    is_other: bool
    order: Order | None

    @classmethod
    def of(cls, text: str, end: int, *, is_strict: bool) -> Key:
        """Classify a key. It is an object's key if strict, else any word before a colon in prose."""
        name = re.sub("[^a-z0-9]+", "", text.casefold())
        order = next((order for pattern, order in _STATED_ORDERS if pattern.search(name)), None)
        words = re.findall(r"[^\W\d_]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", text))
        last = words[-1].casefold() if words else ""
        is_word = is_strict and not _OTHER_WORDS.isdisjoint((last, last.removesuffix("s")))
        is_other = order is None and (is_word or _OTHER_END.search(name) is not None)
        return cls(name, end, order is not None or _BOX.search(name) is not None, is_other, order)
