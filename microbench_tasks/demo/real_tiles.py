"""Tiles of the two real micrographs that ship inside scikit-image.

``skimage.data.immunohistochemistry``: colonic glands, FHL2 protein in DAB with hematoxylin, acquired at
the Center for Microscopy And Molecular Imaging (CMMI), no known copyright restrictions.
``skimage.data.cell``: a cell floating in saline, quantitative phase image from a digital hologram,
0.107 micrometers per pixel, from Müller et al., Optics Express 26(8), 2018, dedicated to the public domain (CC0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TILE = 256
# Left and top of each crop of the image (550 wide, 660 high), all around its one cell.
CELL_CROPS = ((292, 245), (240, 200), (270, 290))


@dataclass(frozen=True)
class RealTile:
    """A tile of a real micrograph and what is known of it; ``label`` is None where no class is known."""

    dataset: str
    pixels: np.ndarray
    label: str | None
    subdomain: str
    submodality: str
    stain: str
    institution: str
    license: str
    microns_per_pixel: float | None


def load_tiles() -> tuple[RealTile, ...]:
    """Return four tiles of colonic glands, then the crops of the floating cell."""
    return (*_colon_tiles(), *_cell_tiles())


def _colon_tiles() -> list[RealTile]:
    from skimage import data

    image = data.immunohistochemistry()
    corners = [(top, left) for top in (0, TILE) for left in (0, TILE)]
    return [
        RealTile(
            dataset="kather_et_al_2016",
            pixels=image[top : top + TILE, left : left + TILE],
            label="mucosal glands",
            subdomain="gastrointestinal pathology",
            submodality="brightfield microscopy",
            stain="IHC(DAB)",
            institution="Center for Microscopy And Molecular Imaging (CMMI), from skimage.data.immunohistochemistry",
            license="no known copyright restrictions",
            microns_per_pixel=None,
        )
        for top, left in corners
    ]


def _cell_tiles() -> list[RealTile]:
    from skimage import data

    image = data.cell()
    return [
        RealTile(
            dataset="eulenberg_et_al_2017_brightfield",
            pixels=image[top : top + TILE, left : left + TILE],
            label=None,
            subdomain="cell biology",
            submodality="quantitative phase imaging",
            stain="unstained",
            institution="qpformat, from skimage.data.cell",
            license="CC0-1.0",
            microns_per_pixel=0.107,
        )
        for left, top in CELL_CROPS
    ]
