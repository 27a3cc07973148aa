"""Define how a dataset of the demo set is described: what is drawn, asked and stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from microbench_tasks.demo.canvas import Picture, Shape

# Draws an image of a class.
Painter = Callable[[Generator, str, Shape], Picture]

INSTITUTION = "microbench demo set (drawn)"
LICENSE = "CC0-1.0"

NO_TAXON = (None, None)


@dataclass(frozen=True)
class Setting:
    """Where a micrograph comes from: the answers to the five coarse questions."""

    domain: str
    subdomain: str
    modality: str
    submodality: str
    stain: str


@dataclass(frozen=True)
class DemoDataset:
    """Describe one dataset of the demo set; a dataset without classes has no classification question.

    Attributes:
        paint: draws an image of a class; of a dataset without classes, it ignores the class.
        size: (height, width) in pixels.
        question: the classification question.
        captions: the two wordings of a caption, with ``{class}`` in them.
        mode: a Pillow mode.
        full_scale: the highest value of a 16-bit image.
        shares_ids_with: the family whose rows have the same image ids.
    """

    name: str
    setting: Setting
    paint: Painter
    size: Shape
    classes: tuple[str, ...] = ()
    question: str = ""
    captions: tuple[str, str] = ("", "")
    mode: str = "RGB"
    full_scale: int = 65535
    microns_per_pixel: float | None = None
    taxon: tuple[str | None, str | None] = NO_TAXON
    synthetic: bool = False
    named_in_release: bool = True
    shares_ids_with: str | None = None
    asks_stain: bool = True

    @property
    def dataset_column(self) -> str | None:
        """The value of the ``dataset`` column: the name, but null for the two datasets of Held et al."""
        return self.name if self.named_in_release else None

    @property
    def default_rows(self) -> int:
        """The number of rows: at least 12, and 2 of every class."""
        return max(12, 2 * len(self.classes))
