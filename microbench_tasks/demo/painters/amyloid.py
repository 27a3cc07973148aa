"""Draw sections of brain tissue with amyloid deposits (IHC with DAB)."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Picture,
    Shape,
    apart,
    cover,
    grain,
    noise,
    photographed,
    rings,
    strokes,
    transmitted,
    wobbly,
)
from microbench_tasks.demo.painters.sections import Layers, add_nuclei


def amyloid(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw brain tissue at low power with one kind of amyloid deposit in brown."""
    return _amyloid(rng, label, shape, unit=shape[0] / 32, neuropil=0.13)


def amyloid_close_up(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw the same deposits larger in the frame, on a bluer counterstain."""
    return _amyloid(rng, label, shape, unit=shape[0] / 24, neuropil=0.24)


def _amyloid(rng: Generator, label: str, shape: Shape, unit: float, neuropil: float) -> Picture:
    layers = {
        "hematoxylin": np.clip(neuropil + 0.04 * noise(rng, shape, 2 * unit) + 0.02 * grain(rng, shape, 1.0), 0, 1),
        "eosin": np.zeros(shape),
        "dab": np.zeros(shape),
    }
    add_nuclei(rng, layers, apart(rng, shape, rng.integers(14, 26), 3 * unit), 0.55 * unit, 0.75, 1.2)
    layers["dab"] += np.clip(0.05 + 0.03 * noise(rng, shape, 5 * unit), 0, 1)
    x, y = np.array(shape[::-1]) / 2 + rng.normal(0, 2 * unit, 2)
    if label in DEPOSITS:
        DEPOSITS[label](rng, shape, x, y, unit, layers)
    return Picture(photographed(rng, transmitted(rng, layers), blur=0.7))


def _cored_plaque(rng: Generator, shape: Shape, x: float, y: float, unit: float, layers: Layers) -> None:
    """Draw a dense core, a clear ring, a corona of fibrils."""
    radius = rng.uniform(4.5, 6.5) * unit
    core = cover(shape, [wobbly(rng, x, y, 0.38 * radius, 1.1, 0.06)], soft=0.8 * unit)
    corona_edge = rings(shape, [wobbly(rng, x, y, 0.85 * radius, 1.1, 0.06)], 0.32 * radius)
    angles = rng.uniform(0, 2 * np.pi, 46)
    spokes = [
        np.array([[x + r * np.cos(a), y + r * np.sin(a)] for r in (0.55 * radius, radius * rng.uniform(0.9, 1.15))])
        for a in angles
    ]
    layers["dab"] += (
        1.5 * core
        + corona_edge * np.clip(0.5 + 0.25 * noise(rng, shape, unit), 0.1, 1)
        + 0.35 * strokes(shape, spokes, 0.25 * unit)
    )


def _diffuse_plaque(rng: Generator, shape: Shape, x: float, y: float, unit: float, layers: Layers) -> None:
    """Draw a pale, ragged cloud without a core."""
    cloud = cover(shape, [wobbly(rng, x, y, rng.uniform(6, 8.5) * unit, 1.3, 0.14)], soft=5 * unit)
    layers["dab"] += cloud * np.clip(0.42 + 0.2 * noise(rng, shape, 1.2 * unit) + 0.1 * grain(rng, shape, 1.0), 0, 1)


def _angiopathy(rng: Generator, shape: Shape, x: float, y: float, unit: float, layers: Layers) -> None:
    """Draw a vessel cut across: empty lumen in a dark, smooth wall."""
    vessel = wobbly(rng, x, y, rng.uniform(4, 6.5) * unit, rng.uniform(1, 1.7), 0.05)
    body, lumen = cover(shape, [vessel], soft=2), cover(shape, [vessel.scaled(rng.uniform(0.55, 0.68))], soft=2)
    wall = body * (1 - lumen)
    gap = rings(shape, [vessel.scaled(1.15)], 0.8 * unit)
    for layer in layers.values():
        layer *= (1 - 0.97 * body) * (1 - 0.7 * gap)
    layers["dab"] += wall * np.clip(1.25 + 0.25 * noise(rng, shape, 1.5 * unit), 0, 2)


DEPOSITS = {
    "cored plaque": _cored_plaque,
    "diffuse plaque": _diffuse_plaque,
    "cerebral amyloid angiopathy": _angiopathy,
}
