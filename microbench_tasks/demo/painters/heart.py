"""Draw sections of heart muscle, stained with H&E."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from microbench_tasks.demo.canvas import (
    Picture,
    Shape,
    apart,
    bands,
    noise,
)
from microbench_tasks.demo.painters.sections import add_nuclei, empty_layers, photograph_section


def heart_muscle(rng: Generator, label: str, shape: Shape) -> Picture:
    """Draw heart muscle, H&E; in failure the fibres are thick, wavy, with big dark nuclei, split by scar and gaps."""
    failing, angle, unit = label == "chronic heart failure", rng.uniform(0, np.pi), shape[0] / 32
    layers = empty_layers(shape)
    pitch = (2.6 if failing else 1.7) * unit
    fibres = bands(rng, shape, angle, pitch, waviness=2.4 if failing else 0.7)
    y, x = np.mgrid[: shape[0], : shape[1]]
    along = x * np.cos(angle) + y * np.sin(angle)
    striae = np.sin(2 * np.pi * along / (0.62 * unit) + 1.5 * noise(rng, shape, 4 * unit))
    layers["eosin"] += np.clip(0.85 + 0.2 * np.tanh(2 * fibres) + (0.04 if failing else 0.09) * striae, 0.2, 1.6)
    layers["eosin"] *= 1 - 0.85 * np.exp(-((fibres / 0.16) ** 2))
    layers["hematoxylin"] += 0.1
    count = rng.integers(9, 14) if failing else rng.integers(14, 22)
    add_nuclei(
        rng,
        layers,
        apart(rng, shape, count, 3.5 * unit),
        (0.95 if failing else 0.6) * unit,
        1.45 if failing else 1.1,
        2.0 if failing else 2.8,
        angle,
        0.12 if failing else 0.04,
    )
    if failing:
        scar = np.clip(2.2 * (noise(rng, shape, 8 * unit) - rng.uniform(-0.1, 0.25)), 0, 1)
        collagen = np.clip(0.22 + 0.1 * bands(rng, shape, angle, 0.6 * unit, waviness=4), 0.03, 1)
        layers["eosin"] = layers["eosin"] * (1 - scar) + collagen * scar
        layers["hematoxylin"] *= 1 - 0.7 * scar
        add_nuclei(rng, layers, apart(rng, shape, 12, 3 * unit), 0.4 * unit, 1.1, 3.0, angle)
    return Picture(photograph_section(rng, layers))
