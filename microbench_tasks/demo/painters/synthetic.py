"""Draw simulated cells with a nucleus that differ in one property: contour, eccentricity or texture."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Blob,
    Mark,
    Picture,
    Shape,
    cover,
    grain,
    noise,
    photographed,
    rings,
    tinted,
    wobbly,
)

# Height of the bumps on the rim, relative to the radius.
CONTOUR = {"smooth contour": 0.0, "wavy contour": 0.085, "jagged contour": 0.2}
# Long axis over short axis.
ECCENTRICITY = {"low eccentricity": 1.05, "medium eccentricity": 1.75, "high eccentricity": 3.0}
# Size of the grains in the cytoplasm in pixels of a 128-pixel frame; None: none.
TEXTURE = {"homogeneous texture": None, "fine texture": 1.1, "coarse texture": 8.0}


def contour(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw a cell with a smooth, wavy or jagged rim."""
    height = CONTOUR[label]
    waves = {"smooth contour": (5, 8), "wavy contour": (7, 10), "jagged contour": (11, 17)}[label]
    phases = rng.uniform(0, 2 * np.pi, 2)
    bumps = tuple(
        (int(wave), height * rng.uniform(0.6, 0.9), phase)
        for wave, phase in zip(rng.integers(*waves, 2), phases, strict=True)
    )
    return _simulated(rng, shape, bumps, rng.uniform(1.05, 1.35), None)


def eccentricity(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw a round, oval or long cell."""
    return _simulated(rng, shape, ((3, 0.02 * rng.normal(), 0.0),), ECCENTRICITY[label] * rng.uniform(0.95, 1.08), None)


def texture(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw a cell with a homogeneous, fine or coarse cytoplasm."""
    return _simulated(rng, shape, ((3, 0.03 * rng.normal(), 0.0),), rng.uniform(1.05, 1.35), TEXTURE[label])


def _simulated(rng: Generator, shape: Shape, bumps: tuple, elongation: float, grain_size: float | None) -> Picture:
    """Draw a green cell with a blue nucleus inside; both outlined."""
    # A long cell is drawn smaller, so that it ends inside the frame.
    radius = min(0.28 * shape[0] * rng.uniform(0.88, 1.08), 0.45 * shape[0] / elongation**0.5)
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 0.015 * shape[0], 2)
    cell = Blob(x, y, radius, elongation, rng.uniform(0, np.pi), bumps)
    off = rng.normal(0, 0.06 * radius, 2)
    nucleus = wobbly(rng, x + off[0], y + off[1], 0.4 * radius, min(1.5, elongation), 0.02, cell.angle)
    inside, core = cover(shape, [cell], soft=1.5), cover(shape, [nucleus], soft=1.5)
    surface = np.ones(shape)
    if grain_size is not None:
        field = grain(rng, shape, grain_size) if grain_size < 2 else noise(rng, shape, grain_size)
        surface = np.clip(1 + 0.6 * field, 0.1, 2.2)
    body = inside * (0.42 * surface * (1 - core)) + 0.15 * rings(shape, [cell], 1.5)
    hue = (rng.uniform(0.05, 0.35), 1.0, rng.uniform(0.1, 0.4))
    pixels = 0.02 + tinted(
        {hue: rng.uniform(0.85, 1.15) * body, (0.25, 0.4, 1.0): 0.8 * core * (1 + 0.08 * noise(rng, shape, 6))}
    )
    marks = (Mark("cell", cell.outline(96)), Mark("nucleus", nucleus.outline(40)))
    return Picture(photographed(rng, pixels, blur=0.5, noise_level=0.015), marks)
