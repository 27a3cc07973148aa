"""Draw what stained tissue sections have in common: density maps of dyes, nuclei, the camera."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Shape,
    cover,
    noise,
    photographed,
    transmitted,
    wobbly,
)

# Density maps by dye, filled in place by the functions below.
Layers = dict[str, np.ndarray]


def empty_layers(shape: Shape) -> Layers:
    """Return density maps without dye."""
    return {"hematoxylin": np.zeros(shape), "eosin": np.zeros(shape)}


def add_nuclei(
    rng: Generator,
    layers: Layers,
    places: np.ndarray,
    radius: float,
    density: float = 1.2,
    elongation: float = 1.2,
    angle: float | None = None,
    wobble: float = 0.06,
) -> None:
    """Add nuclei at ``places``; size, darkness and (unless given) direction vary from one to the next."""
    shape = layers["hematoxylin"].shape
    inside = [
        place for place in places if -radius < place[0] < shape[1] + radius and -radius < place[1] < shape[0] + radius
    ]
    blobs = [
        wobbly(
            rng,
            x,
            y,
            radius * rng.normal(1, 0.14),
            max(1.0, elongation * rng.normal(1, 0.15)),
            wobble,
            None if angle is None else angle + rng.normal(0, 0.15),
        )
        for x, y in inside
    ]
    nuclei = cover(shape, blobs, 1.2, rng.uniform(0.7, 1.15, len(blobs)))
    chromatin = 1 + 0.2 * noise(rng, shape, max(2.0, 0.5 * radius))
    layers["hematoxylin"] = np.maximum(layers["hematoxylin"], density * nuclei * chromatin)
    layers["eosin"] *= 1 - 0.5 * np.clip(nuclei, 0, 1)


def photograph_section(rng: Generator, layers: Layers) -> np.ndarray:
    """Photograph the stained section; slides differ in how blue or pink they are."""
    layers = layers | {
        "hematoxylin": layers["hematoxylin"] * rng.uniform(0.85, 1.15),
        "eosin": layers["eosin"] * rng.uniform(0.85, 1.15),
    }
    return photographed(rng, transmitted(rng, layers, lamp=(0.96, 0.95, 0.97)), blur=0.6)
