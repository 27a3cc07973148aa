"""Define what every form of input is read into: images with their labels or boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Labels:
    """State what is known of one image; None where nothing is.

    Attributes:
        class_name: the right answer.
        question: the question about this image, if it differs from that of the dataset.
        options: the options of its question, if they differ from the classes of the dataset.
        group: the patient, slide or well that it belongs to.
        domain, modality, stain: as in the release.
    """

    class_name: str | None = None
    question: str | None = None
    options: tuple[str, ...] | None = None
    group: str | None = None
    domain: str | None = None
    modality: str | None = None
    stain: str | None = None


@dataclass(frozen=True)
class ClassBox:
    """One annotated box ``(x1, y1, x2, y2)`` in pixels, and the place that states it."""

    place: str
    class_name: str
    box: Box


@dataclass(frozen=True)
class Entry:
    """One image of a user.

    Attributes:
        place: names it in messages: its file, or the line or row that it stands in.
        load: reads its content; is given the largest size in bytes.
        labels: what is known of it.
        boxes: of the instances in it.
        stated_size: width and height by the file that states the boxes.
    """

    place: str
    load: Callable[[int], bytes]
    labels: Labels = Labels()
    boxes: tuple[ClassBox, ...] = ()
    stated_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Collected:
    """All images of one source, before any is decoded.

    Attributes:
        form: names the form of input.
        entries: in the order of the source.
        class_order: the classes in the order in which the source states them; None if it states no order.
        notes: what was left out.
    """

    form: str
    entries: list[Entry]
    class_order: list[str] | None = None
    notes: list[str] = field(default_factory=list)
